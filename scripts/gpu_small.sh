#!/usr/bin/env bash
# The small model's training at a GPU's speed: samples in its memory, a compiled step, bfloat16; for the alignment ablation.
#
#   scripts/gpu_small.sh OUT DATA     DATA: train/ and held/ of vipa dataset align, demos/ of vipa demos (alignment_ablation.sh makes them)
#
# For each spatial encoder: align1, align2, then demonstrations from there and from nothing. What comes back of each: config.json,
# processor_config.json, model.safetensors, log.jsonl. STEPS1 (6000), STEPS2 (1500), STEPS3 (20000), SEEDS ("0 1 2"), BATCH (128).
# PYTHON names the interpreter (python3): torch, transformers, accelerate, opencv, tqdm; no ROS. To try it without a GPU: STEPS1=2 …
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

out=${1:?folder for the results} data=${2:?folder of train/, held/ and demos/}
python=${PYTHON:-python3} size=${VIPA_SIZE:-xs}
export PYTHONPATH=$PWD/src PYTHONUNBUFFERED=1
mkdir -p "$out"
fast=(--set on_device=true --set compiled="${COMPILED:-true}" --set precision="${PRECISION:-bf16}" --set save_every=1000000 --set batch="${BATCH:-128}")
same=(--model target=false --model subtasks=0 --model "spatial.centre=[0.5,0,0.2]" --model spatial.scale=0.5)
train() { # ARGUMENTS… --out FOLDER
  "$python" -m vipa_model.cli train "${fast[@]}" --quiet "$@"
  rm -rf "${@: -1}/training-state"
}

for spatial in pointmap colour; do
  train "$data"/train/{visual,action}.jsonl --recipe align1 --size "$size" --steps "${STEPS1:-6000}" --ablate spatial=$spatial --out "$out/align1-$spatial"
  train "$data"/train/{visual,action}.jsonl --recipe align2 --steps "${STEPS2:-1500}" --start "$out/align1-$spatial" --out "$out/align2-$spatial"
done
for seed in ${SEEDS:-0 1 2}; do
  for spatial in pointmap colour; do
    for start in aligned new; do
      from=(--size "$size" "${same[@]}" --ablate spatial=$spatial)
      [ $start = new ] || from=(--start "$out/align2-$spatial")
      train "$data/demos" --recipe small --steps "${STEPS3:-20000}" --set seed="$seed" --set lr=0.0006 "${from[@]}" --out "$out/$spatial-$start-$seed"
    done
  done
done
grep -h samples_per_s "$out"/*/log.jsonl | tail -n 5
