# Two commands do everything on a fresh Debian 12 machine as root: `make demo` and `make test`.
export PRESET ?= release

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1: /p' $(MAKEFILE_LIST)

setup: ## install what building and testing need (Debian packages)
	@tools/setup

build: setup ## build everything (PRESET=release, debug, thread, fuzz)
	@tools/build

test: build ## run every test
	@tools/test

clean: ## remove what was built
	rm -rf build

.PHONY: help setup build test clean
.DEFAULT_GOAL := help
