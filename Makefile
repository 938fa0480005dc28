# `make demo`, `make test` and `make lint` need nothing but Python 3.11 to 3.13 and make: each
# makes .venv when it is missing, with the versions that constraints.txt names.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
LOCK_VENV := .venv-lock
PIP := -m pip --disable-pip-version-check --quiet
# Wheels alone, since what builds a source archive would come without a hash; no dependencies,
# since the file names all of them.
PINNED := --require-hashes --only-binary :all: --no-deps -r constraints.txt

# SlipCover lacks a wheel for Python 3.11 on ARM Linux alone: the tests run without it there.
# What it measured is judged in a second step: its own `--fail-under` forgets what workers ran.
HAS_SLIPCOVER = $(BIN)/python -c "import slipcover" 2>/dev/null
MEASURED := build/coverage.json
TESTS = mkdir -p build; $(BIN)/python \
	$$(! $(HAS_SLIPCOVER) || echo "-m slipcover --json --out $(MEASURED)") \
	-m pytest -q -n 2 --dist loadfile
COVERED = && { ! $(HAS_SLIPCOVER) || $(BIN)/python -m slipcover \
	--merge $(MEASURED) --out $(MEASURED) --fail-under 95; }

export TF_CPP_MIN_LOG_LEVEL ?= 3

.PHONY: demo test test-all mutants docs lint format lock clean

demo: $(READY)
	@$(BIN)/tfrec-zoo demo

test: $(READY)
	@$(TESTS) $(COVERED)

test-all: $(READY)
	@$(TESTS) -m "" $(COVERED)

docs: $(READY)
	@$(BIN)/python docs/build_site.py build/docs
	@echo "build/docs/index.html"

lint: $(READY)
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet . || { echo "Run 'make format'."; exit 1; }
	@$(BIN)/mypy

format: $(READY)
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format --quiet .

# Resolves every extra for Python 3.11 to 3.13 into constraints.txt, keeping the versions there
# where they still fit; `make lock UPGRADE=--upgrade` takes the newest. Then it looks whether every
# version has a wheel with a known hash on Linux, for both architectures.
lock:
	@test -x $(LOCK_VENV)/bin/uv || { $(PYTHON) -m venv $(LOCK_VENV) && \
		$(LOCK_VENV)/bin/python $(PIP) install "uv>=0.9"; }
	@$(LOCK_VENV)/bin/uv pip compile setup.cfg --all-extras --universal --python-version 3.11 \
		--no-annotate --custom-compile-command "make lock" --quiet $(UPGRADE) \
		--generate-hashes --output-file constraints.txt
	@for machine in x86_64 aarch64; do for python in 3.11 3.12 3.13; do \
		$(LOCK_VENV)/bin/uv pip install --dry-run --quiet --require-hashes --no-deps \
			--only-binary :all: --python-platform $$machine-manylinux_2_28 \
			--python-version $$python --target $(LOCK_VENV)/none -r constraints.txt || exit 1; \
	done; done
	@echo "constraints.txt is up to date."

# Breaks the sources in one small way at a time; the tests must notice. It takes about an hour.
mutants: $(READY)
	@$(BIN)/python tests/mutants/run.py

clean:
	@rm -rf $(VENV) $(LOCK_VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache

$(READY): setup.cfg pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; (3, 11) <= v <= (3, 13) or sys.exit( \
		"This needs Python 3.11 to 3.13, not %d.%d. Try: make PYTHON=python3.12" % v)'
	@echo "Installing into $(VENV), once: a few minutes."
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python $(PIP) install $(PINNED)
	@$(BIN)/python $(PIP) install --no-deps --no-build-isolation -e .
	@$(BIN)/python $(PIP) check
	@touch $(READY)
