# make demo   the main job on the embedded default      make test   the tests
# make check  what CI runs                              make bench  the measurements
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9
# requirements.lock is what runs; requirements-dev.lock is that and what tests, checks and measures it.
RUN := $(VENV)/.installed
DEV := $(VENV)/.installed-dev

.PHONY: setup setup-dev demo test check lint bench lock reference docs pictures sbom clean

setup: $(RUN)
setup-dev: $(DEV)

$(RUN): LOCK := requirements.lock
$(DEV): LOCK := requirements-dev.lock
$(RUN) $(DEV): requirements.lock requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "Sallyport needs Python 3.11 or later; '$(PYTHON)' is not. Install it, or run: make setup PYTHON=/path/to/python3.11" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes $(LOCK) || \
	  $(BIN)/python -m pip install --quiet --require-hashes -r $(LOCK)
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $(RUN) $@

demo: setup
	$(BIN)/sallyport demo

test: setup-dev
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test

bench: setup-dev
	$(BIN)/python -m benchmarks

# The locks pin every package by hash and name no index; one version of each package stands in both.
COMPILE := $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet
lock:
	$(COMPILE) --all-extras --output-file requirements-dev.lock
	$(COMPILE) --extra build --extra embedded --extra train --extra notebook --constraint requirements-dev.lock --output-file requirements.lock

# The reference pages are written from the code.
reference: setup-dev
	$(BIN)/python docs/generate.py

# The pages of docs/ as a site in dist/docs.
docs: setup-dev
	$(BIN)/mkdocs build --quiet

# The pictures in docs/, taken of JupyterLab while a browser is driven through it (needs Chromium).
pictures: setup-dev
	SALLYPORT_JUPYTERLAB=docs/how-to/pictures $(BIN)/python -m pytest -q tests/web/test_jupyterlab.py

# What Sallyport itself is made of, with licences (CycloneDX).
sbom: setup
	@mkdir -p dist
	$(BIN)/python -m gateway.operations.bill > dist/sallyport.cdx.json

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache dist
