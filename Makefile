# The door. `make help` lists what it opens.

SHELL := /bin/sh
PYTHON ?= python3
# How long make soak goes on: seconds for each fuzz target, cases of the model, schedules of each interleaving test,
# zones that are walked day by day, kills of processes on a database and of those that tell alerts, rounds of eight
# processes on one budget, worlds of processes with leases, letters of each in the model of leases, examples of each
# hostile one, runs of each program with threads, seconds of load (600 for the ten minutes of a release).
SOAK_SECONDS ?= 10
SOAK_CASES ?= 20000
SOAK_SCHEDULES ?= 10000
SOAK_ZONES ?= 1000
SOAK_KILLS ?= 150
SOAK_ROUNDS ?= 20
SOAK_WORLDS ?= 10000
SOAK_LETTERS ?= 3
SOAK_EXAMPLES ?= 300
SOAK_RACES ?= 3
SOAK_LOAD ?= 60
TARGET_DIR := $(abspath $(or $(CARGO_TARGET_DIR),target))
BIN := .venv/bin
# Only maturin builds the Python module, and the benches have no tests.
TESTED := --locked --workspace --exclude enclava-python --exclude enclava-benches --features enclava-keys/sqlite
# Examples are told of, or neither runner runs the test that stands in examples/story.rs.
TARGETS := --lib --bins --tests --examples
STEPS := tools format lint rust shuttle doctest doc python types
SOAKS := model shuttle windows crash leases c races fuzz python load installs
# Shuttle's locks change the whole library, so it is built beside the ordinary one.
SHUTTLE := CARGO_TARGET_DIR=$(TARGET_DIR)/shuttle CARGO_PROFILE_TEST_DEBUG=0 RUSTFLAGS="--cfg shuttle"

.DEFAULT_GOAL := help
.PHONY: help demo test bench soak serve lib install install-files venv examples $(STEPS:%=test-%) $(SOAKS:%=soak-%)

PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
# Which libraries to install: static, shared, or both.
LINK ?= static shared
BUILT ?= $(TARGET_DIR)/release
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
SONAME := $(shell sed -n 's/.*SONAME.*"\(.*\)".*/\1/p' bindings/c/build.rs)

# Makes the targets $(1)-<step> for each step of $(2), one by one, and says how long each took.
define each
	@began=$$(date +%s); n=0; report=; \
	for step in $(2); do \
		n=$$((n + 1)); from=$$(date +%s); \
		printf '\n==> [%s/%s] %s\n' "$$n" "$(words $(2))" "$$step"; \
		$(MAKE) --no-print-directory "$(1)-$$step" || { printf '\nFAILED: %s\n' "$$step"; exit 1; }; \
		report="$$report$$(printf '  ok  %-8s %4s s' "$$step" "$$(($$(date +%s) - from))")\n"; \
	done; \
	printf "\n$$report  all passed in $$(($$(date +%s) - began)) s\n"
endef

help: ## list what there is
	@sed -n 's/^\([a-z]*\):.*## /\1	/p' $(MAKEFILE_LIST) | while IFS='	' read -r name text; do \
		printf '  make %-8s %s\n' "$$name" "$$text"; done

demo: examples ## the whole story of one key, through a gateway, a restart and the openai client
	@cd examples && ../$(BIN)/python -m demo

test: ## every check: format, lints, Rust, interleavings, C, docs, Python, types
	$(call each,test,$(STEPS))

# Compilers, checkers and a browser, where this machine may install them.
test-tools:
	@tests/tools.sh

test-format:
	cargo fmt --all --check

# In the profile of the tests, so that what builds C (SQLite) is built once for all of these steps.
test-lint:
	cargo clippy --locked --profile test --workspace --all-targets --features enclava-keys/sqlite -- -D warnings
	cargo clippy --locked --profile test --package enclava-keys --all-targets -- -D warnings

# The tests of enclava-c compile C programs, link them with both libraries, and compare the header.
test-rust:
	@if cargo nextest --version >/dev/null 2>&1; then \
		set -x; cargo nextest run $(TESTED) $(TARGETS); \
	else \
		set -x; cargo test $(TESTED) $(TARGETS); \
	fi

# Every interleaving that shuttle's schedulers think of, a few thousand for each test.
test-shuttle:
	$(SHUTTLE) cargo test --locked -p enclava-shuttle

test-doctest:
	cargo test $(TESTED) --doc

test-doc:
	RUSTDOCFLAGS=-Dwarnings cargo doc --locked --profile test --workspace --no-deps --features enclava-keys/sqlite

test-python: venv
	$(BIN)/pytest

test-types:
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest --allowlist tests/python/stubtest.allow enclava_keys
	PATH="$(abspath $(BIN)):$$PATH" pyright --verifytypes enclava_keys --ignoreexternal

bench: venv ## measure, then print one table of medians and ratios
	rm -rf $(TARGET_DIR)/criterion
	CRITERION_HOME=$(TARGET_DIR)/criterion cargo bench -p enclava-benches
	CRITERION_HOME=$(TARGET_DIR)/criterion $(BIN)/python benches/python/gate.py
	CRITERION_HOME=$(TARGET_DIR)/criterion $(BIN)/python benches/python/middleware.py
	$(PYTHON) -m venv $(TARGET_DIR)/peers
	$(TARGET_DIR)/peers/bin/pip install --quiet --disable-pip-version-check -r benches/python/requirements.txt
	CRITERION_HOME=$(TARGET_DIR)/criterion $(TARGET_DIR)/peers/bin/python benches/python/peers.py
	@CRITERION_HOME=$(TARGET_DIR)/criterion cargo run --quiet --release -p enclava-benches

soak: ## all that is random for longer, and every way to install (SOAK_CASES, SOAK_KILLS, SOAK_EXAMPLES, …)
	$(call each,soak,$(SOAKS))

soak-model:
	@echo "$(SOAK_CASES) random histories of 20 to 64 calls against the oracle, and a hundredth of them over SQLite"
	PROPTEST_CASES=$(SOAK_CASES) cargo test --locked --features sqlite --test model

soak-shuttle:
	@echo "2 x $(SOAK_SCHEDULES) schedules of each test: at random, and with few switches"
	$(SHUTTLE) cargo clippy --locked -p enclava-keys --lib -p enclava-shuttle --tests -- -D warnings
	SHUTTLE_SCHEDULES=$(SOAK_SCHEDULES) $(SHUTTLE) cargo test --locked -p enclava-shuttle

# Every day from 1970 to 2100 in every zone: there are fewer than a thousand.
soak-windows:
	SOAK_ZONES=$(SOAK_ZONES) cargo test --locked --features sqlite --test windows every_day -- --nocapture

soak-crash:
	@echo "kills and power cuts ($(SOAK_KILLS)), and $(SOAK_ROUNDS) rounds of 8 processes"
	SOAK_KILLS=$(SOAK_KILLS) SOAK_ROUNDS=$(SOAK_ROUNDS) cargo test --locked --features sqlite \
		--test sqlite_crash --test sqlite_alerts --test sqlite_processes -- --nocapture --test-threads 1 >$(TARGET_DIR)/crash.log 2>&1 || \
		{ cat $(TARGET_DIR)/crash.log; exit 1; }
	@grep -oE '[0-9]+ (kills|power cuts|rounds|calls)[ ,].*' $(TARGET_DIR)/crash.log | tee -a $(TARGET_DIR)/crash-totals.txt
	@awk '/ (kills|power cuts)[ ,]/ { sum += $$1 } END { print sum " kills and cuts in all runs so far" }' \
		$(TARGET_DIR)/crash-totals.txt

# Every run looks at other worlds than the ones before.
soak-leases:
	@echo "$(SOAK_WORLDS) worlds of processes that share a budget by leases, and every state of the model of the protocol"
	SOAK_WORLDS=$(SOAK_WORLDS) SOAK_LETTERS=$(SOAK_LETTERS) SOAK_SEED=$$(date +%s)000000 \
		cargo test --locked --test leases -- --nocapture --test-threads 1 >$(TARGET_DIR)/leases.log 2>&1 || \
		{ cat $(TARGET_DIR)/leases.log; exit 1; }
	@grep -oE '[0-9]+ (worlds|states).*' $(TARGET_DIR)/leases.log | tee -a $(TARGET_DIR)/leases-totals.txt
	@awk '/ worlds/ { sum += $$1 } END { print sum " worlds in all runs so far" }' $(TARGET_DIR)/leases-totals.txt

# The library itself built with AddressSanitizer, whose runtime the stable toolchain has and whose flag it does not let through
# unasked. It finds leaks too. It cannot be loaded into a program that was not built so, so the ledger in C is left to `make test`.
soak-c:
	RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=$(TARGET_DIR)/asan RUSTFLAGS=-Zsanitizer=address CARGO_PROFILE_TEST_DEBUG=0 \
		cargo test --locked -p enclava-c -p enclava-fuzz --lib --test scenarios --test replay \
		--target $$(rustc -vV | sed -n 's/^host: //p') -- --skip written_in_c

# The library built with ThreadSanitizer under programs in C: tests/c/races.sh says why it is that one.
soak-races:
	@tests/c/races.sh $(SOAK_RACES)

soak-fuzz:
	@fuzz/soak.sh $(SOAK_SECONDS)

soak-python: venv
	HOSTILE_EXAMPLES=$(SOAK_EXAMPLES) $(BIN)/pytest -q tests/python/test_hostile.py

# The middleware and the gate under load: counts, and no growth.
soak-load: venv
	LOAD_SECONDS=$(SOAK_LOAD) $(BIN)/python tests/python/load.py

# By every way that pip knows.
soak-installs:
	PYTHON=$(PYTHON) tests/python/installs.sh

serve: examples ## the example gateway with its API Keys page, until it is stopped (examples/gateway/settings.py)
	@cd examples && ../$(BIN)/python -m gateway

lib: ## libenclava.so and libenclava.a, beside include/enclava.h
	cargo build --locked --release -p enclava-c
	@ln -sf libenclava.so $(BUILT)/$(SONAME)
	@ls -l $(BUILT)/libenclava.a $(BUILT)/libenclava.so*

install: lib ## headers, libraries, enclava.pc and a CMake package, under PREFIX (default /usr/local)
	@$(MAKE) --no-print-directory install-files

install-files:
	install -d "$(DESTDIR)$(INCLUDEDIR)" "$(DESTDIR)$(LIBDIR)/pkgconfig" "$(DESTDIR)$(LIBDIR)/cmake/enclava"
	install -m 644 include/enclava.h include/enclava.hpp "$(DESTDIR)$(INCLUDEDIR)"
	case " $(LINK) " in *" static "*) \
		install -m 644 "$(BUILT)/libenclava.a" "$(DESTDIR)$(LIBDIR)";; esac
	case " $(LINK) " in *" shared "*) \
		install -m 755 "$(BUILT)/libenclava.so" "$(DESTDIR)$(LIBDIR)/$(SONAME)" && \
		ln -sf $(SONAME) "$(DESTDIR)$(LIBDIR)/libenclava.so";; esac
	@for file in pkgconfig/enclava.pc cmake/enclava/enclava-config.cmake cmake/enclava/enclava-config-version.cmake; do \
		sed -e 's|@PREFIX@|$(PREFIX)|; s|@LIBDIR@|$(LIBDIR)|; s|@INCLUDEDIR@|$(INCLUDEDIR)|' \
			-e 's|@VERSION@|$(VERSION)|; s|@SONAME@|$(SONAME)|' "bindings/c/packaging/$${file##*/}.in" \
			>"$(DESTDIR)$(LIBDIR)/$$file"; \
	done

venv: $(BIN)/pip ## .venv with the Python package, as it would be installed, and its test tools
	$(BIN)/pip install --quiet --disable-pip-version-check '.[test]'

# What the examples need, and no test tools.
examples: $(BIN)/pip
	@echo "Building the package and installing what the examples need; the first time takes a few minutes."
	@$(BIN)/pip install --quiet --disable-pip-version-check '.[asgi,console]' -r examples/requirements.txt

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or later is needed: make PYTHON=... venv" >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { \
		echo "Python has no venv module. Debian: apt-get install python3-venv" >&2; rm -rf .venv; exit 1; }
