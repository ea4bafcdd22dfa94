# Everything a user types. `make help` lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
HOME_DIR ?= var
DEMO := $(HOME_DIR)/demo
DEMO_CUSTOMERS ?= 20000
DEMO_FROM ?= 2026-04-01
DEMO_THROUGH ?= 2026-10-31
DEMO_SEED ?= 1
# The slow tests take hours: parts of under an hour each, by the times that tests/full_durations.json tells.
SHARDS := 8

# The first Python that is new enough and can make virtual environments.
PYTHON ?= $(shell for python in python3.12 python3.11 python3; do \
	$$python -c 'import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' \
		>/dev/null 2>&1 && { echo $$python; break; }; done)

# The original Berka files, where they lie; their tests are skipped without them.
TIERHOUSE_BERKA ?= $(abspath $(firstword $(wildcard examples/berka/data ../*/data/berka)))
export TIERHOUSE_BERKA

# No tool may report usage.
export DO_NOT_TRACK := 1
export DBT_SEND_ANONYMOUS_USAGE_STATS := false
export DAGSTER_DISABLE_TELEMETRY := 1
export GX_ANALYTICS_ENABLED := false
# dbt and pip must not be sent elsewhere by a caller's environment.
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV DBT_PROFILES_DIR DBT_PROJECT_DIR

DBT := $(BIN)/dbt --no-use-colors
DBT_DIRS := --project-dir dbt_project --profiles-dir dbt_project

.PHONY: help run test test-full dev check check-fast format lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

$(STAMP): requirements.lock pyproject.toml
	@test -x $(BIN)/python || test -n "$(PYTHON)" || { \
		echo "No usable Python. Expected: Python 3.11 or 3.12 with the venv module, as python3.12," >&2; \
		echo "python3.11 or python3 on PATH. Install one, or name it: make PYTHON=/path/to/python3.12" >&2; \
		exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the locked packages into $(VENV) ..."
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation -e .
	@touch $@

# Written beside its place and moved: an interrupted generation is never taken for a whole one.
$(DEMO)/landing: | $(STAMP)
	@rm -rf $(DEMO) $(DEMO).partial
	@mkdir -p $(HOME_DIR)
	$(BIN)/tierhouse demo-bank --customers $(DEMO_CUSTOMERS) --from $(DEMO_FROM) \
		--through $(DEMO_THROUGH) --seed $(DEMO_SEED) --out $(DEMO).partial
	@mv $(DEMO).partial $(DEMO)

run: $(STAMP) $(DEMO)/landing ## Generate the demo bank when absent, then build and publish it
	$(BIN)/tierhouse run --landing $(DEMO)/landing --home $(HOME_DIR)

dev: $(STAMP) ## Serve the Dagster UI on 127.0.0.1:3000
	$(BIN)/tierhouse dev --home $(HOME_DIR)

test: check-fast ## Run the quick checks and the tests
	$(BIN)/pytest -m "not full" --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test-full: $(STAMP) ## Run the slow tests, or one of $(SHARDS) parts of them: SHARD=1
	$(BIN)/pytest -m full --durations-path tests/full_durations.json $(if $(SHARD),--splits $(SHARDS) --group $(SHARD))

check-fast: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

check: check-fast ## Run every static check
	$(BIN)/mypy
	$(BIN)/tierhouse docs --check
	$(BIN)/sqlfluff lint dbt_project --disable-progress-bar
	$(DBT) --quiet parse $(DBT_DIRS)
	$(BIN)/dagster definitions validate -w workspace.yaml
	$(BIN)/pytest -q tests/repository

format: $(STAMP) ## Put Python and SQL into the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/sqlfluff fix dbt_project --disable-progress-bar

lock: $(STAMP) ## Resolve requirements.lock again (add UPGRADE=--upgrade for newer versions)
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
		--generate-hashes --no-strip-extras --no-emit-index-url --no-header --quiet $(UPGRADE) -o requirements.lock

clean: ## Remove caches and compiled files (never the deployment in $(HOME_DIR))
	rm -rf dbt_project/target dbt_project/logs logs .pytest_cache .mypy_cache .ruff_cache \
		.import_linter_cache .hypothesis build *.egg-info
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -print0 | xargs -0 rm -rf
