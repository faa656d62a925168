# Everything runs in a virtual environment that the targets make themselves.
# Needed on the machine: Python 3.11 or newer, and make.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
  command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test test-all test-postgresql check bench relevance format context lexicon interop clean help
.DEFAULT_GOAL := help

help:  ## Say what there is to do
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

$(READY): pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed and was not found."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $(READY)

demo: $(READY)  ## Start six regions on this machine and search across them
	$(BIN)/procirc demo $(ARGS)

test: $(READY)  ## Run all tests
	$(BIN)/python -m pytest -n 2 --dist worksteal $(ARGS)

test-all: $(READY)  ## Run all tests at full length: hours of crashes, fleets and random histories
	PROCIRC_TEST_ALL=1 $(BIN)/python -m pytest -n 2 --dist worksteal -rP $(ARGS)

test-postgresql: $(READY)  ## Run the tests of publishing, sync and attacks on a PostgreSQL, which comes with them
	PROCIRC_TEST_DATABASE=postgresql $(BIN)/python -m pytest -n 2 --dist worksteal -rs tests/attacks tests/test_publish.py \
	  tests/test_sync.py tests/test_terms.py tests/test_feed.py tests/web/test_api.py $(ARGS)

check: $(READY)  ## Lint, types, import direction
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)  ## Measure the figures of docs/figures.md on this machine
	$(BIN)/python -m benchmarks $(ARGS)

relevance: $(READY)  ## Measure how well search finds what people look for, on judged topics
	$(BIN)/python -m benchmarks.relevance $(ARGS)

format: $(READY)  ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

context: $(READY)  ## Write vocab/context/v1.jsonld anew from the shapes
	$(BIN)/python -m federation.records.jsonld

lexicon: $(READY)  ## Learn vocab/lexicon/learned.csv anew from code lists and records
	$(BIN)/python -m federation.index.learning $(ARGS)

interop: $(READY)  ## Verify a record with the independent JavaScript libraries (needs node and npm)
	cd tests/interop && npm ci --silent --no-audit --no-fund
	PROCIRC_INTEROP=1 $(BIN)/python -m pytest -m interop tests/interop

clean:  ## Remove the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
