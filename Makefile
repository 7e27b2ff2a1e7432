# One entry a chore. `make migrate` is the quickest way to see smalls at work.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup migrate test lint type bench image lock docs clean

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
WORKERS ?= auto
PYTEST_ARGS ?=
BENCH_ARGS ?=
DOCKER_BUILD_ARGS ?=

help: ## say what there is
	@grep -hE '^[a-z]+:.*##' Makefile | sed -E 's/:[^#]*## /	/' | expand -t 12

setup: .venv/dev-installed ## make .venv with smalls and the tools of development

migrate: .venv/installed ## apply the worked example in migrations/ to an embedded SQLite database
	SMALLS_LOG_FORMAT=console $(BIN)/smalls migrate

test: .venv/dev-installed ## run the tests, with the servers that are there (PYTEST_ARGS=...)
	$(BIN)/pytest -n $(WORKERS) --maxprocesses 8 --dist worksteal $(PYTEST_ARGS)

lint: .venv/dev-installed ## style, format and the layers of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

type: .venv/dev-installed ## types, strictly
	$(BIN)/mypy

bench: .venv/dev-installed ## measure smalls beside its peers (BENCH_ARGS=--full, --write)
	$(BIN)/python -m benchmarks $(BENCH_ARGS)
	$(BIN)/python -m benchmarks.growth $(BENCH_ARGS)
	$(BIN)/python -m benchmarks.crowd $(BENCH_ARGS)
	$(BIN)/python -m benchmarks.unchanged
	$(BIN)/python -m benchmarks.image

image: ## build the image smalls
	docker build --tag smalls \
		--build-arg VERSION=$$(sed -n 's/^__version__ = "\(.*\)"/\1/p' smalls/version.py) \
		--build-arg REVISION=$$(git rev-parse HEAD) \
		--build-arg CREATED=$$(date -u +%Y-%m-%dT%H:%M:%SZ) \
		$(DOCKER_BUILD_ARGS) .

lock: .venv/dev-installed ## pin anew what the image installs
	$(BIN)/python docker/lock.py

docs: .venv/dev-installed ## check the pages: every link leads somewhere
	$(BIN)/pytest -q tests/test_docs.py

clean: ## remove what the other chores made
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	rm -f smalls.db*
	find . -name __pycache__ -prune -exec rm -rf {} +

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "make: no Python 3.11 or newer with venv; on Debian: apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv .venv

.venv/installed: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/dev-installed: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@ .venv/installed
