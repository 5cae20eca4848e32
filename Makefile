# Every command a visitor or CI needs. GNU make 3.81 (macOS) or newer.
#
#   make demo [ARGS=--headless]   the whole thing, running, on this machine
#   make test [ARGS=...]          every test this machine can run; says what it skipped
#   make check                    format, lint, types, floors: seconds
#   make wheel                    dist/: the request path compiled (needs a C compiler)
#   make test-compiled            the load balancer's tests on the compiled request path
#   make fuzz FUZZ=request_heads [SECONDS=60]   one fuzz target, guided by coverage
#   make bench [BENCH_SMOKE=1]    every figure of speed, beside other proxies and what is promised
#   make engines                  what tests and benchmarks need beyond Python (Debian, root)
#   make lock                     resolve the lock files anew from pyproject.toml
#   make test-lowest              the tests with the oldest dependencies pyproject.toml allows
#   make clean                    everything that the above left behind

VENV ?= .venv
COMPILED ?= .venv-compiled
PEERS ?= .venv-peers
PYTHON ?=
ARGS ?=
BENCH_SMOKE ?=
FUZZ ?=
SECONDS ?= 60

BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check install --quiet
LOCK = --no-deps --require-hashes --requirement

.PHONY: help setup setup-dev demo test check wheel test-compiled fuzz bench engines lock test-lowest clean

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

# Two pips side by side, each with a core: reading the index is what takes them long.
# Of what only tests need, little is ever imported: it is compiled when it is.
$(VENV)/.installed-dev: requirements-dev.lock requirements.lock pyproject.toml | $(VENV)/.created
	@$(MAKE) --no-print-directory -j2 $(VENV)/.installed $(VENV)/.installed-tests
	@touch $@

$(VENV)/.installed-tests: requirements-dev.lock requirements.lock | $(VENV)/.created
	@echo "installing what its tests need into $(VENV)"
	@sh tools/beyond requirements.lock requirements-dev.lock >$(VENV)/beyond.lock
	@$(PIP) --no-compile $(LOCK) $(VENV)/beyond.lock
	@touch $@

$(VENV)/.installed-fuzz: requirements-fuzz.lock $(VENV)/.installed-dev
	@$(PIP) $(LOCK) requirements-fuzz.lock
	@touch $@

$(PEERS)/.installed: requirements-peers.lock
	@PYTHON='$(PYTHON)' sh tools/venv $(PEERS)
	@echo "installing the proxies we compare with into $(PEERS)"
	@$(PEERS)/bin/python -m pip --disable-pip-version-check install --quiet $(LOCK) requirements-peers.lock
	@touch $@

SOURCES = $(shell find alb autoscaler controlplane foundation scheduler -name '*.py')

dist/.compiled: $(SOURCES) tools/compile.py pyproject.toml $(VENV)/.installed-dev
	@echo "compiling the request path: half a minute"
	@rm -rf dist
	@HATCH_BUILD_HOOKS_ENABLE=true $(BIN)/python -m pip --disable-pip-version-check \
		wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .
	@touch $@

$(COMPILED)/.installed: dist/.compiled tools/compiled
	@sh tools/compiled $(VENV) $(COMPILED) dist/alb-*.whl
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

wheel: dist/.compiled
	@ls dist/*.whl

test-compiled: $(COMPILED)/.installed
	@sh tools/test-compiled $(COMPILED) $(ARGS)

fuzz: setup-dev $(VENV)/.installed-fuzz
	@$(BIN)/python -m tests.fuzz '$(FUZZ)' -max_total_time='$(SECONDS)'

bench: setup-dev $(COMPILED)/.installed $(PEERS)/.installed
	@BENCH_SMOKE='$(BENCH_SMOKE)' ALB_COMPILED_VENV='$(abspath $(COMPILED))' ALB_PEERS='$(abspath $(PEERS))' \
		$(BIN)/python -m bench $(ARGS)

engines: setup-dev $(PEERS)/.installed
	@VENV='$(VENV)' sh tools/engines

lock: setup-dev
	@$(PIP) uv
	@sh tools/lock $(BIN)/uv

test-lowest: setup-dev
	@$(PIP) uv
	@sh tools/test-lowest $(BIN)/uv $(BIN)/python $(ARGS)

clean:
	rm -rf $(VENV) $(COMPILED) $(PEERS) .venv-lowest .mypy_cache .pytest_cache .ruff_cache .hypothesis
	rm -rf .coverage build dist alb.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
