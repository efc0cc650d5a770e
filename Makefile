PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed

.PHONY: install train test check bench clean

install: $(STAMP)

# PYTHONDONTWRITEBYTECODE would leave the first import of every package slow, so bytecode is compiled here.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev]"
	-$(BIN)/python -m compileall -q $(VENV)/lib
	$(BIN)/python -m compileall -q dist_bp
	touch $(STAMP)

train: $(STAMP)
	$(BIN)/dist-bp train configs/digits.yaml

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_imports.py

# Two at a time: much of what tests do is waiting for processes to start and end.
test: check
	$(BIN)/python -m pytest -q --numprocesses 2 --dist worksteal --durations=10

bench: $(STAMP)
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) build dist_bp.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .dist_bp
