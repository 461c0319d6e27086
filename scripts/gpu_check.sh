#!/usr/bin/env bash
# What only a GPU can show, in one command that fits ten minutes: tests marked `gpu`, then `vipa bench device` at full size.
#
#   scripts/gpu_check.sh OUT [SECONDS]     leaves OUT/gpu.log, OUT/tests.log, OUT/device.json; SECONDS (540) bounds the whole
#
# PYTHON names the interpreter (python3): torch with CUDA, transformers, opencv, pytest; no ROS and none of the rest.
# With VIPA_DATA, a folder of scripts/gpu_small.sh, the small model is trained there in what time is left (OUT/small).
# To try it without a GPU: VIPA_DEVICE=cpu VIPA_SIZE=xs scripts/gpu_check.sh /tmp/out
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

out=${1:?folder for the results}
limit=${2:-540}
python=${PYTHON:-python3}
device=${VIPA_DEVICE:-cuda} size=${VIPA_SIZE:-full}
mkdir -p "$out"
export PYTHONPATH=$PWD/src PYTHONUNBUFFERED=1 OMP_NUM_THREADS=${OMP_NUM_THREADS:-8}
exec > >(tee "$out/gpu.log") 2>&1

command -v nvidia-smi > /dev/null && nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader
"$python" -c 'import torch, transformers; print("torch", torch.__version__, "transformers", transformers.__version__)'

status=0
if [ "$device" = cuda ]; then
  timeout 180 "$python" -m pytest -n 0 -q -m gpu -p no:cacheprovider test/vipa_model/test_gpu.py > "$out/tests.log" 2>&1 || status=$?
  tail -n 25 "$out/tests.log"
fi
# not by the `vipa` command: its verbs want packages that this needs none of
"$python" - "$size" "$device" "${VIPA_COUNT:-50}" $((limit - SECONDS)) "$out/device.json" << 'PY' || status=$?
import sys
from pathlib import Path

from vipa_cli.bench import device

size, where, count, budget, path = sys.argv[1:]
device.run(size, where, "2,1,3", int(count), float(budget), Path(path))
PY
if [ -n "${VIPA_DATA:-}" ] && [ $((limit - SECONDS)) -gt 30 ]; then
  timeout $((limit - SECONDS)) scripts/gpu_small.sh "$out/small" "$VIPA_DATA" || status=$?
fi
echo "gpu check: exit $status after $SECONDS s"
exit $status
