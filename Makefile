# Everything runs from a virtual environment that this file makes: Python 3.11+ and make are enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test campaign lint bench config lock clean

$(VENV)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "dealpulse needs Python 3.11 or newer; set PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(VENV)/.installed  ## one whole loop against a simulated CRM
	$(BIN)/dealpulse demo

test: $(VENV)/.installed lint  ## lint, types, import contracts and every test
	$(BIN)/pytest

SEEDS ?= 300
FIRST ?= 0

campaign: $(VENV)/.installed  ## random companies, edits, faults and kills: SEEDS=300 from FIRST=0, or one SEED=17
	SEED=$(SEED) SEEDS=$(SEEDS) FIRST=$(FIRST) $(BIN)/pytest --dist load --timeout 600 tests/campaign

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: $(VENV)/.installed
	$(BIN)/python -m bench

config: $(VENV)/.installed  ## after a change of a setting or command: the pages made from them
	$(BIN)/python -m sync.config.example > $(VENV)/example.yaml && cp $(VENV)/example.yaml config.example.yaml
	$(BIN)/python -m sync.config.reference docs/configuration.md
	$(BIN)/python -m sync.cli.reference > $(VENV)/commands.md && cp $(VENV)/commands.md docs/commands.md

LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate

lock:  ## needs uv; no registry's address ends up in the files
	$(LOCK) --extra dev pyproject.toml requirements-build.in -o requirements.lock
	$(LOCK) --constraint requirements.lock pyproject.toml requirements-build.in -o requirements-runtime.lock

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
