# make demo | test | lint | coverage | test-train | setup | train-env | lock
.PHONY: demo test lint coverage test-train setup train-env lock

demo: setup
	.venv/bin/vipa episode --task put_three_obj --policy expert --seed 1

test: setup
	.venv/bin/python -m pytest

lint: setup
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy

# The tests of `make test` once more, with the share of lines that they run; nodes in processes of their own count, too.
coverage: setup
	.venv/bin/python -m pytest --cov --cov-report=term:skip-covered

# Tests that need torch; everything else runs without it.
test-train: train-env
	OMP_NUM_THREADS=1 .venv/bin/python -m pytest -m 'train and not gpu'

setup:
	@scripts/setup.sh

train-env:
	@scripts/setup.sh --train

# Renews the lock files from requirements*.in: only when a dependency is to change.
lock:
	scripts/lock.sh
