"""A checkpoint's model card, written from what its own files say; nothing is claimed that they do not hold."""

from __future__ import annotations

import json
import math
from pathlib import Path

from safetensors import safe_open

from vipa_model.checksums import digest
from vipa_model.configuration_vipa import VipaConfig
from vipa_model.network.weights import weight_files
from vipa_model.processing.processing_vipa import VipaProcessor

_PARTS = (
    "model.vision",
    "model.projector",
    "model.spatial",
    "model.fusion",
    "model.language",
    "model.output",
    "model.grounding",
    "model.answers",
    "model.look",
    "head",
)
_SPATIAL = {
    "none": "none: the InternVL baseline without a 3-D encoder",
    "pointmap": "points lifted from measured depth into the base frame",
    "colour": "an ablation of equal capacity that sees colours and no depth",
    "recurrent": "recurrent, of CUT3R's shape, written anew",
    "cut3r": "CUT3R, not part of this checkpoint (CC BY-NC-SA 4.0, non-commercial)",
}


def model_card(folder: str | Path) -> str:
    """The card of checkpoint ``folder`` as Markdown with the hub's header. Raises FileNotFoundError or ValueError for a folder that is
    no checkpoint."""
    folder = Path(folder)
    config, processor = VipaConfig.from_pretrained(folder), VipaProcessor.from_pretrained(folder)
    header = {
        "license": "cc-by-nc-sa-4.0" if config.spatial.kind == "cut3r" else "apache-2.0",
        "library_name": "transformers",
        "pipeline_tag": "robotics",
        "tags": ["robotics", "vision-language-action", "vipa-vla"],
    }
    lines = ["---", *(f"{k}: {json.dumps(v)}" for k, v in header.items()), "---", "", f"# {folder.resolve().name}", ""]
    lines += [
        "VIPA-VLA ([arXiv 2512.13080](https://arxiv.org/abs/2512.13080)), in VIPA's own implementation: views and an instruction in,"
    ]
    lines += [
        "chunks of tool poses out, a question's answer, or a wrist motion.",
        "",
        "## What it is",
        "",
        "| | |",
        "|---|---|",
    ]
    lines += [f"| {name} | {value} |" for name, value in _facts(config, processor)]
    lines += ["", "## Parameters", "", "| part | parameters |", "|---|---|"]
    lines += [f"| {part} | {count:,} |" for part, count in parameters(folder).items()]
    lines += [
        "",
        "## Training",
        "",
        *_training(folder),
        "",
        "## What it rests on and where it ends",
        "",
        *_limits(config, processor),
    ]
    lines += ["", "## Files", "", "| file | SHA-256 |", "|---|---|"]
    files = [p for p in sorted(folder.iterdir()) if p.suffix in (".safetensors", ".onnx", ".json") and p.is_file()]
    lines += [f"| {p.name} | `{digest(p)}` |" for p in files]
    return "\n".join(lines) + "\n"


def parameters(folder: Path) -> dict[str, int]:
    """Part → number of parameters, read from the files' headers alone; empty where a folder has graphs and no tensors."""
    out: dict[str, int] = {}
    try:
        names = weight_files(folder)
    except FileNotFoundError:
        return out
    for name in names:
        with safe_open(folder / name, "pt") as file:
            for key in file.keys():
                part = next((p for p in _PARTS if key.startswith(f"{p}.")), "other")
                out[part] = out.get(part, 0) + math.prod(file.get_slice(key).get_shape())
    return out | {"all": sum(out.values())}


def _facts(config: VipaConfig, processor: VipaProcessor) -> list[tuple[str, str]]:
    groups = ", ".join(f"{g.name} (hand of {g.hand})" for g in config.groups)
    acts = bool((processor.action_statistics.scale != 1).any())
    return [
        ("size", config.size),
        ("views", f"{', '.join(config.cameras)}, {config.vision.image_size} px"),
        ("3-D encoder", _SPATIAL[config.spatial.kind]),
        ("fusion", f"{config.fusion.layers} layer(s) of eq. 9" if config.spatial.kind != "none" else "none"),
        ("motion tokens", f"{config.motion_tokens}" if config.motion_tokens else "none: before stage 2"),
        ("action head", f"{config.head.horizon} steps at {config.rate_hz:g} Hz for {groups}" if acts else "not trained: it answers, and does not act"),
        ("answers", "yes: target and tip read from the action queries, ours and not the paper's" if config.answers else "no"),
        ("look", "yes: the queries look up the image tokens of what they are told about, ours" if config.look else "no"),
        ("keypoint", "yes: taught with the simulator's object poses, ours and not the paper's" if config.grounding else "no"),
    ]  # fmt: skip


def _training(folder: Path) -> list[str]:
    progress, log = folder / "training-state/progress.json", folder / "log.jsonl"
    if not progress.is_file():
        return ["Not said: the folder has no training state."]
    said = json.loads(progress.read_text("utf-8"))
    recipe = said["recipe"]
    how = f"{recipe['batch']} samples, learning rate {recipe['lr']:g}, weight decay {recipe['weight_decay']:g}, seed {recipe['seed']}"
    lines = [f"Recipe `{recipe['name']}`, stage {recipe['stage']}: {said['step']:,} steps of {how}."]
    rows = [json.loads(line) for line in log.read_text("utf-8").splitlines()] if log.is_file() else []
    held = [r for r in rows if any(k.startswith("val_") for k in r)]
    if held:
        lines += ["", f"On held-out samples, after {held[-1]['step']:,} steps:", "", "| measure | value |", "|---|---|"]
        lines += [f"| {k.removeprefix('val_')} | {v:.4g} |" for k, v in held[-1].items() if k.startswith("val_")]
    return lines


def _limits(config: VipaConfig, processor: VipaProcessor) -> list[str]:
    lines = ["- Losses on held-out samples say little of success on a robot: evaluate it (`vipa evaluate`)."]
    if config.grounding:
        lines.append("- With `keypoint` the policy rests on that head, not on fusion and alignment (docs/model.md).")
    if config.uses_depth:
        lines.append(
            "- It needs aligned depth, intrinsics and extrinsics of its cameras; without, a view counts as missing depth."
        )
    crops = {k: (v.left, v.top, v.right, v.bottom) for k, v in processor.crops.items()}
    if crops:
        lines.append(f"- It sees only a part of each camera's picture (left, top, right, bottom): {crops}.")
    return lines + ["- The arm is held by the motion node's limits whatever it answers (docs/safety.md)."]
