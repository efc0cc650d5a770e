PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
# The parts on their own: no whole jobs, no Ray, no servers.
QUICK := $(addprefix tests/,checkpoint config data metrics nn optim ps serve sweep track) $(wildcard tests/test_*.py)
# By whole files, so that those that share a local head or a Ray do not start one each.
# One that dies ends the tests at once: pytest-xdist starts another, and may then wait forever.
BESIDE := --numprocesses 3 --dist loadfile --no-loadscope-reorder --max-worker-restart 0

# Where PYTHON names another interpreter than the environment has, the environment is made anew.
ifneq ($(origin PYTHON),file)
ifneq ($(wildcard $(VENV)/pyvenv.cfg),)
ifneq ($(shell $(PYTHON) -V 2>&1),$(shell $(BIN)/python -V 2>&1))
ANEW := anew
endif
endif
endif

.PHONY: install train test quick check bench clean anew

install: $(STAMP)

$(BIN)/python: $(ANEW)
	@$(PYTHON) tools/python_version.py
	$(if $(ANEW),@echo "$(VENV) has $$($(BIN)/python -V): it is made anew with $$($(PYTHON) -V)")
	$(PYTHON) -m venv $(if $(ANEW),--clear) $(VENV)

# PYTHONDONTWRITEBYTECODE would leave the first import of every package slow, so bytecode is compiled here.
$(STAMP): pyproject.toml constraints.txt $(BIN)/python
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

# Three at a time, also on two cores: much of what tests do is waiting for processes to start and end.
test: check
	$(BIN)/python -m pytest -q $(BESIDE) --durations=10

# For a second interpreter: what depends on Python's version shows here in a fraction of the time.
quick: $(STAMP)
	$(BIN)/python -m pytest -q $(BESIDE) --ignore tests/track/test_servers.py $(QUICK)

bench: $(STAMP)
	$(BIN)/python -m benchmarks.goals

clean:
	rm -rf $(VENV) build dist_bp.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .dist_bp
