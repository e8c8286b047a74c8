# linkauth: `make help` says what there is.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
DISTRIBUTIONS := . $(patsubst %/setup.py,%,$(wildcard plugins/*/setup.py themes/*/setup.py))
THEMES := $(patsubst %/setup.py,%,$(wildcard themes/*/setup.py))
TESTS := $(BIN)/python -m pytest
# a worker process for each core; tests/xdist_groups.py says which tests stay together
PARALLEL := -p tests.xdist_groups --numprocesses auto --dist loadfile --no-loadscope-reorder
# what locked.txt is for, with the drivers and servers to choose from
LOCKED := .[granian,postgresql,theming] ./plugins/http ./plugins/ldap ./plugins/sql[mariadb,postgresql] $(addprefix ./,$(THEMES))
OWN := linkauth $(patsubst plugins/%/setup.py,linkauth-%,$(wildcard plugins/*/setup.py)) $(THEMES:themes/%=linkauth-theme-%)
CHECKERS := tests/browser/checkers
UNIT_TESTS := tests/unit tests/test_pins.py $(wildcard themes/*/tests)

.PHONY: help install install-dev parts serve test test-fast test-unit test-python test-pages lint check catalogs audit lock bench clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Debian and Ubuntu keep venv's ensurepip in a package apart; without it, a pip that is there installs the other one
$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "there is no $(PYTHON); install it with: sudo apt-get install python3"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "linkauth needs Python 3.11 or newer; name one with: make PYTHON=python3.12"; exit 1; }
	@if ! $(PYTHON) -c 'import ensurepip' 2>/dev/null && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null || true; fi
	@if $(PYTHON) -c 'import ensurepip' 2>/dev/null; then $(PYTHON) -m venv $(VENV); \
	elif $(PYTHON) -m pip --version >/dev/null 2>&1; then \
		$(PYTHON) -m venv --without-pip $(VENV) && $(PYTHON) -m pip --python $(BIN)/python install --quiet pip; \
	else echo "$(PYTHON) has neither ensurepip nor pip; install them with: sudo apt-get install python3-venv"; exit 1; fi \
	|| { rm -rf $(VENV); exit 1; }

$(VENV)/.installed: $(BIN)/python constraints.txt setup.py $(wildcard plugins/*/setup.py themes/*/setup.py)
	$(PIP) setuptools wheel
	$(PIP) --no-build-isolation $(addprefix --editable ,$(DISTRIBUTIONS))
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.txt
	$(PIP) --requirement requirements-dev.txt
	@touch $@

install: $(VENV)/.installed ## the core, the plugins and the themes into .venv

install-dev: $(VENV)/.installed-dev

# the real parts that tests start: a browser, database servers, directories
parts:
	@tests/servers/install

serve: install ## linkauth with the Alexa simulator on http://127.0.0.1:6543/
	$(BIN)/linkauth serve development.ini

test: install-dev parts ## every test but those of test-pages
	$(TESTS) $(PARALLEL) --ignore=$(CHECKERS)

test-fast: install-dev ## the tests without browser and packaging
	$(TESTS) $(PARALLEL) --ignore=tests/browser --ignore=tests/test_packaging.py

test-unit: install-dev ## the unit tests, which start nothing
	$(TESTS) $(PARALLEL) $(UNIT_TESTS)

test-python: ## the unit tests with another Python, in an environment of its own: PYTHON=/usr/bin/python3
	@$(MAKE) test-unit VENV=var/python-$$($(PYTHON) -c 'import platform; print(platform.python_version())')

var/checkers/.installed: $(CHECKERS)/package.json
	@tests/servers/install pages
	@mkdir -p $(@D)
	@cp $< $(@D)
	@if command -v npm >/dev/null; then cd $(@D) && npm install --no-package-lock --no-audit --no-fund --ignore-scripts --loglevel=error && touch .installed; fi

test-pages: install-dev parts var/checkers/.installed ## the pages before other people's checkers: Nu HTML, Lighthouse
	$(TESTS) $(CHECKERS)

lint: install-dev ## format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

check: lint parts ## format, lint, types, tests with branch coverage
	$(TESTS) $(PARALLEL) --ignore=$(CHECKERS) --cov --cov-report=term

# tools about the pins, in an environment of their own
var/tools/.ready:
	@$(MAKE) --no-print-directory VENV=var/tools var/tools/bin/python
	@var/tools/bin/python -m pip --disable-pip-version-check install --quiet 'pip-audit>=2.10,<3' 'uv>=0.13,<1'
	@touch $@

audit: var/tools/.ready ## ask an advisory index about every pin; says so where none can be reached
	@var/tools/bin/python .ci/audit.py

lock: var/tools/.ready ## write locked.txt: the pins of what servers need, with the hashes of their files
	@printf '%s\n' $(LOCKED) | var/tools/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--native-tls --no-header --no-annotate $(addprefix --no-emit-package ,$(OWN)) --constraint constraints.txt - --output-file locked.txt
	@sed -i '1i # Written by make lock: what servers need, in the versions of constraints.txt, with the hashes of their files.' locked.txt

catalogs: install-dev ## extract, update and compile the themes' sentences (one more language: ADD=sv)
	$(BIN)/linkauth catalogs $(THEMES:themes/%=%) $(if $(ADD),--add $(ADD))

bench: install-dev ## figures, printed as a table
	$(BIN)/python -m benchmarks

clean: ## remove what the other targets made
	rm -rf $(VENV) var build dist .hypothesis .coverage
