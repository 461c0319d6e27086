#!/usr/bin/env bash
# Spatial encoder x alignment, 2 x 2, on Water-Plant without keypoint: data, stages 1 and 2, demonstrations, stage 3, scores, comparison.
#
#   scripts/alignment_ablation.sh OUT     every step goes on where an interrupted call stopped; run by hand, it takes hours
#
# SCENES (9000), DEMOS (400), STEPS1 (6000), STEPS2 (1500), STEPS3 (20000), EPISODES (30), SEEDS ("0 1 2") change its size,
# JOBS (2) its processes, VIPA the command. The four arms have the same data, steps, batch and rate, and as many parameters.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

out=${1:?folder for data, checkpoints and scores}
vipa=${VIPA:-.venv/bin/vipa} jobs=${JOBS:-2}
crop=(--crop scene 0.10 0 0.85 1)
same=(--model answers=true --model subtasks=0 --model spatial.centre=[0.5,0,0.2] --model spatial.scale=0.5)
mkdir -p "$out"

"$vipa" dataset align water_plant --count "${SCENES:-9000}" --jobs "$jobs" "${crop[@]}" --out "$out/train"
"$vipa" dataset align water_plant --count 400 --seed 9000000 --jobs "$jobs" "${crop[@]}" --out "$out/held"
"$vipa" demos --task water_plant --count "${DEMOS:-400}" --noise 0.05 --jobs "$jobs" "${crop[@]}" --out "$out/demos"

aligned=()
for spatial in pointmap colour; do
  "$vipa" train "$out"/train/{visual,action}.jsonl --recipe align1 --steps "${STEPS1:-6000}" --ablate spatial=$spatial \
    --threads 1 --quiet --out "$out/align1-$spatial"
  "$vipa" train "$out"/train/{visual,action}.jsonl --recipe align2 --steps "${STEPS2:-1500}" --start "$out/align1-$spatial" \
    --threads 1 --quiet --out "$out/align2-$spatial"
  aligned+=("$out/align1-$spatial" "$out/align2-$spatial")
done
"$vipa" bench alignment "$out/held/visual.jsonl" "${aligned[@]}" --out "$out/alignment.json"

for seed in ${SEEDS:-0 1 2}; do
  for spatial in pointmap colour; do
    for start in aligned new; do
      arm=$out/$spatial-$start-$seed
      from=("${same[@]}" --ablate spatial=$spatial)
      [ $start = new ] || from=(--start "$out/align2-$spatial")
      "$vipa" train "$out/demos" --recipe small --steps "${STEPS3:-20000}" --set seed="$seed" --set lr=0.0006 "${from[@]}" \
        --threads 1 --quiet --out "$arm"
      "$vipa" export "$arm" --precision fp32
      "$vipa" evaluate --task water_plant --policy "$arm" --seeds "0:${EPISODES:-30}" --jobs "$jobs" --no-pictures \
        --out "$arm/trials"
    done
  done
done
