"""Named training recipes: the paper's three stages, stage 0 for our own spatial encoder, and `small` for a CPU."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

DATA_KINDS = ("frames", "hand3d-visual", "hand3d-action", "alignment")


@dataclass
class Augmentation:
    """shift: largest image shift, pixels (intrinsics follow, so the pointmap stays true). brightness, contrast: largest
    relative change. colour: how much colours change, 0 not at all: saturation by up to that share, and each channel's gain
    by a quarter of it (standard deviation of its logarithm), so that a policy does not go by the colour of its table.
    depth_dropout: probability that a view's depth is missing."""

    shift: int = 4
    brightness: float = 0.2
    contrast: float = 0.2
    colour: float = 0.8
    depth_dropout: float = 0.05


@dataclass
class Recipe:
    """How to train. Values the paper does not give are assumed (marked).

    stage: see stages.STAGES. size: model built when no start checkpoint is given.
    data: ``frames`` (FrameStores or LeRobot folders), ``hand3d-visual`` or ``hand3d-action`` (JSONL), ``alignment`` (JSONL of
    `vipa dataset align`).
    steps: 0 = ``epochs`` passes over the data.
    batch: samples a step over all devices. micro_batch: samples a device at a time (0: all; assumed).
    lr, weight_decay, warmup (share of the steps), then a cosine to ``final_lr`` of lr (assumed 0).
    clip: gradient norm (assumed). ema: decay of the averaged weights, 0 off (assumed).
    precision: ``fp32``, ``bf16`` or ``auto`` (bf16 on a GPU or a CPU with bfloat16 units; assumed).
    train_fusion: stage 3 trains the fusion layer too.
    cache_features: run a frozen vision encoder once over the data (``frames``); images are then not augmented (assumed).
    cache_condition: h_cond of each frame is computed so many times before the training, once plain and otherwise augmented; for stage
    ``head``, where nothing before the action head trains.
    checkpointing: compute activations again in the backward pass instead of keeping them. shard: weights, gradients and moments in
    shards over the devices (FSDP). lora: rank of low-rank adapters that train in the language model's place, 0 none (needs peft).
    optimizer: ``adamw``, or ``adamw8bit`` with moments of 8 bits (needs bitsandbytes). compiled: run the step through torch.compile. on_device: hold all
    samples in the device's memory and augment them there.
    corrections: how many times as often frames are drawn in which an arm, near its target, is told to move aside, to turn or
    to move its hand (``frames``).
    balanced: frames of a rare sub-task are drawn more often, so that all sub-tasks of all tasks are drawn about equally often (``frames``).
    interventions: how many times as often frames are drawn in which somebody who took over drove. drivers: whose frames are drawn:
    ``all``, ``person`` (who took over) or ``commander``; those of a pause never are (``frames``).
    turns: questions of the same pictures in a sample, drawn anew each time. told: instructions that the action queries follow in the same
    pictures: the record's own and others, so that an answer which does not hang on the words is wrong (``alignment``).
    None of these is the paper's.
    augmentation: None is none. held_out: share of the episodes kept for validation (assumed).
    """

    name: str
    stage: str
    data: str
    size: str = "full"
    steps: int = 0
    epochs: float = 1.0
    batch: int = 32
    micro_batch: int = 0
    lr: float = 1e-5
    weight_decay: float = 0.01
    warmup: float = 0.03
    final_lr: float = 0.0
    clip: float = 1.0
    ema: float = 0.0
    precision: str = "auto"
    train_fusion: bool = False
    cache_features: bool = False
    cache_condition: int = 0
    checkpointing: bool = False
    shard: bool = False
    lora: int = 0
    optimizer: str = "adamw"
    compiled: bool = False
    on_device: bool = False
    corrections: int = 1
    balanced: bool = False
    interventions: int = 1
    drivers: str = "all"
    turns: int = 4
    told: int = 4
    augmentation: Augmentation | None = None
    held_out: float = 0.05
    log_every: int = 50
    save_every: int = 1000
    seed: int = 0

    def changed(self, **changes) -> Recipe:
        """A copy with fields replaced; unknown names raise ValueError with the allowed ones."""
        allowed = [f.name for f in dataclasses.fields(self)]
        unknown = sorted(set(changes) - set(allowed))
        if unknown:
            raise ValueError(f"Unknown recipe key(s) {unknown}. Allowed: {allowed}")
        return dataclasses.replace(self, **changes)


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("stage0", "0", "frames", size="s", steps=20_000, batch=32, lr=3e-4, weight_decay=0.05, ema=0.999),
        Recipe("stage1", "1", "hand3d-visual", epochs=1, batch=32, lr=1e-5, weight_decay=0.01, warmup=0.03),
        Recipe("stage2", "2", "hand3d-action", epochs=1, batch=32, lr=1e-5, weight_decay=0.01, warmup=0.03),
        Recipe("stage3", "3", "frames", steps=30_000, batch=128, lr=5e-5, weight_decay=1e-5, warmup=0.05),
        Recipe(
            "align1",
            "1-small",
            "alignment",
            size="xs",
            steps=3000,
            batch=64,
            lr=1e-3,
            final_lr=0.02,
            ema=0.99,
            held_out=0.02,
            turns=2,
            augmentation=Augmentation(colour=0.4, depth_dropout=0.02),
        ),
        Recipe(
            "align2",
            "2-small",
            "alignment",
            size="xs",
            steps=1000,
            batch=64,
            lr=5e-4,
            final_lr=0.02,
            ema=0.99,
            held_out=0.02,
            augmentation=Augmentation(colour=0.4, depth_dropout=0.02),
        ),
        Recipe(
            "head",
            "head",
            "frames",
            size="xs",
            steps=4000,
            batch=128,
            lr=1e-3,
            weight_decay=0.01,
            warmup=0.03,
            final_lr=0.02,
            ema=0.99,
            cache_condition=6,
            augmentation=Augmentation(),
        ),
        Recipe(
            "small",
            "scratch",
            "frames",
            size="xs",
            steps=20_000,
            batch=64,
            lr=1e-3,
            weight_decay=0.01,
            warmup=0.03,
            final_lr=0.02,
            ema=0.999,
            augmentation=Augmentation(),
        ),
    )
}


def named_recipe(name: str) -> Recipe:
    """The recipe called ``name``. Raises ValueError listing the names."""
    if name not in RECIPES:
        raise ValueError(f"recipe is {name!r}; allowed: {', '.join(RECIPES)}")
    return RECIPES[name]
