# Each target makes what it needs: a fresh machine needs git, make and python3 >= 3.11.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
# The tests start hundreds of Pythons: what one of them has compiled the others find, whatever the machine is set to.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help setup demo test test-large chaos simulate check format bench bench-jose bench-nodes bench-peers coverage-jose differential fuzz mutants lock screenshots clean

help:  ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 15

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Ostiary needs Python 3.11 or newer; name one with: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "python3 cannot make an environment; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@echo "Installing into $(VENV) (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

setup: $(STAMP)  ## make the environment in .venv

demo: $(STAMP)  ## start the demonstration: auth server, notes API, seeded accounts
	@$(BIN)/ostiary demo

test: $(STAMP)  ## run the tests, those in a browser too
	@sh scripts/ensure-debian-packages
	@sh scripts/ensure-node-packages
	@$(BIN)/python -m pytest -q -n 2 $(TESTS)

test-large: $(STAMP)  ## a download of 1 GB: the memory of the server stays flat
	@DOWNLOAD_TEST_BYTES=1073741824 $(BIN)/python -m pytest -q tests/scenario/test_downloads.py -k flat

PYTHONS ?= python3.12 python3.13
test-pythons:  ## run the unit and HTTP tests under other Pythons (PYTHONS="python3.12 ...")
	@for python in $(PYTHONS); do \
		echo "$$python:"; \
		$(MAKE) --no-print-directory setup PYTHON=$$python VENV=.venv-$$python && \
		.venv-$$python/bin/python -m pytest -q -n 2 tests/unit tests/http || exit 1; \
	done

check: $(STAMP)  ## lint, types, import contracts
	@$(BIN)/ruff format --check --quiet . || { $(BIN)/ruff format --check . ; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@found=$$($(BIN)/lint-imports --no-cache) || { echo "$$found"; exit 1; }; echo "$$found" | tail -2

format: $(STAMP)  ## format and fix what can be fixed
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix --quiet . || true

chaos: $(STAMP)  ## 10,000 revocations over six nodes on a Valkey and a PostgreSQL that are killed, over lines that are cut: two minutes
	@$(BIN)/python -m tests.chaos.nodes $(or $(STORES),valkey postgres) --seed $(or $(SEED),1) --revocations $(or $(COUNT),10000)

simulate: $(STAMP)  ## 10,000 nodes in virtual time, draw docs/guide/scale-*.svg; two to six minutes
	@$(BIN)/python -m benchmarks.simulation

bench-peers: $(STAMP)  ## install what `make bench` compares refreshes with
	@$(BIN)/python -m benchmarks.peers

bench: $(STAMP)  ## measure: ratios against peers in the same run
	@$(BIN)/python -m benchmarks

bench-nodes: $(STAMP)  ## measure what many nodes cost: checks, catching up, memory, chaos, sixteen processes
	@$(BIN)/python -m benchmarks nodes

bench-jose: $(STAMP)  ## measure JOSE against its peers, draw docs/jose-benchmark.svg
	@$(BIN)/python -m benchmarks.jose

differential: $(STAMP)  ## compare JOSE with joserfc, PyJWT and node jose: make differential SEED=0 COUNT=20000
	@sh scripts/ensure-node-packages
	@$(BIN)/python -m tests.interop.differential $(or $(SEED),0) $(or $(COUNT),20000)

coverage-jose: $(STAMP)  ## every line and branch of ostiary.jose is reached by its named unit tests, or this fails
	@$(BIN)/python -m coverage run -m pytest -q -p no:cacheprovider tests/unit/jose --ignore=tests/unit/jose/test_encryption_fuzz.py --ignore=tests/unit/jose/test_nothing_foreign_escapes.py --ignore=tests/unit/jose/test_fuzz_targets.py
	@$(BIN)/python -m coverage report

FUZZ := .venv-fuzz
SECONDS ?= 1800
$(FUZZ)/.ready: fuzz/requirements.txt requirements.lock
	@$(PYTHON) -m venv $(FUZZ)
	@$(FUZZ)/bin/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -r fuzz/requirements.txt cryptography msgspec
	@touch $@

fuzz: $(FUZZ)/.ready  ## feed the parsers, guided by coverage: make fuzz TARGET=tokens|encrypted|keys SECONDS=1800
	@PYTHONPATH=src:. $(FUZZ)/bin/python -m fuzz $(or $(TARGET),tokens) -max_total_time=$(SECONDS)

MUTANTS := .venv-mutants
$(MUTANTS)/.ready: requirements.lock
	@$(PYTHON) -m venv $(MUTANTS)
	@$(MUTANTS)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.lock mutmut==3.8.1
	@$(MUTANTS)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

mutants: $(MUTANTS)/.ready  ## change JOSE in small ways and say which change no test notices, docs/testing.md; ONLY='ostiary.jose.claims.*'
	@rm -rf mutants
	@nice -n 19 $(MUTANTS)/bin/mutmut run $(if $(ONLY),'$(ONLY)')
	@$(MUTANTS)/bin/mutmut results | grep -v ': not checked' || true

lock:  ## pin every dependency anew
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip compile --quiet --universal --no-emit-index-url --no-emit-find-links --no-header --no-annotate --python-version 3.11 --extra all --group dev --output-file requirements.lock pyproject.toml

screenshots: $(STAMP)  ## take the pictures of the pages anew, into docs/pictures
	@sh scripts/ensure-debian-packages
	@$(BIN)/python -m tests.browser.pictures docs/pictures

clean:  ## remove what was made
	rm -rf $(VENV) $(FUZZ) $(MUTANTS) mutants .fuzz .bench .demo .pytest_cache .mypy_cache .ruff_cache
