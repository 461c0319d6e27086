#!/usr/bin/env bash
# One checkpoint for several tasks: scenes, alignment, demonstrations, stage 3, scores, and the instructions exchanged.
#
#   scripts/several_tasks.sh OUT     every step goes on where an interrupted call stopped; run by hand, it takes hours
#
# TASKS ("examples/tasks/take_plum.yaml examples/tasks/take_banana.yaml wipe_board water_plant") are learnt, SCENES_OF ("put_three_obj
# wipe_board water_plant") are drawn for alignment, two of each seed. SCENES (8000), DEMOS (200), ALIGN (2500), STEPS (3000), EPISODES (30),
# JOBS (2) change its size, VIPA is the command. DAGGER: folders of more demonstrations, of Water-Plant for instance. START: a checkpoint
# to start from; without it a new one, with an image token every 16 pixels: with one every 32, small things were not told apart.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

out=${1:?folder for data, checkpoints and scores}
vipa=${VIPA:-.venv/bin/vipa} jobs=${JOBS:-2}
start=(--model vision.downsample=1.0)
[ -z "${START:-}" ] || start=(--start "$START")
read -ra tasks <<< "${TASKS:-examples/tasks/take_plum.yaml examples/tasks/take_banana.yaml wipe_board water_plant}"
read -ra scenes <<< "${SCENES_OF:-put_three_obj wipe_board water_plant}"
read -ra more <<< "${DAGGER:-}"
crop=(--crop scene 0.10 0 0.85 1)
mkdir -p "$out"
once() { # MARK COMMAND…
  [ -e "$out/.$1" ] || { "${@:2}" && touch "$out/.$1"; }
}

records=()
for scene in "${scenes[@]}"; do
  once "$scene.scenes" "$vipa" dataset align "$scene" --count "${SCENES:-8000}" --per-seed 2 --jobs "$jobs" "${crop[@]}" --out "$out/scenes/$scene"
  once "$scene.held" "$vipa" dataset align "$scene" --count 120 --seed 9000000 --jobs "$jobs" "${crop[@]}" --out "$out/held/$scene"
  records+=("$out/scenes/$scene/visual.jsonl" "$out/scenes/$scene/action.jsonl")
done
once aligned "$vipa" train "${records[@]}" --recipe align1 --steps "${ALIGN:-2500}" "${start[@]}" --set turns=1 --set save_every=100 \
  --set compiled="${COMPILED:-true}" --threads 1 --quiet --out "$out/aligned"
for scene in "${scenes[@]}"; do
  once "$scene.bench" "$vipa" bench alignment "$out/held/$scene/visual.jsonl" "$out/aligned" --count 120 --out "$out/held/$scene.json"
done

folders=()
for task in "${tasks[@]}"; do
  name=$(basename "$task" .yaml)
  once "$name.demos" "$vipa" demos --task "$task" --count "${DEMOS:-200}" --noise 0.05 --jobs "$jobs" "${crop[@]}" --out "$out/demos/$name"
  folders+=("$out/demos/$name")
done
once policy "$vipa" train "${folders[@]}" "${more[@]}" --recipe small --start "$out/aligned" --steps "${STEPS:-3000}" --set balanced=true \
  --set corrections=3 --set lr=0.0006 --set save_every=100 --set compiled="${COMPILED:-true}" --threads 1 --quiet --out "$out/policy"
once export "$vipa" export "$out/policy" --precision fp32

# each task, and its cell with each other instruction: what is scored there is the cell's own task
for task in "${tasks[@]}"; do
  name=$(basename "$task" .yaml) file=$task
  [ -f "$file" ] || file=tasks/$task.yaml
  for told in "${tasks[@]}"; do
    other=$told
    [ -f "$other" ] || other=tasks/$told.yaml
    as=$name.told.$(basename "$told" .yaml)
    sed "s|^instruction: .*|$(grep '^instruction: ' "$other")|" "$file" > "$out/$as.yaml"
    once "$as.trials" "$vipa" evaluate --task "$out/$as.yaml" --policy "$out/policy" --seeds "0:${EPISODES:-30}" --delay 0 --jobs "$jobs" \
      --no-pictures --out "$out/trials/$as"
  done
done
