# Elbow's build. `make` alone lists what there is; `make check` is exactly what
# CI runs. Everything is plain Go: no step needs root, and those that need the
# network beyond the Go module proxy skip and say so.

GO          ?= go
BIN         := bin/elbow
RECORDS     := bin/check

# Tools are run by version and never become dependencies of the module.
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0
VULNDB      ?= https://vuln.go.dev

# Stamped into package main. The date is the commit's, so that two builds of one
# commit are the same bytes.
VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
COMMIT      ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
DATE        ?= $(shell git log -1 --format=%cI 2>/dev/null || echo unknown)
LDFLAGS     := -X main.version=$(VERSION) -X main.commit=$(COMMIT) -X main.date=$(DATE)

TESTFLAGS   ?=
FUZZTIME    ?= 10s
SHORTFUZZ   ?= 3s
BENCHFLAGS  ?=

SUMMARY     := $(GO) run ./test/summary

.DEFAULT_GOAL := help
.NOTPARALLEL:
.SHELLFLAGS := -o pipefail -c
SHELL := bash

.PHONY: help
help: ## Show this list
	@echo "Elbow: an ELB you own. Two commands on a fresh machine:"
	@echo
	@echo "  make run      does the main job: a load balancer with built-in targets, and what to try on it"
	@echo "  make test     runs the tests"
	@echo
	@echo "All targets:"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "One test:   $(GO) test ./listener/application -run TestName -v"
	@echo "One fuzzer: make fuzz FUZZ=http1 FUZZTIME=1m"

## ---- build and run

.PHONY: build
build: ## Build bin/elbow, static, with its version stamped
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/elbow

.PHONY: run
run: build ## Build, then start the demo and keep it running
	$(BIN) demo

.PHONY: clean
clean: ## Remove what the targets here made
	rm -rf bin

## ---- tests

.PHONY: test
test: ## Run all tests and count them
	@mkdir -p $(RECORDS)
	@$(GO) test -json -timeout 5m $(TESTFLAGS) ./... | $(SUMMARY) -label test -record $(RECORDS)/test.json

.PHONY: race
race: ## Run all tests under the race detector with invariants checked
	@mkdir -p $(RECORDS)
	@$(GO) test -json -race -tags invariants -timeout 10m $(TESTFLAGS) ./... | $(SUMMARY) -label race -record $(RECORDS)/race.json

.PHONY: fuzz
fuzz: ## Fuzz every parser for FUZZTIME each (FUZZ=regexp picks some)
	@$(GO) run ./test/fuzz -time $(FUZZTIME) -run '$(FUZZ)'

.PHONY: fuzz-short
fuzz-short:
	@mkdir -p $(RECORDS)
	@$(GO) run ./test/fuzz -time $(SHORTFUZZ) -record $(RECORDS)/fuzz.json

.PHONY: bench
bench: build bench-peers ## Measure against HAProxy and nginx (BENCHFLAGS='-only ... -rounds ...')
	$(GO) run ./bench $(BENCHFLAGS)

.PHONY: bench-short
bench-short: build bench-peers ## Prove that the measurement works, without judging
	$(GO) run ./bench -short

.PHONY: bench-peers
bench-peers:
	@bash .ci/install haproxy:haproxy nginx:nginx-light wrk:wrk

## ---- generated files

.PHONY: generate
generate: ## Write the generated files anew (config reference, schema)
	$(GO) generate ./...

# Compares every file of the work tree with itself before and after, so that it
# also works beside changes that are not committed yet.
.PHONY: check-generate
check-generate: ## Fail if a generated file is not what generate makes
	@files() { git ls-files -z --cached --others --exclude-standard | sort -zu | xargs -0 sha256sum 2>/dev/null; }; \
	before=$$(files); $(GO) generate ./... && after=$$(files) && \
	if ! diff <(echo "$$before") <(echo "$$after") >/dev/null; then \
		diff <(echo "$$before") <(echo "$$after") | awk '/^>/ {print "  " $$3}'; \
		echo "these files were out of date; commit what make generate wrote"; exit 1; \
	fi; echo "ok   generated files are up to date"

## ---- checks

.PHONY: check
check: check-clean check-format check-tidy check-vet check-static check-imports check-generate check-vuln build test race fuzz-short bench-short ## Everything that CI checks
	@$(SUMMARY) -total $(RECORDS)/test.json $(RECORDS)/race.json $(RECORDS)/fuzz.json

.PHONY: check-clean
check-clean:
	@rm -rf $(RECORDS)

.PHONY: check-format
check-format:
	@bad=$$(git ls-files -z --cached --others --exclude-standard -- '*.go' | xargs -0 -r sh -c 'for f; do [ -e "$$f" ] && gofmt -l "$$f"; done' sh); \
	if [ -n "$$bad" ]; then echo "$$bad"; echo "not gofmt-ed; gofmt -w mends it"; exit 1; fi; echo "ok   gofmt"

.PHONY: check-tidy
check-tidy:
	@$(GO) mod tidy -diff && $(GO) mod verify >/dev/null && echo "ok   go.mod is tidy, modules are what go.sum says"

.PHONY: check-vet
check-vet:
	@$(GO) vet ./... && $(GO) vet -tags invariants ./... && echo "ok   go vet"

.PHONY: check-static
check-static:
	@$(GO) run $(STATICCHECK) ./... && echo "ok   staticcheck"

.PHONY: check-imports
check-imports:
	@$(GO) test -count=1 ./test/depcheck >/dev/null || $(GO) test -count=1 ./test/depcheck
	@echo "ok   imports point down"

# The database of known vulnerabilities is fetched from the network. Without it
# nothing can be said, which is neither good news nor bad.
.PHONY: check-vuln
check-vuln:
	@if [[ "$(VULNDB)" == http* ]] && ! curl -fsS -m 10 -o /dev/null "$(VULNDB)/index/db.json" 2>/dev/null; then \
		echo "SKIP govulncheck: the vulnerability database $(VULNDB) cannot be reached"; \
	else $(GO) run $(GOVULNCHECK) -db "$(VULNDB)" ./... ; fi
