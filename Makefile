# Two commands do everything on a fresh Debian 12 machine, as root: `make demo` and `make test`.
export PRESET ?= release
PREFIX ?= /usr/local
DESTDIR ?=

help: ## this list
	@echo 'make demo and make test do everything themselves, from installing packages on. All targets:'
	@sed -n 's/^\([a-z-]*\):.*## /  \1|/p' $(MAKEFILE_LIST) | column -t -s '|'

setup: ## install the Debian packages that building and testing need
	@tools/setup

build: setup ## build everything (PRESET=release, dev, debug, thread, fuzz)
	@tools/build

demo: build ## run a web server in a container on a private daemon (KEEP=1 leaves it running)
	@tools/demo

test: build ## run every test; the last line says how many passed and failed
	@tools/test

test-long: build ## the same with the tests that take minutes
	@tools/test --long

SOAK_SECONDS ?= 3600
soak: build ## simulated clusters from new seeds for an hour (SOAK_SECONDS=...), on two cores; fails with the seed
	@from=$$(date +%s); bin=build/$(PRESET)/bin/shoal_sim; \
	$$bin --from $${from}000000 --seeds 1000000 --seconds $(SOAK_SECONDS) --steps 20 --want-probes & \
	$$bin --from $${from}500000 --seeds 1000000 --seconds $(SOAK_SECONDS) --steps 12; \
	first=$$?; wait $$!; second=$$?; [ $$first = 0 ] && [ $$second = 0 ]

bench: build ## measure against Debian's docker.io and bare crun; writes docs/benchmarks.md
	@test/bench/run

check: setup ## format, tidy, clang-tidy, build and unit tests of a change
	@tools/check

fuzz: setup ## run every fuzz target for a minute (clang, sanitizers)
	@tools/fuzz

install: build ## install to PREFIX (default /usr/local)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(PREFIX)/share/zsh/site-functions
	install -m 755 build/$(PRESET)/bin/shoald build/$(PRESET)/bin/shoal build/$(PRESET)/bin/shoal-shim $(DESTDIR)$(PREFIX)/bin/
	build/$(PRESET)/bin/shoal completion bash > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/shoal
	build/$(PRESET)/bin/shoal completion zsh > $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_shoal
	install -d $(DESTDIR)/lib/systemd/system $(DESTDIR)$(PREFIX)/share/doc/shoal
	install -m 644 docs/*.md $(DESTDIR)$(PREFIX)/share/doc/shoal/
	for unit in packaging/shoald.service packaging/shoald.socket packaging/shoal-registry.service; do \
	    sed 's|/usr/local/|$(PREFIX)/|' $$unit > $(DESTDIR)/lib/systemd/system/$$(basename $$unit); done

clean: ## remove what was built
	rm -rf build

.PHONY: help setup build demo test test-long soak bench check fuzz install clean
.DEFAULT_GOAL := help
