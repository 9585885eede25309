# The two commands that matter: `make demo` runs the main job, `make test` passes the tests.
# Each does all the set-up it needs. `make help` lists the rest.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8000
UV_FLAGS := --quiet --python $(BIN)/python
PYTEST_WORKERS ?= 3

# Where a container forbids Python its cache, every command would take three times as long to start.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help install demo serve test lint bench calibrate lock screens clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# uv installs the locked packages in seconds; where it cannot be had, pip takes the same lock.
$(VENV)/.installed: requirements.txt pyproject.toml | $(BIN)/python
	@$(BIN)/python -m pip install --quiet uv 2>/dev/null || true
	@if [ -x $(BIN)/uv ]; then \
	  $(BIN)/uv pip install $(UV_FLAGS) --require-hashes --no-deps -r requirements.txt && \
	  $(BIN)/uv pip install $(UV_FLAGS) --no-deps --editable . ; \
	else \
	  $(BIN)/python -m pip install --quiet --require-hashes --no-deps -r requirements.txt && \
	  $(BIN)/python -m pip install --quiet --no-deps --editable . ; \
	fi
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed
	@if [ -x $(BIN)/uv ]; then \
	  $(BIN)/uv pip install $(UV_FLAGS) --require-hashes --no-deps -r requirements-dev.txt ; \
	else \
	  $(BIN)/python -m pip install --quiet --require-hashes --no-deps -r requirements-dev.txt ; \
	fi
	@touch $@

node_modules/.installed: package.json package-lock.json
	npm ci --silent --ignore-scripts
	@touch $@

web/static/build/assets.json: node_modules/.installed $(wildcard web/static/src/* web/static/src/*/*) web/static/build.mjs
	npm run --silent build
	@touch $@

install: $(VENV)/.installed web/static/build/assets.json ## Make .venv with the command in it

demo: install ## Build the demonstration, analyse it and serve its pages
	$(BIN)/signpost demo --port $(PORT)

serve: install ## Serve the pages of your own database
	$(BIN)/signpost serve --port $(PORT)

test: install $(VENV)/.installed-dev ## Run all the tests
	$(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist loadfile --no-loadscope-reorder -q

coverage: install $(VENV)/.installed-dev ## Run the tests and report what they cover
	$(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist loadfile --no-loadscope-reorder -q --cov --cov-report=term

lint: install $(VENV)/.installed-dev ## Lint, type-check and hold the layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: install $(VENV)/.installed-dev ## Measure, each against its peer in the same run
	$(BIN)/python -m benchmarks

calibrate: install $(VENV)/.installed-dev ## Long calibration of every estimator; writes docs/calibration.md
	$(BIN)/python -m benchmarks.calibrate

screens: install $(VENV)/.installed-dev ## Picture and check every page of the demonstration, into screenshots/
	test -f $${SIGNPOST_HOME:-.signpost}/demonstration.db || SIGNPOST_HOME=$${SIGNPOST_HOME:-.signpost} $(BIN)/signpost demo --no-serve
	SIGNPOST_HOME=$${SIGNPOST_HOME:-.signpost} $(BIN)/python -m benchmarks.screens

lock: $(VENV)/.installed ## Pin every package with its hashes
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links --quiet pyproject.toml --extra dev -o requirements-dev.txt
	sed 's/ \\$$//;/--hash/d' requirements-dev.txt > .constraints.tmp
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links --quiet pyproject.toml -c .constraints.tmp -o requirements.txt
	rm -f .constraints.tmp

clean: ## Remove what was built
	rm -rf $(VENV) node_modules web/static/build .pytest_cache .mypy_cache .ruff_cache
