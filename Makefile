# `make train` and `make test` set up what they need; Python 3.11+, make and a network suffice.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: train test lint clean

train: $(VENV)/.train  ## Learn to bargain: about three minutes, then a table
	$(BIN)/python scripts/train.py env=negotiation

test: $(VENV)/.dev  ## The test suite
	$(BIN)/python -m pytest --numprocesses auto

lint: $(VENV)/.dev  ## ruff and mypy, as in CI
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("rlkit needs Python 3.11 or later: make PYTHON=python3.11 ...") if sys.version_info < (3, 11) else None'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.train: pyproject.toml | $(BIN)/python
	@echo "Installing rlkit and what training needs into $(VENV) (once, a minute or two)"
	@$(PIP) --editable '.[train]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	@echo "Installing rlkit and what the tests need into $(VENV) (once, a minute or two)"
	@$(PIP) --editable '.[dev]'
	@touch $@

clean:  ## Remove the virtual environment and caches; runs/ is kept
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis dist build
