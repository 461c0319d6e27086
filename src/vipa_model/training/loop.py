"""The training loop: one loop for every stage. Exactly resumable: batch and noise of step n depend on the seed and n
alone.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, send_to_device
from torch import Tensor, nn

from vipa_model import checksums
from vipa_model.data.on_device import OnDevice
from vipa_model.network.modeling_vipa import VipaForActionPrediction
from vipa_model.network.recompute import set_recompute
from vipa_model.processing.processing_vipa import VipaProcessor
from vipa_model.recipes import Recipe
from vipa_model.training.adapters import add_lora, merged
from vipa_model.training.checkpointing import StateWriter, load_state
from vipa_model.training.optimizer import make_optimizer
from vipa_model.training.sharding import clip, local, shard, share_numbers, whole_state
from vipa_model.training.stages import set_stage


class Source(Protocol):
    """Where batches come from. ``train`` and ``held_out`` are sample indices."""

    train: np.ndarray
    held_out: np.ndarray

    def batch(self, indices: np.ndarray, rng: np.random.Generator | None) -> dict[str, Tensor]:
        """The batch of ``indices``; augmented with ``rng``, or plain when it is None."""

    def validate(self, model: VipaForActionPrediction, move: Callable[[dict], dict]) -> dict[str, float]:
        """Measures on the held-out samples."""


def train(
    recipe: Recipe,
    model: VipaForActionPrediction,
    processor: VipaProcessor,
    source: Source,
    out: str | Path,
    stop_after: int | None = None,
    quiet: bool = False,
) -> dict[str, float]:
    """Train ``model`` on ``source``; resume when ``out`` holds a training state.

    Writes ``out/log.jsonl`` (one line a log or validation), TensorBoard events in ``out/tensorboard`` when that
    package is installed, ``out/training-state`` and, at each save and at the end, the policy checkpoint (config,
    processor, weights:
    averaged ones when ``ema``). ``stop_after``: leave after that many steps of this call, as a kill would, but saved.
    Returns the last validation's measures.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    accelerator = Accelerator(
        mixed_precision="bf16" if use_bf16(recipe.precision) else "no",
        cpu=not torch.cuda.is_available(),
        # of a recurrent encoder that trains, the state of the last view reaches no loss
        kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters="model.spatial" in model.new_parts)],
    )
    rank, world = accelerator.process_index, accelerator.num_processes
    trained = set_stage(model, recipe.stage, recipe.train_fusion)
    if recipe.lora:
        trained = add_lora(model, recipe.lora, recipe.seed)
    set_recompute(model, recipe.checkpointing)
    if recipe.shard:
        model.to(accelerator.device)
        shard(model, accelerator.device)
        trained = [p for p in model.parameters() if p.requires_grad]
    shards = world if recipe.shard else 1
    optimizer = make_optimizer(trained, recipe)
    ema = {k: p.detach().clone() for k, p in model.named_parameters() if p.requires_grad} if recipe.ema else {}
    progress = load_state(out, model, optimizer, ema, rank, shards) or {"step": 0}
    wrapped: nn.Module = model
    if not recipe.shard:
        model.to(accelerator.device)
        wrapped, optimizer = accelerator.prepare(model, optimizer)
        ema = {k: v.to(accelerator.device) for k, v in ema.items()}
    step_of = torch.compile(wrapped) if recipe.compiled else wrapped
    if recipe.on_device:
        source = OnDevice(source, accelerator.device, processor.tokenizer.pad, model.config.spatial.stride)
    total = recipe.steps or max(1, math.ceil(recipe.epochs * len(source.train) / recipe.batch))
    log = _Log(out, accelerator.is_main_process, total, progress["step"], quiet)
    last = progress["step"] + stop_after if stop_after else total
    measures: dict[str, float] = {}

    def fetch(step: int) -> list[dict[str, Tensor]]:
        """This device's micro-batches of a step."""
        indices = _indices(source.train, step, recipe)[rank::world]
        size = recipe.micro_batch or len(indices)
        rng = np.random.default_rng((recipe.seed, step, rank))
        return [source.batch(indices[i : i + size], rng) for i in range(0, len(indices), size)]

    with ThreadPoolExecutor(1) as pool:
        step, ahead = progress["step"], pool.submit(fetch, progress["step"])
        wrapped.train()
        while step < min(total, last):
            batches, ahead = ahead.result(), pool.submit(fetch, step + 1)
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(recipe, step, total)
            # dropout draws from torch's own generators: they, too, depend on seed and step alone
            torch.manual_seed(_seed(recipe.seed, step, rank, 1))
            generator = torch.Generator(accelerator.device).manual_seed(_seed(recipe.seed, step, rank))
            sums: dict[str, Tensor] = {}
            for i, batch in enumerate(batches):
                with _gathering(accelerator, wrapped, recipe.shard, last=i == len(batches) - 1):
                    with accelerator.autocast():
                        losses = step_of(send_to_device(batch, accelerator.device), generator)
                    accelerator.backward(losses["loss"] / len(batches))
                for key, value in losses.items():
                    sums[key] = sums.get(key, 0) + value.detach() / len(batches)
            norm = _clipped(accelerator, trained, recipe)
            optimizer.step()
            optimizer.zero_grad()
            step += 1
            if ema:
                blend = 1 - min(recipe.ema, (1 + step) / (10 + step))
                current = [p for p in model.parameters() if p.requires_grad]
                torch._foreach_lerp_([local(v) for v in ema.values()], [local(p.detach()) for p in current], blend)
            log.step(step, recipe.batch, sums, norm, optimizer.param_groups[0]["lr"])
            if step % recipe.log_every == 0 or step == total:
                log.write(step)
            if step % recipe.save_every == 0 or step in (total, last):
                accelerator.wait_for_everyone()
                main, writer = accelerator.is_main_process, StateWriter(out, rank, shards)
                if main:
                    writer.begin()
                accelerator.wait_for_everyone()
                if main or recipe.shard:  # a sharded model takes all processes to run
                    model.eval()
                    with averaged(model, ema), accelerator.autocast():
                        measures = source.validate(model, lambda b: send_to_device(b, accelerator.device))
                        tensors = whole_state(model) if recipe.shard else merged(model) if recipe.lora else None
                        if main:
                            model.save_pretrained(out, tensors)
                            processor.save_pretrained(out)
                            checksums.write(out, graphs=False)
                    model.train()
                    writer.part(model, getattr(optimizer, "optimizer", optimizer), ema)
                accelerator.wait_for_everyone()
                if main:
                    writer.finish({"step": step, "recipe": asdict(recipe)})
                    log.validation(step, measures)
                accelerator.wait_for_everyone()
    log.close()
    return measures


@contextmanager
def _gathering(accelerator: Accelerator, model: nn.Module, sharded: bool, last: bool):
    """Gradients of micro-batches are added up on each device, and over the devices at the last one alone."""
    if sharded:
        model.set_requires_gradient_sync(last)
    if sharded or last:
        yield
    else:
        with accelerator.no_sync(model):
            yield


def _clipped(accelerator: Accelerator, trained: list[nn.Parameter], recipe: Recipe) -> Tensor:
    """Clip the gradients; their norm before that."""
    if not recipe.shard:
        return accelerator.clip_grad_norm_(trained, recipe.clip)
    share_numbers(trained)
    return clip(trained, recipe.clip)


def use_bf16(precision: str) -> bool:
    """Whether to train in bfloat16: ``bf16``, or ``auto`` on a device that computes in it."""
    if precision not in ("fp32", "bf16", "auto"):
        raise ValueError(f"precision is {precision!r}; allowed: 'fp32', 'bf16', 'auto'")
    if precision != "auto":
        return precision == "bf16"
    return torch.cuda.is_bf16_supported() if torch.cuda.is_available() else torch.cpu._is_avx512_bf16_supported()


def learning_rate(recipe: Recipe, step: int, total: int) -> float:
    """Linear warm-up over ``warmup`` of the steps, then a cosine to ``final_lr`` of the peak."""
    warm = max(1, round(recipe.warmup * total))
    if step < warm:
        return recipe.lr * (step + 1) / warm
    share = (step - warm) / max(1, total - warm)
    return recipe.lr * (recipe.final_lr + (1 - recipe.final_lr) * 0.5 * (1 + math.cos(math.pi * min(1.0, share))))


@contextmanager
def averaged(model: nn.Module, ema: dict[str, Tensor]):
    """Within the context the model has its averaged weights."""
    parameters = dict(model.named_parameters())
    kept = {k: local(parameters[k].detach()).clone() for k in ema}
    try:
        for name, value in ema.items():
            local(parameters[name].data).copy_(local(value))
        yield model
    finally:
        for name, value in kept.items():
            local(parameters[name].data).copy_(value)


def _indices(train: Sequence[int], step: int, recipe: Recipe) -> np.ndarray:
    """Samples of a step: a new permutation each pass, running on from one pass into the next."""
    places = step * recipe.batch + np.arange(recipe.batch)
    passes, order = places // len(train), np.empty(recipe.batch, np.int64)
    for number in np.unique(passes):
        permutation = np.random.default_rng((recipe.seed, 1, int(number))).permutation(len(train))
        order[passes == number] = permutation[places[passes == number] % len(train)]
    return np.asarray(train)[order]


def _seed(*parts: int) -> int:
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> 1)


class _Log:
    """JSONL, TensorBoard when installed, and a progress bar; only on the main process."""

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

    def step(self, step: int, batch: int, losses: dict[str, Tensor], norm: Tensor | float, lr: float) -> None:
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
