# The gateway needs Go, make and git; the clients' tests and `make generate` also Node, Python, a JDK with Maven, and Rust.
# `make help` lists what it can do.
#
# The tools are pinned in go.mod files below .tools, one module each, so that none of their several hundred dependencies enters
# the module that users import. The folder begins with a dot because it is no part of the program, and `./...` passes it by.
# Only the protoc plugins are tools of the root module: they must match the libraries that the generated code is linked with.
buf       := go tool -modfile=.tools/buf/go.mod buf
golangci  := go tool -modfile=.tools/golangci/go.mod golangci-lint
gotestsum := go tool -modfile=.tools/gotestsum/go.mod gotestsum

version := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)

# Set these on the command line: make run ARGS='--webhook-addr :8081', make test lint-go PKG=./server/internal/stream/...
ARGS         ?=
PKG          ?= ./...
TEST_FLAGS   ?= $(if $(CI),-count=1)
LANGUAGES    ?=
CRASH_ROUNDS ?= 500
SOAK         ?= 10m
FUZZ_TIME    ?= 20s
MUTANTS      ?=
# What `make lint` compares the API with: a commit, branch or tag. Empty: see proto/tools/breaking.
BASE         ?=

# What the clients' builds share, the conformance drivers' too. Only tests get the gateway's name: it isn't one of its settings.
venv                    := $(CURDIR)/.build/python
export CARGO_TARGET_DIR := $(CURDIR)/.build/rust
test-typescript test-python test-java test-rust conformance: export STRAW_BINARY      := $(CURDIR)/bin/straw
test-typescript test-python test-java test-rust conformance: export STRAW_PYTHON_VENV := $(venv)

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

## Build and run

.PHONY: build
build: ## Build bin/straw
	@go build -trimpath -ldflags '-X main.version=$(version)' -o bin/straw ./server/cmd/straw

.PHONY: run
run: build ## Run a gateway on loopback, with a sample of each event (`straw dev`); ARGS are its flags
	@bin/straw dev $(ARGS)

.PHONY: clean
clean: ## Remove what was built; data, such as straw-data, stays
	@rm -rf bin .build
	@git clean -fdXq clients

## Generate

# The other languages' protoc plugins, each of the version that its file in .tools says.
plugins := $(addprefix .build/tools/,typescript python java rust)

.PHONY: generate
generate: .build/protodeps $(plugins) ## Write gen/ anew from proto/
	@$(buf) generate
	@cp proto/tools/openapi/embed.go.txt gen/openapi/embed.go

# The imports of proto/, printed from the linked-in descriptors: their versions are those of go.mod.
.build/protodeps: go.mod proto/tools/protodeps/main.go
	@rm -rf $@
	@go run ./proto/tools/protodeps $@
	@touch $@

.build/tools/typescript: .tools/typescript/package-lock.json
	@rm -rf $@ && mkdir -p $@ && cp .tools/typescript/package*.json $@
	@npm ci --silent --prefix $@
	@touch $@

.build/tools/python: .tools/python/requirements.txt
	@rm -rf $@ && python3 -m venv $@
	@$@/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

.build/tools/java: .tools/java/pom.xml
	@rm -rf $@
	@mvn -q -B -f $< dependency:copy-dependencies -DoutputDirectory=$(CURDIR)/$@
	@chmod +x $@/*.exe
	@touch $@

.build/tools/rust: .tools/rust/plugins.txt
	@rm -rf $@
	@xargs cargo install --quiet --locked --root $@ <$<
	@touch $@

## Lint: a language adds itself with a target of its own

.PHONY: lint
lint: lint-proto lint-go lint-typescript lint-python lint-java lint-rust ## Check the generated code, the API and the sources

# Generates into a folder of its own, so that neither a dirty tree hides a stale file nor a check changes the tree.
.PHONY: lint-proto
lint-proto: .build/protodeps $(plugins)
	@$(buf) format proto --diff --exit-code || { echo 'proto/ is not formatted: run `$(buf) format -w proto`.'; exit 1; }
	@$(buf) lint
	@proto/tools/breaking $(BASE)
	@rm -rf .build/generated
	@$(buf) generate -o .build/generated
	@cp proto/tools/openapi/embed.go.txt .build/generated/gen/openapi/embed.go
	@diff -rq gen .build/generated/gen || { echo 'gen/ is not what proto/ generates: run `make generate` and commit gen/.'; exit 1; }

.PHONY: lint-go
lint-go:
	@unformatted=$$(git ls-files -co --exclude-standard '*.go' | xargs gofmt -l) && [ -z "$$unformatted" ] || \
		{ echo "Not gofmt-ed, run \`gofmt -w\` on:"; echo "$$unformatted"; exit 1; }
	@go mod tidy -diff
	@go vet $(PKG)
	@$(golangci) run $(PKG)

.PHONY: lint-typescript
lint-typescript: clients/typescript/node_modules
	@cd clients/typescript && npm run --silent lint

.PHONY: lint-python
lint-python: $(venv)
	@cd clients/python && $(venv)/bin/ruff check --quiet . ../conformance/drivers/python && \
		$(venv)/bin/ruff format --check --quiet . ../conformance/drivers/python && $(venv)/bin/mypy --no-error-summary

.PHONY: lint-java
lint-java:
	@mvn -B -q -f clients/java/pom.xml verify -DskipTests

.PHONY: lint-rust
lint-rust:
	@for crate in clients/rust clients/conformance/drivers/rust; do \
		cargo fmt --check --manifest-path $$crate/Cargo.toml && \
		cargo clippy --quiet --locked --all-targets --manifest-path $$crate/Cargo.toml -- -D warnings || exit 1; \
	done

## Test: likewise

.PHONY: test
test: test-go test-typescript test-python test-java test-rust conformance test-soak ## Run all tests; PKG chooses Go's packages (lint-go too), TEST_FLAGS are go test's

# The race detector needs a C compiler; without one the tests run without it. The soak measures, so it has the machine to itself.
.PHONY: test-go
test-go:
	@[ "$$(go env CGO_ENABLED)" = 1 ] && race=-race || { race=; echo 'No C compiler: testing without the race detector.'; }; \
		$(gotestsum) --format standard-quiet -- $$race -timeout 20m -skip '^TestSoak' $(TEST_FLAGS) $$(go list $(PKG) | grep -v '/clients/conformance$$')

# The other clients' tests run against the gateway itself, which finds them in STRAW_BINARY.
.PHONY: test-typescript
test-typescript: build clients/typescript/node_modules
	@cd clients/typescript && npm --silent test

.PHONY: test-python
test-python: build $(venv)
	@cd clients/python && $(venv)/bin/pytest --quiet

.PHONY: test-java
test-java: build
	@mvn -B -q -f clients/java/pom.xml test

.PHONY: test-rust
test-rust: build
	@cargo test --quiet --locked --manifest-path clients/rust/Cargo.toml

.PHONY: conformance
conformance: build ## Play every conformance case with every client, and install their packages; LANGUAGES chooses, comma-separated
	@cd clients/conformance && STRAW_LANGUAGES=$(LANGUAGES) go test -count=1 -timeout 20m

clients/typescript/node_modules: clients/typescript/package-lock.json
	@cd clients/typescript && npm ci --silent
	@touch $@

$(venv): clients/python/pyproject.toml
	@python3 -m venv $@
	@$@/bin/pip install --quiet --disable-pip-version-check --editable 'clients/python[dev]'
	@touch $@

# A short soak, and one of a gateway with planted leaks and losses, which must be found.
.PHONY: test-soak
test-soak:
	@STRAW_SOAK=4m go test -count=1 -timeout 20m -run '^TestSoak' ./server/e2e

.PHONY: soak
soak: ## Let clients of every kind come and go, one in ten hostile, for SOAK; nothing may be lost or stay behind
	@STRAW_SOAK=$(SOAK) go test -count=1 -v -timeout 24h -run '^TestSoak$$' ./server/e2e

.PHONY: crash
crash: ## Kill a gateway under load, CRASH_ROUNDS times, and check that nothing was lost
	@STRAW_CRASH_ROUNDS=$(CRASH_ROUNDS) go test -count=1 -v -timeout 4h -run '^TestCrash' ./server/e2e

.PHONY: fuzz
fuzz: ## Run each fuzz target for FUZZ_TIME
	@grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' server clients 2>/dev/null | sort | \
	while IFS=: read -r file func; do \
		echo "$${func#func } in $$(dirname $$file)"; \
		go test -run '^$$' -fuzz "^$${func#func }\$$" -fuzztime $(FUZZ_TIME) ./$$(dirname $$file) || exit 1; \
	done

.PHONY: mutants
mutants: ## Break each promise in turn, by a line of server/mutants/mutants.yaml, and see its test fail; MUTANTS chooses, a regexp
	@go run ./server/mutants -only '$(MUTANTS)'

.PHONY: bench
bench: ## Measure against the limit programs, print the table and write bench.json
	@go run ./server/bench $(ARGS)

.PHONY: bench-quick
bench-quick: ## The same, roughly, within two minutes
	@go run ./server/bench -quick $(ARGS)
