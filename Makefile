.DEFAULT_GOAL := help
SHELL := /bin/bash
VENV ?= .venv
# The system's own Python where it is new enough: distributions build it with profiles, pyenv by default does not, and
# then everything takes a tenth longer (docs/performance.md).  PYTHON=python3.13 takes another.
PYTHON ?= $(shell /usr/bin/python3 -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
  && echo /usr/bin/python3 || echo python3)
BIN := $(VENV)/bin
FLAGS ?=
TESTS ?= tests
# How many processes run tests side by side (docs/adr/0031).  0: one after another, in this one.
WORKERS ?= $(if $(filter tests,$(TESTS)),$(if $(filter 1,$(shell nproc)),0,4),0)
# The share of reads from sockets that are made to come late, to find races (tests/shaking).  0: none.
SHAKE ?= 0
# What the tests use of Debian; only looked for with root, and only what is missing is installed.
DEBIAN := iptables:iptables ip:iproute2 conntrack:conntrack curl:curl dockerd:docker.io docker-compose:docker-compose

.PHONY: help install up down status test test-needs lint bench clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "nanokube needs Python 3.11 or newer: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
	    apt-get -qq update && apt-get -qq install -y --no-install-recommends python3-venv; } || \
	  { echo "this Python has no venv: install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@$(BIN)/python -m compileall -q api cel apiserver client controller_manager scheduler kubelet proxy cloud_controller_manager || true
	@touch $@

install: $(VENV)/.installed ## make .venv with everything in it

up: install ## start a cluster in the foreground (FLAGS="--nodes 3 --port 7443")
	@$(BIN)/nanokube up $(FLAGS)

down: ## end the cluster (FLAGS="--data-dir …")
	@$(BIN)/nanokube down $(FLAGS)

status: ## show what runs of the cluster
	@$(BIN)/nanokube status $(FLAGS)

lint: install ## style, types and the rules of the house
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test-needs:
	@missing=; for pair in $(DEBIAN); do command -v $${pair%%:*} >/dev/null || missing="$$missing $${pair##*:}"; done; \
	if [ -n "$$missing" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "installing$$missing"; \
	  apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $$missing >/dev/null || \
	    echo "could not install$$missing: the tests that need them will say so"; \
	fi

test: install test-needs ## install what the tests need and run them all (TESTS=tests/api for a part)
	$(if $(filter-out 0,$(SHAKE)),SHAKE=$(SHAKE) PYTHONPATH=$(CURDIR)/tests/shaking) $(BIN)/python -m pytest $(if $(filter-out 0,$(WORKERS)),-n $(WORKERS) --no-loadscope-reorder) $(TESTS)

bench: install ## measure start-up, scale and what an idle cluster costs
	@$(BIN)/python -m benchmarks

clean: ## remove everything that was made here, .venv too
	rm -rf $(VENV) dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
