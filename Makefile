# Every target sets up what it needs in .venv; `make demo` and `make test` work in a fresh clone.
PYTHON ?= python3
BIN := .venv/bin
# Several processes share the cores in tests: see __init__.py.
export OMP_WAIT_POLICY ?= passive
STAMP := .venv/.installed

.PHONY: demo test test-systems check bench fuzz install clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	mkdir -p .venv/types && ln -sfn ../.. .venv/types/tocsin
	$(BIN)/tocsin warm-up
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/tocsin demo

test: $(STAMP)
	$(BIN)/python -m pytest -m "not systems"
	NUMBA_DISABLE_JIT=1 $(BIN)/python -m pytest -q tests/twin/test_rulebook_keys.py tests/twin/test_rulebook_undo.py tests/twin/test_rulebook_laws.py

test-systems: $(STAMP)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[viz,tune]'
	$(BIN)/python -m pytest -m systems

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(STAMP)
	$(BIN)/python -m pytest tests/benchmarks -q

fuzz: $(STAMP)  # a million inputs for parser and linter, in var/fuzz; goes on where it was stopped
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[fuzz]'
	$(BIN)/python -m tocsin.tests.playbooks.fuzz --inputs 1000000 --folder var/fuzz

clean:
	rm -rf .venv build *.egg-info
