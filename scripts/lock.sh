#!/usr/bin/env bash
# Renews requirements*.lock from requirements*.in with uv: one file for Python 3.11 to 3.13 a world.
# A pin that is in a lock file already stays unless its .in file forbids it; `scripts/lock.sh --upgrade` renews all.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

uv=.venv/bin/uv
[ -x "$uv" ] || scripts/setup.sh
compile() { "$uv" pip compile --quiet --custom-compile-command "make lock" --no-emit-index-url "$@"; }

compile "$@" --universal --python-version 3.11 --generate-hashes requirements.in -o requirements.lock
compile "$@" --python-version 3.12 --python-platform linux --generate-hashes requirements-jazzy.in -o requirements-jazzy.lock

compile "$@" --universal --python-version 3.11 --generate-hashes requirements-libero.in -o requirements-libero.lock
# What these two want is in requirements.lock.
compile "$@" --universal --python-version 3.11 --no-deps --generate-hashes requirements-franky.in -o requirements-franky.lock

# No hashes and none of CUDA's packages: torch is either its CPU or its CUDA build, and brings what the latter needs.
compile "$@" --universal --python-version 3.11 --no-annotate -c requirements.lock requirements-train.in -o requirements-train.lock
sed -i -E '/^(nvidia-|cuda-|triton==)/d' requirements-train.lock
