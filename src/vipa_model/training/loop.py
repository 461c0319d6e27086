"""The training loop: one loop for every stage. Exactly resumable: batch and noise of step n depend on the seed and n
alone.
"""

from __future__ import annotations

import math
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
from vipa_model.training.allocator import keep_freed_memory
from vipa_model.training.checkpointing import StateWriter, load_state
from vipa_model.training.log import TrainingLog
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

    Writes what ``TrainingLog`` does, ``out/training-state`` and, at each save and at the end, the policy checkpoint (config, processor,
    weights: averaged ones when ``ema``). ``stop_after``: leave after that many steps of this call, as a kill would, but saved.
    Returns the last validation's measures.
    """
    run = _Training(recipe, model, processor, source, Path(out))
    return run.play(stop_after, quiet)


class _Training:
    """One training on this process: the model made ready, the state to resume from, one step, one save."""

    def __init__(
        self, recipe: Recipe, model: VipaForActionPrediction, processor: VipaProcessor, source: Source, out: Path
    ):
        out.mkdir(parents=True, exist_ok=True)
        self.recipe, self.model, self.processor, self.source, self.out = recipe, model, processor, source, out
        self.accelerator = Accelerator(
            mixed_precision="bf16" if use_bf16(recipe.precision) else "no",
            cpu=not torch.cuda.is_available(),
            # of a recurrent encoder that trains, the state of the last view reaches no loss
            kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters="model.spatial" in model.new_parts)],
        )
        device, self.rank = self.accelerator.device, self.accelerator.process_index
        if device.type == "cpu":
            keep_freed_memory()
        self.shards = self.accelerator.num_processes if recipe.shard else 1
        self.trained = self._made_trainable()
        self.optimizer = make_optimizer(self.trained, recipe)
        trains = {k: p for k, p in model.named_parameters() if p.requires_grad}
        self.ema = {k: p.detach().clone() for k, p in trains.items()} if recipe.ema else {}
        self.progress = load_state(out, model, self.optimizer, self.ema, self.rank, self.shards) or {"step": 0}
        self.wrapped: nn.Module = model
        if not recipe.shard:
            model.to(device)
            self.wrapped, self.optimizer = self.accelerator.prepare(model, self.optimizer)
            self.ema = {k: v.to(device) for k, v in self.ema.items()}
        self.forward = torch.compile(self.wrapped) if recipe.compiled else self.wrapped
        if recipe.on_device:
            self.source = OnDevice(source, device, processor.tokenizer.pad, model.config.spatial.stride)
        self.total = recipe.steps or max(1, math.ceil(recipe.epochs * len(self.source.train) / recipe.batch))

    def _made_trainable(self) -> list[nn.Parameter]:
        """Make the model what the recipe trains: stage, LoRA, recomputation, shards. The parameters that train."""
        model, recipe = self.model, self.recipe
        trained = set_stage(model, recipe.stage, recipe.train_fusion)
        if recipe.lora:
            trained = add_lora(model, recipe.lora, recipe.seed)
        set_recompute(model, recipe.checkpointing)
        if recipe.shard:
            model.to(self.accelerator.device)
            shard(model, self.accelerator.device)
            trained = [p for p in model.parameters() if p.requires_grad]
        return trained

    def play(self, stop_after: int | None, quiet: bool) -> dict[str, float]:
        """All steps that are left, or ``stop_after`` of them; the last validation's measures."""
        recipe, step, measures = self.recipe, self.progress["step"], {}
        log = TrainingLog(self.out, self.accelerator.is_main_process, self.total, step, quiet)
        last = min(self.total, step + stop_after if stop_after else self.total)
        self.wrapped.train()
        with ThreadPoolExecutor(1) as pool:
            ahead = pool.submit(self._fetch, step)
            while step < last:
                batches, ahead = ahead.result(), pool.submit(self._fetch, step + 1)
                losses, norm = self._step(step, batches)
                step += 1
                log.step(recipe.batch, losses, norm, self.optimizer.param_groups[0]["lr"])
                if step % recipe.log_every == 0 or step == self.total:
                    log.write(step)
                if step % recipe.save_every == 0 or step == last:
                    measures = self._save(step)
                    log.validation(step, measures)
        log.close()
        return measures

    def _fetch(self, step: int) -> list[dict[str, Tensor]]:
        """This device's micro-batches of a step."""
        world = self.accelerator.num_processes
        indices = _indices(self.source.train, step, self.recipe)[self.rank :: world]
        size = self.recipe.micro_batch or len(indices)
        rng = np.random.default_rng((self.recipe.seed, step, self.rank))
        return [self.source.batch(indices[i : i + size], rng) for i in range(0, len(indices), size)]

    def _step(self, step: int, batches: list[dict[str, Tensor]]) -> tuple[dict[str, Tensor], Tensor]:
        """Train on the micro-batches of a step; their mean losses, and the norm of the gradients before it was clipped."""
        recipe, accelerator = self.recipe, self.accelerator
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(recipe, step, self.total)
        # dropout draws from torch's own generators: they, too, depend on seed and step alone
        torch.manual_seed(_seed(recipe.seed, step, self.rank, 1))
        generator = torch.Generator(accelerator.device).manual_seed(_seed(recipe.seed, step, self.rank))
        sums: dict[str, Tensor] = {}
        for i, batch in enumerate(batches):
            with _gathering(accelerator, self.wrapped, recipe.shard, last=i == len(batches) - 1):
                with accelerator.autocast():
                    losses = self.forward(send_to_device(batch, accelerator.device), generator)
                accelerator.backward(losses["loss"] / len(batches))
            for key, value in losses.items():
                sums[key] = sums.get(key, 0) + value.detach() / len(batches)
        norm = _clipped(accelerator, self.trained, recipe)
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self.ema:
            blend = 1 - min(recipe.ema, (2 + step) / (11 + step))
            current = [p for p in self.model.parameters() if p.requires_grad]
            torch._foreach_lerp_([local(v) for v in self.ema.values()], [local(p.detach()) for p in current], blend)
        return sums, norm

    def _save(self, step: int) -> dict[str, float]:
        """Validate, and write the checkpoint and the training state after ``step`` steps. All processes call it; the measures."""
        main, recipe, device = self.accelerator.is_main_process, self.recipe, self.accelerator.device
        writer, measures = StateWriter(self.out, self.rank, self.shards), {}
        self.accelerator.wait_for_everyone()
        if main:
            writer.begin()
        self.accelerator.wait_for_everyone()
        if main or recipe.shard:  # a sharded model takes all processes to run
            self.model.eval()
            with averaged(self.model, self.ema), self.accelerator.autocast():
                measures = self.source.validate(self.model, lambda batch: send_to_device(batch, device))
                tensors = whole_state(self.model) if recipe.shard else merged(self.model) if recipe.lora else None
                if main:
                    self.model.save_pretrained(self.out, tensors)
                    self.processor.save_pretrained(self.out)
                    checksums.write(self.out, graphs=False)
            self.model.train()
            writer.part(self.model, getattr(self.optimizer, "optimizer", self.optimizer), self.ema)
        self.accelerator.wait_for_everyone()
        if main:
            writer.finish({"step": step, "recipe": asdict(recipe)})
        self.accelerator.wait_for_everyone()
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
