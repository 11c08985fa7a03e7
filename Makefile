# Two commands are enough: `make run` starts the daemon, `make test` checks everything. Both build .venv first.

PYTHON ?= python3
CONFIG ?= config.yaml
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
UV ?= $(shell command -v uv 2>/dev/null || echo var/uv/bin/uv)
LOCK := --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate
IMAGE ?= ai-news-aggregator
SHELL := /bin/bash -o pipefail
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install install-test packages run demo test lint format messages soak lock image clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/run.stamp ## build .venv from the locked requirements

install-test: $(VENV)/test.stamp

# A stamp says that .venv is complete: one without any stamp is half-built and is made anew.
# Debian's python3 has neither venv nor pip, and a failed `python3 -m venv` leaves half a folder behind: hence the look first.
$(VENV)/run.stamp: pyproject.toml requirements/build.txt requirements/run.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed: $(PYTHON) is missing or older. Name another with: make PYTHON=python3.12 ..." >&2; exit 1; }
	@if ! $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null; then \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "Installing python3-venv"; $(apt_install) python3-venv; \
	  else \
	    echo "This Python cannot make virtual environments. Please run:" >&2; \
	    echo "    sudo apt-get install python3-venv" >&2; exit 1; \
	  fi; \
	fi
	@if [ ! -e $@ ] && [ -e $(VENV) ]; then echo "Removing a half-built $(VENV)"; rm -rf $(VENV); fi
	@[ -e $@ ] || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }
	@echo "Installing the locked requirements into $(VENV)"
	@$(PIP) install --quiet --require-hashes -r requirements/build.txt
	@$(PIP) install --quiet --require-hashes --use-pep517 --no-build-isolation -r requirements/run.txt
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/test.stamp: $(VENV)/run.stamp requirements/test.txt
	@echo "Installing what the tests need into $(VENV)"
	@$(PIP) install --quiet --require-hashes --use-pep517 --no-build-isolation -r requirements/test.txt
	@touch $@

run: install ## start the daemon on config.yaml: http://127.0.0.1:8000
	@exec $(BIN)/aggregator run --config $(CONFIG)

demo: install ## a whole round on sample posts, no network needed: pages and a mail in var/demo
	@$(BIN)/python examples/demo.py

# RUNLEVEL=1: Debian's package would start a server of its own; the tests start a throw-away one.
apt_install = RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive sh -c 'apt-get update -qq && apt-get install -y -qq --no-install-recommends "$$@" >/dev/null' apt

packages:
	@missing=; \
	[ -n "$$TEST_POSTGRES_URL" ] || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || missing="$$missing postgresql"; \
	[ -x /usr/sbin/nginx ] || missing="$$missing nginx-light"; \
	[ -x /usr/bin/chromium ] || missing="$$missing chromium"; \
	ls /usr/lib/*/libatomic.so.1 >/dev/null 2>&1 || missing="$$missing libatomic1"; \
	fc-list :lang=ja 2>/dev/null | grep -q . || missing="$$missing fonts-noto-cjk"; \
	[ -x /usr/bin/spamassassin ] || missing="$$missing spamassassin"; \
	[ -n "$$missing" ] || exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "Installing$$missing"; $(apt_install) $$missing; \
	else \
	  echo "The tests need$$missing. Please run:" >&2; echo "    sudo apt-get install$$missing" >&2; exit 1; \
	fi

test: packages install-test lint ## every check and every test, real PostgreSQL and real browser included
	@$(BIN)/python -m pytest -q -n 2 $(ARGS)

lint: install-test ## ruff, mypy --strict, import contracts
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet . || { echo "Not formatted (make format):"; $(BIN)/ruff format --check .; exit 1; }
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports

format: install-test ## let ruff put the code in order
	@$(BIN)/ruff check --quiet --fix .
	@$(BIN)/ruff format .

messages: install ## words of the templates into every catalogue (aggregator/data/locale); then translate what is new
	@mkdir -p var
	@$(BIN)/pybabel --quiet extract --mapping-file pyproject.toml --no-location --sort-output --width 120 \
	  --project ai-news-aggregator --version "" --output-file var/messages.pot templates aggregator/web/desk
	@for po in aggregator/data/locale/*/messages.po; do \
	  $(BIN)/pybabel --quiet update --input-file var/messages.pot --output-file "$$po" --locale "$$(basename "$$(dirname "$$po")")" \
	    --no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date --width 120 || exit 1; \
	done

soak: packages install-test ## the long tests; leaves a dated result file in var/soak
	@mkdir -p var/soak
	@$(BIN)/python -m pytest -q -m soak -p no:randomly $(ARGS) 2>&1 | tee "var/soak/$$(date -u +%Y-%m-%dT%H%M%SZ).txt"

lock: ## resolve the requirements anew (needs a network)
	@[ -x "$$(command -v $(UV))" ] || { $(PYTHON) -m venv var/uv && var/uv/bin/python -m pip install --quiet uv; }
	@$(UV) pip compile $(LOCK) $(ARGS) --group pyproject.toml:build -o requirements/build.txt
	@$(UV) pip compile $(LOCK) $(ARGS) --extra postgres -c requirements/build.txt pyproject.toml -o requirements/run.txt
	@$(UV) pip compile $(LOCK) $(ARGS) --extra postgres --group dev -c requirements/build.txt -c requirements/run.txt pyproject.toml -o requirements/test.txt

image: ## build the container image
	docker build --tag $(IMAGE) .

clean: ## remove caches and build results; .venv and var stay
	@rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
