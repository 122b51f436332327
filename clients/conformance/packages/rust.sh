#!/bin/sh
# The crate, packed, unpacked, and named by path.
set -eu
target=$SCRATCH/rust
case $1 in
install)
  cargo package --quiet --allow-dirty --no-verify --manifest-path "$REPOSITORY/clients/rust/Cargo.toml" --target-dir "$target"
  tar xzf "$target"/package/straw-client-*.crate -C "$SCRATCH"
  cargo init --quiet --vcs none --name newcomer
  cargo add --quiet --path "$SCRATCH"/straw-client-*/
  # What else the README says to add, word for word.
  grep '^cargo add ' "$REPOSITORY/clients/rust/README.md" | grep -v straw-client | sh -eux
  ;;
build)
  mkdir -p src/bin
  cp "$2" "src/bin/$2.rs"
  cargo build --quiet --target-dir "$target" --bin "$2"
  cp "$target/debug/$2" "$2.bin"
  ;;
run) exec "./$2.bin" ;;
esac
