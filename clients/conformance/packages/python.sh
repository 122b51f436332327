#!/bin/sh
# The wheel, built and installed into a virtual environment.
set -eu
case $1 in
install)
  python3 -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$SCRATCH/wheel" "$REPOSITORY/clients/python"
  python3 -m venv venv
  venv/bin/pip install --quiet --disable-pip-version-check "$SCRATCH"/wheel/*.whl
  ;;
build) venv/bin/python -m py_compile "$2" ;;
run) exec venv/bin/python -u "$2" ;;
esac
