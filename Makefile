# Two commands for everyone: `make demo` and `make test`. Both set themselves up on a machine
# that has nothing but Python 3.11+ and pip.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin

.PHONY: demo test check lint format models ablations clean

demo: .venv/installed
	$(BIN)/spectrum demo

test: check

# All that can be said of the source: its form, its types, its import arrows, and the tests, which
# check the shapes in annotations as they run. A process for each core, so each has one thread.
check: lint
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses auto --dist loadscope

# The part that needs no run.
lint: .venv/developed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/developed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Some systems ship Python without ensurepip; virtualenv, from pip, carries its own.
.venv/bin/python:
	$(PYTHON) -m venv .venv || { rm -rf .venv; $(PYTHON) -m pip install --target .venv-bootstrap virtualenv && PYTHONPATH=.venv-bootstrap $(PYTHON) -m virtualenv .venv && rm -rf .venv-bootstrap; }

.venv/installed: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

.venv/developed: .venv/installed
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv .venv-bootstrap build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

# Trains the embedded models anew from the photographs of ../shared; about an hour on two cores that
# do nothing else, 3 h 12 min beside other jobs.
# What a stage made is kept in .training, and a run that was killed goes on from there.
# The allocator keeps its memory, which makes training three times as fast; no hub is asked.
TRAINING := MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=30000000000 MALLOC_TOP_PAD_=268435456 \
	HF_HUB_OFFLINE=1 $(BIN)/python -m spectrum.training
FROM := --shared ../shared --work .training

models: .venv/developed
	$(TRAINING).embedded $(FROM)
	$(TRAINING).caption_words --shared ../shared
	$(TRAINING).expected_match --shared ../shared
	$(TRAINING).caption_training $(FROM)
	$(TRAINING).embedded_stack $(FROM)
	$(BIN)/python -m benchmarks.refinement.budgets $(FROM)
	$(TRAINING).card $(FROM)

# The student with one thing left out at a time; the card tells what it found.
ablations: .venv/developed
	$(TRAINING).ablations $(FROM)
	$(TRAINING).card $(FROM)
