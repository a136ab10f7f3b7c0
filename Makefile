# One command from a clean clone: every target first makes .venv from requirements.lock.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# An environment that forbids bytecode would make importing scikit-learn cost 16 s instead of 2.5.
unexport PYTHONDONTWRITEBYTECODE
unexport PYTHONPATH PYTHONHOME

PYTHON ?=
ARGS ?=
UPGRADE ?=
BIN := .venv/bin

FIND_PYTHON := for candidate in $(or $(PYTHON),python3.13 python3.12 python3.11 python3); do \
	  if $$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then break; fi; candidate=; \
	done; \
	if [ -z "$$candidate" ]; then \
	  echo 'cdml needs Python 3.11 or newer and found none: install one and name it, as in "make env PYTHON=python3.11".' >&2; exit 1; \
	fi; \
	if ! $$candidate -c 'import ensurepip, venv' 2>/dev/null; then \
	  echo "cdml needs Python's ensurepip to make .venv and $$candidate lacks it: install it (Debian: apt install python3-venv) and run make again." >&2; exit 1; \
	fi

.PHONY: help env demo test faults check fast bench format docs picture lock wheel wheelhouse clean

help: ## this list
	@sed -nE 's/^([a-z]+):.*## (.*)/\1 \2/p' Makefile | while read -r target what; do printf '  make %-10s %s\n' "$$target" "$$what"; done

env: .venv/ready ## the environment alone
	@:

# Made anew when the lock changes, so that nothing of an older lock stays behind.
.venv/locked: requirements.lock
	@$(FIND_PYTHON); \
	echo "Making .venv with $$candidate from requirements.lock; this happens once and takes about a minute." >&2; \
	rm -rf .venv; \
	$$candidate -m venv .venv; \
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements.lock >&2; \
	touch $@

.venv/ready: .venv/locked pyproject.toml
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable . >&2
	@$(BIN)/python -m compileall -q engine cdml_tui
	@touch $@

demo: .venv/ready ## real flights, a real rollback: the console on a terminal, else headless
	@$(BIN)/cdml demo $(ARGS)

# A process a core; one that is through takes over from the others. ARGS=-n0 runs all in one.
PYTEST := $(BIN)/python -m pytest -n auto --dist worksteal

test: .venv/ready ## every test; one file: ARGS=tests/flows/test_demo.py
	@$(PYTEST) $(ARGS)

faults: .venv/ready ## the whole fault plan with its figures, a quarter of an hour; one case: ARGS=4
	@$(BIN)/python -m tests.faults $(ARGS)

fast: .venv/ready ## the tests that need no processes of their own
	@$(PYTEST) --ignore=tests/flows --ignore=tests/faults $(ARGS)

check: .venv/ready ## format, lint, types, import contracts, docs in step
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(PYTEST) --quiet tests/house

bench: .venv/ready ## the figures of the README, measured on this machine; also: make bench serving
	@$(BIN)/python -m tests.bench $(ARGS)

ifeq ($(firstword $(MAKECMDGOALS)),bench)
PARTS := serving rollback monitoring console engine training transforms retention keeping
ARGS += $(filter $(PARTS),$(MAKECMDGOALS))
.PHONY: $(PARTS)
$(PARTS): ; @:
endif

format: .venv/ready ## put the code into house format
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

docs: .venv/ready ## the tables of keys and settings in the documents, from the code
	@$(BIN)/python -m scripts.docs

picture: .venv/ready ## docs/console*.svg, from the real console on forty replayed days
	@$(BIN)/python -m scripts.picture

# Compiled with the oldest Python we support; hashes cover the files of every platform.
lock: ## requirements.lock from pyproject.toml; UPGRADE=--upgrade takes newer versions
	@$(FIND_PYTHON); \
	tools=$$(mktemp -d); trap 'rm -rf "$$tools"' EXIT; \
	$$candidate -m venv "$$tools"; \
	"$$tools/bin/python" -m pip install --quiet 'pip-tools>=7.5'; \
	cp requirements.lock "$$tools/lock" 2>/dev/null || true; \
	"$$tools/bin/python" -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["dependency-groups"]["dev"], sep="\n")' | \
	"$$tools/bin/pip-compile" --quiet --generate-hashes --allow-unsafe --strip-extras --no-header \
	  --no-emit-index-url --no-emit-find-links --no-emit-trusted-host $(UPGRADE) \
	  --output-file "$$tools/lock" pyproject.toml -; \
	{ echo '# Exact versions with hashes, for running and for developing. Made by "make lock" from pyproject.toml.'; \
	  sed 's/# *via -r -$$/# via the dev group/; s/^    #   -r -$$/    #   the dev group/' "$$tools/lock" | sed '/^# Exact versions/d'; } > requirements.lock

wheel: .venv/ready ## dist/cdml-*.whl, the demo's data inside
	@$(BIN)/python -m hatchling build --target wheel

wheelhouse: .venv/ready ## dist/wheelhouse: all that a machine without a registry needs to install cdml
	@$(BIN)/python -m scripts.wheelhouse

clean: ## everything that make made
	@rm -rf .venv dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find engine cdml_tui tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +
