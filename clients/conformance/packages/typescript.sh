#!/bin/sh
# The npm package, packed and installed as a tarball.
set -eu
case $1 in
install)
  mkdir -p "$SCRATCH/npm"
  (cd "$REPOSITORY/clients/typescript" && { [ -d node_modules ] || npm ci --silent; } && npm pack --silent --pack-destination "$SCRATCH/npm")
  npm init --yes >/dev/null
  npm pkg set type=module
  npm install --silent --no-audit --no-fund "$SCRATCH"/npm/*.tgz typescript@5 @types/node@20
  ;;
build)
  cp "$2" "$2.ts"
  npx tsc --strict --skipLibCheck false --target es2022 --module nodenext --types node "$2.ts"
  ;;
run) exec node "$2.js" ;;
esac
