"""Training state that survives a kill: written beside the old one and renamed into place; safetensors and JSON only."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

STATE_FOLDER = "training-state"


def save_state(
    out: Path, model: nn.Module, optimizer: torch.optim.Optimizer, ema: dict[str, Tensor], progress: dict
) -> None:
    """Write weights, optimiser moments, averaged weights and ``progress`` (JSON) to ``out/training-state``,
    atomically.
    """
    new, final, old = out / f"{STATE_FOLDER}.new", out / STATE_FOLDER, out / f"{STATE_FOLDER}.old"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    _save(dict(model.state_dict()), new / "model.safetensors")
    _save(ema, new / "ema.safetensors")
    moments = {f"{i}.{k}": v for i, s in optimizer.state_dict()["state"].items() for k, v in s.items()}
    _save(moments, new / "optimizer.safetensors")
    (new / "progress.json").write_text(json.dumps(progress), encoding="utf-8")
    shutil.rmtree(old, ignore_errors=True)
    if final.exists():
        final.rename(old)
    new.rename(final)
    shutil.rmtree(old, ignore_errors=True)


def load_state(out: Path, model: nn.Module, optimizer: torch.optim.Optimizer, ema: dict[str, Tensor]) -> dict | None:
    """Restore what ``save_state`` wrote into the arguments; returns its progress, or None when there is nothing to
    resume.
    """
    folder = out / STATE_FOLDER
    if not folder.exists():
        folder = out / f"{STATE_FOLDER}.old"
    if not (folder / "progress.json").exists():
        return None
    model.load_state_dict(load_file(folder / "model.safetensors"))
    averaged = load_file(folder / "ema.safetensors")
    if sorted(averaged) != sorted(ema):
        raise ValueError(
            f"{folder} was trained with other trainable weights; allowed: the same recipe and model, or another --out"
        )
    for name, value in averaged.items():
        ema[name].copy_(value)
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in load_file(folder / "optimizer.safetensors").items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return json.loads((folder / "progress.json").read_text(encoding="utf-8"))


def _save(tensors: dict[str, Tensor], path: Path) -> None:
    save_file({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, path)
