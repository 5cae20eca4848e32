# Every command a visitor or CI needs. GNU make 3.81 (macOS) or newer.
#
#   make demo [ARGS=--headless]   the whole thing, running, on this machine
#   make test [ARGS=...]          every test this machine can run; says what it skipped
#   make check                    format, lint, types, floors: seconds
#   make bench [BENCH_SMOKE=1]    CPU per proxied request, beside other proxies
#   make engines                  what tests and benchmarks need beyond Python (Debian, root)
#   make lock                     resolve the lock files anew from pyproject.toml
#   make test-lowest              the tests with the oldest dependencies pyproject.toml allows
#   make clean                    everything that the above left behind

VENV ?= .venv
PEERS ?= .venv-peers
PYTHON ?=
ARGS ?=
BENCH_SMOKE ?=

BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check install --quiet
LOCK = --require-hashes --requirement

.PHONY: help setup setup-dev demo test check bench engines lock test-lowest clean

help:
	@sed -n 's/^#   //p' Makefile

# The stamps are younger than what they were installed from, so a second run
# installs nothing.

setup: $(VENV)/.installed
setup-dev: $(VENV)/.installed-dev

$(VENV)/.created:
	@PYTHON='$(PYTHON)' sh tools/venv $(VENV)
	@touch $@

$(VENV)/.installed: requirements.lock pyproject.toml | $(VENV)/.created
	@echo "installing what alb needs into $(VENV)"
	@$(PIP) $(LOCK) requirements.lock
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock $(VENV)/.installed
	@echo "installing what its tests need into $(VENV)"
	@$(PIP) $(LOCK) requirements-dev.lock
	@touch $@

$(PEERS)/.installed: requirements-peers.lock
	@PYTHON='$(PYTHON)' sh tools/venv $(PEERS)
	@echo "installing the proxies we compare with into $(PEERS)"
	@$(PEERS)/bin/python -m pip --disable-pip-version-check install --quiet $(LOCK) requirements-peers.lock
	@touch $@

demo: setup
	@$(BIN)/alb demo $(ARGS)

test: setup-dev
	@sh tools/test $(BIN)/python $(ARGS)

check: setup-dev
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -q tests/test_architecture.py

bench: setup-dev $(PEERS)/.installed
	@BENCH_SMOKE='$(BENCH_SMOKE)' $(BIN)/python -m bench.proxy $(ARGS)

engines: setup-dev $(PEERS)/.installed
	@sh tools/engines

lock: setup-dev
	@$(PIP) uv
	@sh tools/lock $(BIN)/uv

test-lowest: setup-dev
	@$(PIP) uv
	@sh tools/test-lowest $(BIN)/uv $(BIN)/python $(ARGS)

clean:
	rm -rf $(VENV) $(PEERS) .venv-lowest .mypy_cache .pytest_cache .ruff_cache .hypothesis
	rm -rf .coverage build dist alb.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
