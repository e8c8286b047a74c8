# Commands for developers of linkauth. `make help` lists them.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
DISTRIBUTIONS := . $(patsubst %/setup.py,%,$(wildcard plugins/*/setup.py themes/*/setup.py))
THEMES := $(patsubst %/setup.py,%,$(wildcard themes/*/setup.py))
TESTS := $(BIN)/python -m pytest
# tests/xdist_groups.py defines the number of pytest workers, and which tests run in the same worker
PARALLEL := -p tests.xdist_groups --numprocesses auto --dist loadfile --no-loadscope-reorder
# the distributions whose dependencies locked.txt pins, with the optional drivers and servers
LOCKED := .[granian,passkeys,postgresql,theming] ./plugins/http ./plugins/ldap ./plugins/oidc ./plugins/sql[mariadb,postgresql] $(addprefix ./,$(THEMES))
OWN := linkauth $(patsubst plugins/%/setup.py,linkauth-%,$(wildcard plugins/*/setup.py)) $(THEMES:themes/%=linkauth-theme-%)
CHECKERS := tests/browser/checkers
WALKS := tests/browser/walks
NPM_INSTALL := npm install --no-package-lock --no-audit --no-fund --ignore-scripts --loglevel=error
SLOW := --ignore=$(CHECKERS) --ignore=$(WALKS)
UNIT_TESTS := tests/unit tests/test_pins.py $(wildcard themes/*/tests)

.PHONY: help install install-dev parts serve test test-fast test-unit test-python test-pages test-walks lint check catalogs audit lock bench bench-growth clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Debian and Ubuntu have ensurepip in a separate package; without it, an existing pip installs pip into the environment
$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not installed. To install it, run: sudo apt-get install python3"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "linkauth needs Python 3.11 or newer. To use another one, run: make PYTHON=python3.12"; exit 1; }
	@if ! $(PYTHON) -c 'import ensurepip' 2>/dev/null && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null || true; fi
	@if $(PYTHON) -c 'import ensurepip' 2>/dev/null; then $(PYTHON) -m venv $(VENV); \
	elif $(PYTHON) -m pip --version >/dev/null 2>&1; then \
		$(PYTHON) -m venv --without-pip $(VENV) && $(PYTHON) -m pip --python $(BIN)/python install --quiet pip; \
	else echo "$(PYTHON) has neither ensurepip nor pip. To install them, run: sudo apt-get install python3-venv"; exit 1; fi \
	|| { rm -rf $(VENV); exit 1; }

$(VENV)/.installed: $(BIN)/python constraints.txt setup.py $(wildcard plugins/*/setup.py themes/*/setup.py)
	$(PIP) setuptools wheel
	$(PIP) --no-build-isolation $(addprefix --editable ,$(DISTRIBUTIONS))
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.txt
	$(PIP) --requirement requirements-dev.txt
	@touch $@

install: $(VENV)/.installed ## install the core, the plugins and the themes into .venv

install-dev: $(VENV)/.installed-dev

# installs the programs that tests start: a browser, database servers, directory servers
parts:
	@tests/servers/install

serve: install ## start linkauth with the Alexa simulator on http://127.0.0.1:6543/
	$(BIN)/linkauth serve development.ini

test: install-dev parts var/openid/.installed ## run all tests except those of test-pages and test-walks
	$(TESTS) $(PARALLEL) $(SLOW)

test-fast: install-dev ## run the tests without browser and packaging
	$(TESTS) $(PARALLEL) --ignore=tests/browser --ignore=tests/test_packaging.py

test-unit: install-dev ## run the unit tests, which start no server
	$(TESTS) $(PARALLEL) $(UNIT_TESTS)

test-python: ## run the unit tests with another Python in a separate environment: PYTHON=/usr/bin/python3
	@$(MAKE) test-unit VENV=var/python-$$($(PYTHON) -c 'import platform; print(platform.python_version())')

var/checkers/.installed: $(CHECKERS)/package.json
	@tests/servers/install pages
	@mkdir -p $(@D)
	@cp $< $(@D)
	@if command -v npm >/dev/null; then cd $(@D) && $(NPM_INSTALL) && touch .installed; fi

# an OpenID provider for the tests; without npm these are skipped
var/openid/.installed: tests/servers/openid/package.json
	@tests/servers/install
	@mkdir -p $(@D)
	@cp $< $(@D)
	@if command -v npm >/dev/null; then cd $(@D) && $(NPM_INSTALL) && touch .installed || \
		echo "npm install has failed; the tests of sign-in providers are skipped"; fi

test-pages: install-dev parts var/checkers/.installed ## check every page with axe, the Nu HTML checker and Lighthouse
	$(TESTS) $(CHECKERS)

test-walks: install-dev parts var/openid/.installed ## recover, sign up and sign in elsewhere in Chromium, with and without JavaScript
	$(TESTS) $(WALKS)

lint: install-dev ## check format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

check: lint parts var/openid/.installed ## check format, lint and types, and run the tests with branch coverage
	$(TESTS) $(PARALLEL) $(SLOW) --cov --cov-report=term

# tools for the pinned versions, in a separate environment
var/tools/.ready:
	@$(MAKE) --no-print-directory VENV=var/tools var/tools/bin/python
	@var/tools/bin/python -m pip --disable-pip-version-check install --quiet 'pip-audit>=2.10,<3' 'uv>=0.13,<1'
	@touch $@

audit: var/tools/.ready ## check every pinned version for known vulnerabilities
	@var/tools/bin/python .ci/audit.py

lock: var/tools/.ready ## write locked.txt: the pinned versions that servers need, with the hashes of their files
	@printf '%s\n' $(LOCKED) | var/tools/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--native-tls --no-header --no-annotate $(addprefix --no-emit-package ,$(OWN)) --constraint constraints.txt - --output-file locked.txt
	@sed -i '1i # Written by make lock: the packages that servers need, in the versions of constraints.txt, with file hashes.' locked.txt

catalogs: install-dev ## extract, update and compile the texts of the themes and of the simulator (to add a language: ADD=sv)
	$(BIN)/linkauth catalogs --simulator $(THEMES:themes/%=%) $(if $(ADD),--add $(ADD))

bench: install-dev ## run the benchmarks and print a table
	$(BIN)/python -m benchmarks

bench-growth: install-dev ## compare the cost of operations with 1,000 and with 1,000,000 links
	$(BIN)/python -m benchmarks.growth

clean: ## remove the files that the other commands create
	rm -rf $(VENV) var build dist .hypothesis .coverage
