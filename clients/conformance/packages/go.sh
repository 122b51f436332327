#!/bin/sh
# The Go client's module, taken in by replace.
set -eu
case $1 in
install)
  go mod init example.com/newcomer
  go mod edit -require=github.com/straw-gateway/straw@v0.0.0 -replace="github.com/straw-gateway/straw=$REPOSITORY"
  cp "$REPOSITORY/go.sum" .
  ;;
build)
  mkdir -p "$2.d"
  cp "$2" "$2.d/main.go"
  go build -mod=mod -o "$2.bin" "./$2.d"
  ;;
run) exec "./$2.bin" ;;
esac
