# make demo | test | lint | coverage | coverage-all | audit | test-train | setup | train-env | lock
.PHONY: demo test lint coverage coverage-all audit test-train setup train-env libero-env franky-env lock

demo: setup
	.venv/bin/vipa episode --task put_three_obj --policy expert --seed 1

# ARGS: more arguments of pytest.
test: setup
	.venv/bin/python -m pytest $(ARGS)

lint: setup
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy

# The rooms that decide whether and how an arm moves: their tests, with the share of their lines that these run.
SAFETY = geometry robot motion planning tasks
SAFETY_TESTS = $(addprefix test/vipa/,robot motion planning tasks)
coverage: setup
	.venv/bin/python -m pytest $(SAFETY_TESTS) --ignore=test/vipa/motion/test_properties.py $(SAFETY:%=--cov=vipa.%) \
	  --cov-report=term:skip-covered --cov-fail-under=92

# All tests of `make test` and all packages but vipa_model; nodes in processes of their own count, too. 60 % more CPU.
coverage-all: setup
	.venv/bin/python -m pytest --cov=vipa --cov=vipa_sim --cov=vipa_ros --cov=vipa_cli --cov-report=term:skip-covered

# Known vulnerabilities of what the lock file pins, by pip-audit in an environment of its own: wants PyPI itself, a mirror knows none.
# strict: a package that could not be looked up is a failure.
audit:
	python3 -m venv .audit && .audit/bin/pip install --quiet pip-audit==2.*
	.audit/bin/pip-audit --strict --requirement requirements.lock --require-hashes --disable-pip

# Tests that need torch; everything else runs without it.
test-train: train-env
	OMP_NUM_THREADS=1 .venv/bin/python -m pytest -m 'train and not gpu'

setup:
	@scripts/setup.sh

train-env:
	@scripts/setup.sh --train

# LIBERO in an environment of its own, for vipa evaluate --benchmark.
libero-env: setup
	@scripts/libero_env.sh

# Driver `franky` and the simulated arm to try it with: docs/robots/franky.md.
franky-env: setup
	.venv/bin/python -m pip install --quiet --require-hashes --no-deps -r requirements-franky.lock

# Renews the lock files from requirements*.in: only when a dependency is to change.
lock:
	scripts/lock.sh
