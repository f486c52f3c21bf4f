# `make demo` shows what Onlooker does; `make test` checks it. Both need Python 3.11 or newer and
# nothing else; the second time is quick. An existing .venv is used as it is.
# Written for GNU make 3.81, which macOS still carries.

SHELL := /bin/sh
VENV ?= .venv
BIN := $(VENV)/bin
EXTRAS ?= dev
comma := ,
# One mark for each set of extras, so that asking for more installs more.
DEVELOPED := $(VENV)/.installed-$(subst $(comma),-,$(EXTRAS))
# The first Python that is new enough: python3 of macOS is 3.9.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done)
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet
SOURCES := $(shell find src -name '*.py' -o -name '*.onnx' -o -name '*.npz' -o -name '*.html' -o -name '*.js' -o -name '*.css')
# What the compiled engine is built from: a change of it installs anew.
NATIVE := CMakeLists.txt $(shell find native/include native/src -type f)
PYTEST_ARGS ?=
DEMO_LIBRARY := .demo-library

.DEFAULT_GOAL := help
.PHONY: help venv demo test test-slow lint clean

help:
	@echo 'make demo       install, index the media of examples/demo, run three searches'
	@echo 'make test       install, check format, lint, types and contracts, run the tests'
	@echo 'make test-slow  the tests that take minutes: kill points, fuzzing, overfitting runs'
	@echo 'make lint       format, lint, types and contracts only'
	@echo 'make clean      remove the demo library and build products, keep $(VENV)'

venv: $(BIN)/python

$(BIN)/python:
	@if [ -z "$(PYTHON)" ]; then \
		echo 'Onlooker needs Python 3.11 or newer, and none was found: install it, or say'; \
		echo '  make PYTHON=/path/to/python3.11 ...'; exit 1; fi
	$(PYTHON) -m venv $(VENV)

# What a user installs. Where the developers' installation stands already, it serves.
$(VENV)/.installed: pyproject.toml $(SOURCES) $(NATIVE) | $(BIN)/python
	@if ! ls $(VENV)/.installed-dev* >/dev/null 2>&1; then \
		echo 'installing Onlooker into $(VENV) ...'; $(PIP) .; fi
	@touch $@

$(DEVELOPED): pyproject.toml requirements/ci.txt $(NATIVE) | $(BIN)/python
	@echo 'installing Onlooker with [$(EXTRAS)] into $(VENV) ...'
	@$(PIP) -e '.[$(EXTRAS)]'
	@touch $@

demo: $(VENV)/.installed
	@PATH="$(CURDIR)/$(BIN):$$PATH" SHOWN=$(DEMO_LIBRARY) ONLOOKER=$(BIN)/onlooker \
		sh examples/demo/run.sh $(DEMO_LIBRARY)

lint: $(DEVELOPED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	@$(BIN)/lint-imports >$(VENV)/contracts.log 2>&1 || { cat $(VENV)/contracts.log; exit 1; }
	@tail -n 2 $(VENV)/contracts.log

test: lint
	@command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1 || \
		command -v google-chrome >/dev/null 2>&1 || \
		echo 'Chromium is not installed: the browser tests will be skipped'
	$(BIN)/python -m pytest -m 'not slow' $(PYTEST_ARGS)

test-slow: lint
	$(BIN)/python -m pytest -m slow $(PYTEST_ARGS)

clean:
	rm -rf $(DEMO_LIBRARY) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
