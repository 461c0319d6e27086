"""The log of a training: JSONL, TensorBoard, a progress bar."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path

from torch import Tensor


class TrainingLog:
    """``out/log.jsonl``, TensorBoard events in ``out/tensorboard`` when that is installed, and a progress bar; on the main process only."""

    def __init__(self, out: Path, main: bool, total: int, start: int, quiet: bool) -> None:
        self.main, self.sums, self.count, self.samples, self.since = main, {}, 0, 0, time.monotonic()
        if not main:
            return
        from tqdm import tqdm

        self.file = (out / "log.jsonl").open("a", encoding="utf-8")
        self.bar = tqdm(total=total, initial=start, unit="step", disable=quiet)
        try:
            from torch.utils.tensorboard import SummaryWriter

            self.board = SummaryWriter(str(out / "tensorboard"))
        except ImportError:
            self.board = None

    def step(self, batch: int, losses: dict[str, Tensor], norm: Tensor | float, lr: float) -> None:
        for key, value in (losses | {"grad_norm": norm}).items():
            self.sums[key] = self.sums.get(key, 0) + value
        self.count, self.samples, self.lr = self.count + 1, self.samples + batch, lr
        if self.main:
            self.bar.update()

    def write(self, step: int) -> None:
        now = time.monotonic()
        row = {k: float(v) / self.count for k, v in self.sums.items()}
        row |= {"lr": self.lr, "samples_per_s": self.samples / max(now - self.since, 1e-9)}
        if not math.isfinite(row["loss"]):
            raise FloatingPointError(
                f"loss is {row['loss']} near step {step}; allowed: finite. Lower the learning rate or check the data"
            )
        self.sums, self.count, self.samples, self.since = {}, 0, 0, now
        self._emit(step, row)
        if self.main:
            self.bar.set_postfix({"loss": f"{row['loss']:.4f}", "samples/s": f"{row['samples_per_s']:.0f}"})

    def validation(self, step: int, measures: dict[str, float]) -> None:
        self._emit(step, {f"val_{k}": v for k, v in measures.items()})
        self.since = time.monotonic()

    def _emit(self, step: int, row: dict[str, float]) -> None:
        if not self.main:
            return
        self.file.write(json.dumps({"step": step} | row) + "\n")
        self.file.flush()
        if self.board is not None:
            for key, value in row.items():
                self.board.add_scalar(key, value, step)

    def close(self) -> None:
        if self.main:
            self.bar.close()
            self.file.close()
            if self.board is not None:
                self.board.close()
