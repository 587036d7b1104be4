# Two commands set everything up: `make serve` and `make test`. The second run of each is quick: what was installed
# is remembered by stamp files inside .venv, which are older than pyproject.toml only when that has changed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

# serve: the port, and any further directives, e.g. make serve PORT=7000 ARGS="--appendonly no"
PORT ?= 6379
ARGS ?=
# test: further arguments for pytest, e.g. make test PYTEST_ARGS="-k zadd -x"
PYTEST_ARGS ?=
# test-clients: options of tests.suites.redis_py, e.g. make test-clients CLIENT_ARGS=--quick
CLIENT_ARGS ?=
# bench: options of benchmarks.run, e.g. make bench BENCH_ARGS="--quick --rows set,get"
BENCH_ARGS ?=

# ha: options of pyredis ha, e.g. make ha HA_ARGS="--replicas 1 --port 7000"
HA_ARGS ?=

.PHONY: help ha serve examples test test-clients bench docs lint format types check clean
.DEFAULT_GOAL := help

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

serve: $(VENV)/.stamp-run  ## install, then run the server on PORT (6379) with ARGS; its files are in data/
	@mkdir -p data
	@exec $(BIN)/python -m pyredis --port $(PORT) --dir data $(ARGS)

ha: $(VENV)/.stamp-run  ## run a master, two replicas and three sentinels until Ctrl-C
	@exec $(BIN)/python -m pyredis.cli.ha --replicas 2 --sentinels 3 $(HA_ARGS)

examples: $(VENV)/.stamp-test  ## run the examples against the server on PORT
	@set -e; for file in $(filter-out %/common.py,$(wildcard examples/*.py)); do \
		echo "$$file:"; $(BIN)/python $$file --url redis://127.0.0.1:$(PORT); done

test: $(VENV)/.stamp-test | /usr/bin/redis-server /usr/bin/openssl /usr/bin/prometheus /usr/bin/chromedriver  ## install what the tests need, then run them all
	$(BIN)/python -m pytest $(PYTEST_ARGS)

test-clients: $(VENV)/.stamp-clients | /usr/bin/redis-server  ## redis-py's own tests, and programs with other clients (CLIENT_ARGS=--quick)
	$(BIN)/python -m tests.suites.redis_py $(CLIENT_ARGS)
	$(BIN)/python -m tests.suites.third_party
	$(BIN)/python -m pytest tests/clients/test_lua_libraries.py

bench: $(VENV)/.stamp-bench | /usr/bin/redis-server /usr/bin/openssl  ## measure ours beside redis-server, write benchmarks/results
	$(BIN)/python -m benchmarks.run $(BENCH_ARGS)

docs: $(VENV)/.stamp-docs  ## write the generated pages, then build the site of docs/ into site/
	$(BIN)/python docs/generate.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

lint: $(VENV)/.stamp-dev  ## ruff: rules and format
	$(BIN)/ruff check
	$(BIN)/ruff format --check

format: $(VENV)/.stamp-dev  ## ruff: fix what it can and format
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

types: $(VENV)/.stamp-dev  ## mypy --strict on the package
	$(BIN)/mypy --strict pyredis
	$(BIN)/mypy benchmarks

check: lint types test  ## everything that must pass before a change lands

clean:  ## remove the environment and the caches
	rm -rf $(VENV) site .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("pyredis needs Python 3.11 or later; try: make PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "no venv module: on Debian, apt-get install python3-venv" >&2; exit 1; }

$(VENV)/.stamp-run: pyproject.toml | $(BIN)/python
	$(PIP) --editable .
	@$(BIN)/python -m compileall -q pyredis  # also where PYTHONDONTWRITEBYTECODE is set: the start takes a third of the time
	@touch $@

$(VENV)/.stamp-test: pyproject.toml | $(BIN)/python
	$(PIP) --editable '.[test]'
	@touch $(VENV)/.stamp-run $@

$(VENV)/.stamp-clients: pyproject.toml | $(BIN)/python
	$(PIP) --editable '.[test,clients]'
	@touch $(VENV)/.stamp-run $(VENV)/.stamp-test $@

$(VENV)/.stamp-bench: pyproject.toml | $(BIN)/python
	$(PIP) --editable '.[test,bench]'
	@touch $(VENV)/.stamp-run $(VENV)/.stamp-test $@

$(VENV)/.stamp-docs: pyproject.toml | $(BIN)/python
	$(PIP) --editable '.[docs]'
	@touch $(VENV)/.stamp-run $@

$(VENV)/.stamp-dev: pyproject.toml | $(BIN)/python
	$(PIP) --editable '.[test,dev]'
	@touch $(VENV)/.stamp-run $(VENV)/.stamp-test $@

# The oracle: Debian's redis-server with its tools. The package starts a service on 6379, which nobody here needs.
/usr/bin/redis-server:
	$(SUDO) apt-get update -q
	$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends redis-server redis-tools
	-$(SUDO) service redis-server stop

# Reads /metrics in the tests, which do without it where it cannot be had. The packages would start services, too.
/usr/bin/prometheus:
	-$(SUDO) apt-get update -q
	-$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends prometheus prometheus-redis-exporter
	-$(SUDO) service prometheus stop
	-$(SUDO) service prometheus-redis-exporter stop

# The tests of the web console look at it in a headless browser.
/usr/bin/chromedriver:
	$(SUDO) apt-get update -q
	$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends chromium chromium-driver

# Makes the certificates of the tests and benchmarks.
/usr/bin/openssl:
	$(SUDO) apt-get update -q
	$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends openssl
