# Needs Python >= 3.11, make and pip; everything else is installed into .venv.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test docs-test lint types clean

demo: .venv/installed
	$(BIN)/ressearch search search_spaces/demo.yaml
	$(BIN)/ressearch best demo

test: .venv/installed-test
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

docs-test: .venv/installed-test
	$(BIN)/python -m pytest -m slow tests/test_walk.py

lint: .venv/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/installed-test
	$(BIN)/mypy

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q -c constraints.txt -e .
	touch $@

.venv/installed-test: .venv/installed
	$(BIN)/pip install -q -c constraints.txt -e '.[test]'
	touch $@

clean:
	rm -rf .venv
