#!/usr/bin/env bash
# Sets up LIBERO and LIBERO-PRO in .vipa/libero, which `vipa evaluate --benchmark` uses: some 1.5 GB, of which 340 MB are assets. Their
# MuJoCo and NumPy are not ours, so they get an environment of their own. VIPA_PYTHON names the interpreter (3.11 to 3.13).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

venv=.vipa/libero
stamp=$venv/.from
want=$(sha256sum requirements-libero.lock | cut -c-64)
[ "$(cat "$stamp" 2> /dev/null)" = "$want" ] && exit 0
rm -f "$stamp"
[ -x "$venv/bin/python" ] || "${VIPA_PYTHON:-.venv/bin/python}" -m venv "$venv"
echo "libero-env: installing into $venv"
"$venv/bin/python" -m pip install --quiet --require-hashes --no-deps -r requirements-libero.lock
printf '%s' "$want" > "$stamp"
