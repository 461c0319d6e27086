"""Training state that survives a kill: written beside the old one and renamed into place; safetensors and JSON only.

What does not train is not in it: the command that resumes makes it again. A sharded run writes a file a process.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from vipa_model.training.sharding import local

STATE_FOLDER = "training-state"


class StateWriter:
    """One save of a training state: every process calls ``part``, then, when all have, the first one ``finish``."""

    def __init__(self, out: Path, rank: int = 0, shards: int = 1) -> None:
        self.out, self.rank, self.shards = out, rank, shards
        self.new = out / f"{STATE_FOLDER}.new"

    def begin(self) -> None:
        """Make room; by the first process, before any ``part``."""
        shutil.rmtree(self.new, ignore_errors=True)
        self.new.mkdir(parents=True)

    def part(self, model: nn.Module, optimizer: torch.optim.Optimizer, ema: dict[str, Tensor]) -> None:
        """Write this process's trained weights, optimiser moments and averaged weights."""
        end = _ending(self.rank, self.shards)
        _save({k: p for k, p in model.named_parameters() if p.requires_grad}, self.new / f"model{end}")
        _save(ema, self.new / f"ema{end}")
        moments = {f"{i}.{k}": v for i, s in optimizer.state_dict()["state"].items() for k, v in s.items()}
        _save(
            {k: v if isinstance(v, Tensor) else torch.tensor(v) for k, v in moments.items()},
            self.new / f"optimizer{end}",
        )

    def finish(self, progress: dict) -> None:
        """Write ``progress`` (JSON) and put the whole into place, atomically."""
        (self.new / "progress.json").write_text(json.dumps(progress | {"shards": self.shards}), encoding="utf-8")
        final, old = self.out / STATE_FOLDER, self.out / f"{STATE_FOLDER}.old"
        shutil.rmtree(old, ignore_errors=True)
        if final.exists():
            final.rename(old)
        self.new.rename(final)
        shutil.rmtree(old, ignore_errors=True)


def load_state(
    out: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    ema: dict[str, Tensor],
    rank: int = 0,
    shards: int = 1,
) -> dict | None:
    """Restore what was written into the arguments; returns its progress, or None when there is nothing to resume. Raises ValueError
    for a state of other trained weights, or of another number of shards."""
    folder = out / STATE_FOLDER
    if not folder.exists():
        folder = out / f"{STATE_FOLDER}.old"
    if not (folder / "progress.json").exists():
        return None
    progress = json.loads((folder / "progress.json").read_text(encoding="utf-8"))
    if progress.get("shards", 1) != shards:
        raise ValueError(
            f"{folder} has {progress.get('shards', 1)} shards; allowed: as many processes, here {shards}, or another --out"
        )
    end = _ending(rank, shards)
    saved, averaged = load_file(folder / f"model{end}"), load_file(folder / f"ema{end}")
    trained = {k: p for k, p in model.named_parameters() if p.requires_grad}
    other = [k for k, p in trained.items() if k not in saved or saved[k].shape != local(p).shape]
    if other or sorted(averaged) != sorted(ema):
        raise ValueError(
            f"{folder} was trained with other trainable weights, as {other[:3]}; allowed: the same recipe and model, or another --out"
        )
    with torch.no_grad():
        for name, parameter in trained.items():
            local(parameter).copy_(saved[name])
        for name, value in averaged.items():
            local(ema[name]).copy_(value)
    _load_moments(optimizer, load_file(folder / f"optimizer{end}"))
    return progress


def _load_moments(optimizer: torch.optim.Optimizer, saved: dict[str, Tensor]) -> None:
    """Moments of a parameter are sharded as it is."""
    from torch.distributed.tensor import DTensor

    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in saved.items():
        index, name = key.split(".", 1)
        of = parameters[int(index)]
        if isinstance(of, DTensor) and value.ndim:
            value = DTensor.from_local(
                value.to(of.device), of.device_mesh, of.placements, shape=of.shape, stride=of.stride()
            )
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _ending(rank: int, shards: int) -> str:
    return ".safetensors" if shards == 1 else f"-{rank + 1:05d}-of-{shards:05d}.safetensors"


def _save(tensors: dict[str, Tensor], path: Path) -> None:
    save_file({k: local(v.detach()).cpu().contiguous() for k, v in tensors.items()}, path)
