"""Robot demonstrations as a training source: opening stores, building a fitting model and processor, validation in
metres.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vipa_model.configuration_vipa import VipaConfig
from vipa_model.data.frame_store import COMMANDER, PERSON, FrameStore
from vipa_model.data.frames import FrameDataset, subtask_names
from vipa_model.network.modeling_vipa import VipaForActionPrediction
from vipa_model.network.starting_point import adapted, make_model
from vipa_model.processing.processing_vipa import VipaProcessor
from vipa_model.processing.tokenization_vipa import ByteTokenizer
from vipa_model.recipes import Recipe

MOST_OFTEN = 20  # times that a frame of a rare part of a task is drawn for once of a frequent one
DRIVERS = {"all": (COMMANDER, PERSON), "person": (PERSON,), "commander": (COMMANDER,)}


class FrameSource:
    """FrameStores for the action objective (stages 3 and scratch)."""

    def __init__(self, dataset: FrameDataset, recipe: Recipe, samples: int = 256) -> None:
        self.dataset, self.recipe = dataset, recipe
        self.train, held = dataset.split(recipe.held_out, recipe.seed)
        self.train, held = self._driven(self.train), self._driven(held)
        if recipe.interventions > 1:
            self.train = np.repeat(self.train, np.where(dataset.driver[self.train] == PERSON, recipe.interventions, 1))
        if recipe.corrections < 1:
            raise ValueError(f"corrections is {recipe.corrections}; allowed: 1 (as often as other frames) or more")
        if recipe.corrections > 1:
            self.train = np.repeat(self.train, np.where(dataset.corrections(self.train), recipe.corrections, 1))
        if recipe.balanced:
            self.train = np.repeat(self.train, _often(dataset.parts()[self.train]))
        chosen = np.random.default_rng(0).permutation(len(held))[:samples]
        self.held_out = held[np.sort(chosen)]

    def _driven(self, frames: np.ndarray) -> np.ndarray:
        """Those of `frames` that the recipe wants by who drove; of a pause nothing is learnt. Raises ValueError where it asks for what
        is not there."""
        recipe, driver = self.recipe, self.dataset.driver
        if recipe.drivers not in DRIVERS:
            raise ValueError(f"drivers is {recipe.drivers!r}; allowed: {', '.join(DRIVERS)}")
        if recipe.interventions < 1:
            raise ValueError(f"interventions is {recipe.interventions}; allowed: 1 (as often as other frames) or more")
        if (recipe.drivers == "person" or recipe.interventions > 1) and not (driver == PERSON).any():
            raise ValueError(
                "interventions or drivers: in no frame of the data did somebody take over; allowed: 1 and all"
            )
        return frames[np.isin(driver[frames], DRIVERS[recipe.drivers])]

    def batch(self, indices: np.ndarray, rng: np.random.Generator | None) -> dict[str, Tensor]:
        return self.dataset.batch(indices, self.recipe.augmentation if rng is not None else None, rng)

    @torch.no_grad()
    def validate(self, model: VipaForActionPrediction, move: Callable[[dict], dict]) -> dict[str, float]:
        """Losses, and errors of decoded chunks: position_mm (mean over steps), last_mm (last step), hand (mean
        absolute), and of the auxiliary heads: target_mm, tip_mm, subtask (accuracy). Empty without held-out episodes."""
        sums: dict[str, float] = {}
        counts: dict[str, int] = {}
        for start in range(0, len(self.held_out), 32):
            indices = self.held_out[start : start + 32]
            batch = move(self.dataset.batch(indices))
            generator = torch.Generator(batch["state"].device).manual_seed(start)
            row = {k: float(v) for k, v in model(batch, generator).items()}
            noise = torch.randn(batch["actions"].shape, generator=generator, device=batch["state"].device)
            predicted = model.predict_actions(batch, noise).float().cpu().numpy()
            reference, processor = self.dataset.references(indices), self.dataset.processor
            poses, hand = processor.decode_actions(predicted, reference)
            true_poses, true_hand = processor.decode_actions(batch["actions"].cpu().numpy(), reference)
            error = np.concatenate(
                [np.linalg.norm(poses[g][..., :3] - true_poses[g][..., :3], axis=-1) for g in poses], -1
            )
            row |= {
                "position_mm": error.mean() * 1e3,
                "last_mm": error[:, -1].mean() * 1e3,
                "hand": np.mean([np.abs(hand[g] - true_hand[g]).mean() for g in hand]),
            }
            row |= self._auxiliary(model, batch)
            for key, value in row.items():
                if np.isfinite(value):  # a batch may hold no frame whose target or tip is known
                    sums[key] = sums.get(key, 0.0) + float(value) * len(indices)
                    counts[key] = counts.get(key, 0) + len(indices)
        return {key: value / counts[key] for key, value in sums.items()}

    @staticmethod
    def _auxiliary(model: VipaForActionPrediction, batch: dict[str, Tensor]) -> dict[str, float]:
        out, row = model.auxiliary(model.condition(batch)), {}
        for point in out.keys() & batch.keys() & {"target", "tip"}:
            row[f"{point}_mm"] = float((out[point] - batch[point]).norm(dim=-1).nanmean()) * 1e3
        if "subtask" in out:
            row["subtask_accuracy"] = float((out["subtask"].argmax(-1) == batch["subtask"]).float().mean())
        return row


def _often(parts: np.ndarray) -> np.ndarray:
    """How often each frame is drawn for all parts of a task to be drawn about as often as the most frequent one, (N,), at most
    MOST_OFTEN times. parts: (N,), the frames' own."""
    _, which, counts = np.unique(parts, return_inverse=True, return_counts=True)
    return np.minimum(np.round(counts.max() / counts), MOST_OFTEN).astype(np.int64)[which]


def fitting_config(stores: Sequence[FrameStore], size: str, **changes) -> VipaConfig:
    """The configuration of a ``size`` for these stores: their cameras, groups, rate and sub-tasks, and a workspace
    that spans the tool positions seen."""
    tool = np.concatenate(
        [
            np.asarray(s.arrays["commanded_tool_pose"])[:, 7 * i : 7 * i + 3]
            for s in stores
            for i in range(len(s.groups))
        ]
    )
    low, high = tool.min(0), tool.max(0)
    known = {p: any(np.isfinite(s.arrays[p][:, 0]).any() for s in stores if p in s.arrays) for p in ("target", "tip")}
    config = VipaConfig.named(
        size,
        **(
            {
                **robot_facts(stores),
                "target": known["target"],
                "tip": known["tip"],
            }
            | changes
        ),
    )
    config.spatial.centre = [round(float(v), 3) for v in (low + high) / 2]
    config.spatial.scale = round(float(max(0.3, (high - low).max() / 2 + 0.1)), 3)
    return config


def robot_facts(stores: Sequence[FrameStore]) -> dict:
    """What a configuration takes from the data alone: cameras, groups, rate and number of sub-tasks."""
    store = stores[0]
    return {
        "cameras": list(store.cameras),
        "groups": list(store.groups),
        "rate_hz": store.rate_hz,
        "subtasks": len(subtask_names(stores)),
    }


def fits(config: VipaConfig, stores: Sequence[FrameStore]) -> bool:
    """Whether a model of ``config`` acts for the robot of ``stores`` as it is."""
    return all(getattr(config, name) == robot_facts(stores)[name] for name in ("cameras", "groups", "rate_hz"))


def prepare_frames(
    stores: Sequence[FrameStore],
    recipe: Recipe,
    config: VipaConfig | None = None,
    start: str | Path | None = None,
    model: VipaForActionPrediction | None = None,
    processor: VipaProcessor | None = None,
    changes: dict | None = None,
) -> tuple[VipaForActionPrediction, VipaProcessor, FrameSource]:
    """Model, processor and source for a run on ``stores``.

    From the checkpoint ``start``, from a loaded ``model`` and ``processor``, or new from ``config``. A checkpoint that acts for the
    same robot (cameras, groups, rate) goes on with its head and statistics; for another robot, or with ``changes`` (see ``adapted``),
    the head is new and statistics are fitted to the data. Raises ValueError for stores that are cropped differently.
    """
    crops = [s.crops for s in stores]
    if any(c != crops[0] for c in crops):
        raise ValueError(f"the stores have crops {crops}; allowed: the same for all, as a policy crops in one way")
    if start is not None and (changes or not fits(VipaConfig.from_pretrained(start), stores)):
        model = adapted(Path(start), robot_facts(stores), changes or {}, recipe.seed)
        processor = VipaProcessor(model.config, VipaProcessor.from_pretrained(start).tokenizer, stores[0].crops)
    elif start is not None:
        model, processor = VipaForActionPrediction.from_pretrained(start), VipaProcessor.from_pretrained(start)
        processor.crops = dict(stores[0].crops)  # a policy crops as its demonstrations were
    elif model is None:
        config = config or fitting_config(stores, recipe.size)
        tokenizer = ByteTokenizer.train([t for s in stores for t in s.instructions], config.text.vocab)
        processor = VipaProcessor(config, tokenizer, stores[0].crops)
        model = make_model(config, recipe.seed)
    if start is not None:
        _make_room(model.config, processor, [text for s in stores for text in s.instructions])
    dataset = FrameDataset(stores, model.config, processor)
    if not np.any(processor.action_statistics.offset):
        processor.fit(dataset.raw_actions, dataset.raw_states)
        if model.aim is not None:
            model.aim.know_tool(processor.state_statistics)
    dataset.prepare()
    if recipe.cache_features:
        dataset.features = cache_features(model, dataset, recipe)
        if recipe.augmentation is not None:  # the tokens are those of pictures that were not moved
            recipe = recipe.changed(augmentation=replace(recipe.augmentation, shift=0))
    if recipe.cache_condition:
        dataset.conditions = cache_conditions(model, dataset, recipe)
    return model, processor, FrameSource(dataset, recipe)


def _make_room(config: VipaConfig, processor: VipaProcessor, texts: Sequence[str]) -> None:
    """A checkpoint meets longer instructions than it was made for: from now on its prompts are padded to them. No weight hangs on it."""
    views = len(config.cameras)
    longest = max(len(processor.ids([text], views)) for text in set(texts)) - processor.view_tokens * views
    config.text.max_tokens = processor.max_tokens = max(config.text.max_tokens, longest)


@torch.no_grad()
def cache_features(model: VipaForActionPrediction, dataset: FrameDataset, recipe: Recipe) -> np.ndarray:
    """The frozen vision tower's tokens of every frame, (N, V, N_v, d_v) float16. Raises ValueError for a recipe that trains the tower."""
    encoder, config = model.model.eval(), model.config
    kept = recipe.stage in ("3", "head") and "model.vision" not in model.new_parts
    if not kept and config.vision.kind != "efficientnet_lite0":
        raise ValueError(
            f"cache_features with recipe {recipe.name}, which trains vision.kind {config.vision.kind!r}; allowed: a vision tower that "
            "stays as it is (stage3 from a checkpoint or an InternVL folder, or efficientnet_lite0)"
        )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    encoder.to(device)
    out = np.empty((len(dataset), len(config.cameras), config.vision.grid**2, config.vision.width), np.float16)
    for begin in range(0, len(dataset), 32):
        pixels = dataset.batch(np.arange(begin, min(begin + 32, len(dataset))))["pixels"].to(device)
        out[begin : begin + 32] = encoder.vision_tokens(pixels).unflatten(0, pixels.shape[:2]).half().cpu().numpy()
    encoder.to("cpu")
    return out


@torch.no_grad()
def cache_conditions(model: VipaForActionPrediction, dataset: FrameDataset, recipe: Recipe) -> np.ndarray:
    """h_cond of every frame, (N, copies, tokens, width) float16: the first copy plain, the others augmented. Raises ValueError for a
    recipe that trains what it comes from."""
    if recipe.stage != "head":
        raise ValueError(
            f"cache_condition with stage {recipe.stage!r}; allowed: stage 'head', which trains nothing before it"
        )
    encoder = model.model.eval()
    tokens = model.config.head.queries + len(model.config.grounded)
    out = np.empty((len(dataset), recipe.cache_condition, tokens, model.config.text.width), np.float16)
    for copy in range(recipe.cache_condition):
        rng = np.random.default_rng((recipe.seed, 2, copy))
        for begin in range(0, len(dataset), 64):
            indices = np.arange(begin, min(begin + 64, len(dataset)))
            batch = dataset.batch(indices, recipe.augmentation if copy else None, rng)
            out[indices, copy] = encoder.encode(batch).half().numpy()
    return out
