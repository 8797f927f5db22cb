# Reddit Pulse. `make help` lists what there is.
SHELL := /bin/bash
GO ?= go
RACE_TIMEOUT ?= 15m
# Inputs a target, or a time: with a time the go tool now and then reports its own
# deadline as a failure.
FUZZ_TIME ?= 20000x
GOLANGCI_VERSION := v2.5.0
GOLANGCI := $(CURDIR)/.parts/golangci-lint-$(GOLANGCI_VERSION)

# The programs that need more than their own folder: any change rebuilds.
SOURCES = $(shell find daemon shared sql tui -name '*.go' -o -name '*.sql' -o -name '*.lua') go.mod go.sum

.PHONY: help run build test check bench race fuzz e2e lint fmt clean parts

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

run: build ## build what is missing and start all of it on this machine
	@exec bin/pulse up

build: bin/pulse bin/pulse-tui ## build the two programs into bin/

bin/pulse: $(SOURCES)
	$(GO) build -o $@ ./daemon

bin/pulse-tui: $(SOURCES)
	$(GO) build -o $@ ./tui

parts: ## install what the tests need and the machine lacks
	@.ci/parts

# -count=1: the end-to-end tests run programs that the test cache knows nothing of.
test: parts build ## run all tests
	$(GO) test -count=1 -timeout 15m ./...

race: parts build ## run all tests with the race detector
	$(GO) test -count=1 -race -timeout $(RACE_TIMEOUT) ./...

e2e: parts build ## run the end-to-end tests alone
	$(GO) test -count=1 -timeout 15m ./daemon/e2e/

fuzz: ## fuzz every parser for FUZZ_TIME each
	@set -e; for pkg in $$($(GO) list ./...); do \
	  dir=$$($(GO) list -f '{{.Dir}}' $$pkg); \
	  for f in $$(cat $$dir/*_test.go 2>/dev/null | sed -nE 's/^func (Fuzz[A-Za-z0-9_]+)\(.*/\1/p'); do \
	    echo "$$pkg $$f"; $(GO) test -run='^$$' -fuzz="^$$f\$$" -fuzztime=$(FUZZ_TIME) $$pkg >/tmp/fuzz.$$$$ 2>&1 || { cat /tmp/fuzz.$$$$; exit 1; }; \
	    tail -n 1 /tmp/fuzz.$$$$; \
	  done; \
	done; rm -f /tmp/fuzz.$$$$

bench: parts build ## measure, and print the conditions
	@.ci/bench

check: lint test ## what to run before a commit

lint: $(GOLANGCI) ## vet, linters, format
	$(GO) vet ./...
	$(GOLANGCI) run ./...
	@test -z "$$(gofmt -l daemon shared sql tui)" || { gofmt -l daemon shared sql tui; echo "run: make fmt"; exit 1; }

$(GOLANGCI):
	GOBIN=$(CURDIR)/.parts $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	mv .parts/golangci-lint $@

fmt: ## format the source
	gofmt -w daemon shared sql tui

clean: ## remove what was built; data in .pulse stays
	rm -rf bin .parts
