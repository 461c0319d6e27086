"""FrameStores as training batches: labels, augmentation, pointmaps. Everything a batch needs is memory-mapped or
small.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from vipa_model.configuration_vipa import VipaConfig
from vipa_model.data.corrections import corrections
from vipa_model.data.frame_store import COMMANDER, FrameStore
from vipa_model.processing.images import lift_depth
from vipa_model.processing.processing_vipa import VipaProcessor
from vipa_model.recipes import Augmentation

FURTHEST = 10.0  # standard deviations of an action that is learnt: one frame further out would outweigh its whole batch

GREY = np.tile([0.299, 0.587, 0.114], (3, 1))  # luma of RGB, in every channel


class FrameDataset(Dataset):
    """Samples of one or more FrameStores with equal headers, for one model configuration.

    ``fit`` the processor's statistics first (``raw_actions``, ``raw_states`` are what they are fitted on), then ask for
    batches. ``dataset[i]`` is a batch of one.
    """

    def __init__(self, stores: Sequence[FrameStore], config: VipaConfig, processor: VipaProcessor) -> None:
        for store in stores:
            _match(store, config)
        self.stores, self.config, self.processor = list(stores), config, processor
        self.offsets = np.cumsum([0] + [len(s) for s in stores])
        actions, committed, states, episodes = zip(*(self._labels(s) for s in stores), strict=True)
        self.raw_actions, self.raw_states = np.concatenate(actions), np.concatenate(states)
        self.raw_committed = np.concatenate(committed)
        firsts = np.cumsum([0] + [len(s.names) for s in stores[:-1]])
        self.episode = np.concatenate([e + f for e, f in zip(episodes, firsts, strict=True)])
        self.driver = np.concatenate([_drivers(s) for s in stores])  # (N,), see FrameStore
        self.instructions = [text for s in stores for text in s.instructions]
        self.subtasks = subtask_names(stores)
        self.subtask = np.concatenate([_numbered(s, self.subtasks) for s in stores])  # (N,) index into it, -1 unknown
        self.prompts: list[np.ndarray] = []
        self.features: np.ndarray | None = None
        self.conditions: np.ndarray | None = (
            None  # (N, copies, tokens, width) h_cond of frozen parts, the first copy plain
        )
        self._normalised: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None

    def __len__(self) -> int:
        return int(self.offsets[-1])

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return self.batch(np.array([index]))

    def split(self, held_out: float = 0.05, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Frame indices for training and for validation; whole episodes are held out, at least one when there are
        two.
        """
        count = int(self.episode.max()) + 1
        order = np.random.default_rng(seed).permutation(count)
        held = order[: min(count - 1, max(1, round(held_out * count)))]
        out = np.isin(self.episode, held)
        return np.flatnonzero(~out), np.flatnonzero(out)

    def prepare(self) -> None:
        """Tokenize the instructions and normalise the labels with the processor's statistics (call when they are
        set).
        """
        self.prompts = [
            self.processor.prompt(text, len(self.config.cameras), pad=False)[0] for text in self.instructions
        ]
        statistics = self.processor.action_statistics, self.processor.state_statistics
        self._normalised = (
            statistics[0].normalise(self.raw_actions).clip(-FURTHEST, FURTHEST).astype(np.float32),
            statistics[1].normalise(self.raw_states).astype(np.float32),
            statistics[0].normalise(self.raw_committed).clip(-FURTHEST, FURTHEST).astype(np.float32),
        )

    def batch(
        self, indices: np.ndarray, augmentation: Augmentation | None = None, rng: np.random.Generator | None = None
    ) -> dict[str, Tensor]:
        """A training batch (see modeling_vipa) of the frames ``indices``. Padding only up to the longest prompt in
        it.
        """
        if self._normalised is None:
            self.prepare()
        out = {
            "actions": self._normalised[0][indices],
            "committed": self._normalised[2][indices],
            "state": self._normalised[1][indices],
            "subtask": self.subtask[indices],
            **{name: self.gather(name, indices) for name in ("target", "tip")},
        }
        if self.conditions is None:
            out |= self._seen(indices, augmentation, rng)
        else:
            copies = 0 if augmentation is None else rng.integers(0, self.conditions.shape[1], len(indices))
            out["condition"] = self.conditions[indices, copies].astype(np.float32)
        if self.features is not None:
            out["features"] = self.features[indices]
        return {k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in out.items()}

    def _seen(
        self, indices: np.ndarray, augmentation: Augmentation | None, rng: np.random.Generator | None
    ) -> dict[str, np.ndarray]:
        """Views and prompts of frames."""
        images, depth, intrinsics, extrinsics = (
            self.gather(k, indices) for k in ("images", "depth", "intrinsics", "extrinsics")
        )
        if augmentation is not None:
            images, depth, intrinsics = augment(images, depth, intrinsics, augmentation, rng or np.random.default_rng())
        prompts = [self.prompts[e] for e in self.episode[indices]]
        length = max(len(p) for p in prompts)
        ids = np.full((len(prompts), length), self.processor.tokenizer.pad, np.int64)
        for row, prompt in zip(ids, prompts, strict=True):
            row[: len(prompt)] = prompt
        mask = np.arange(length) < np.array([len(p) for p in prompts])[:, None]
        out = {"pixels": images, "input_ids": ids, "attention_mask": mask}
        if self.processor.uses_depth:
            out["pointmap"] = lift_depth(depth, intrinsics, extrinsics, self.config.spatial.stride)
        return out

    def references(self, indices: np.ndarray) -> dict[str, np.ndarray]:
        """Tool poses {group: (B, 7)} of frames, to decode actions with."""
        poses = self.gather("tool_pose", indices).astype(np.float64)
        return {g.name: poses[:, 7 * i : 7 * i + 7] for i, g in enumerate(self.config.groups)}

    def corrections(self, indices: np.ndarray) -> np.ndarray:
        """(B,) bool: frames in which some group, near the target, is told to move aside, to turn or to move its hand, see corrections.py."""
        tools, target, found, start = self.references(indices), self.gather("target", indices), [], 0
        for g in self.config.groups:
            part = slice(start, start + g.action_dim)
            actions, hand = self.raw_actions[indices, :, part], self.raw_committed[indices, 0, part][:, 9:]
            found.append(corrections(actions, hand, tools[g.name], target))
            start += g.action_dim
        return np.any(found, 0)

    def gather(self, name: str, indices: np.ndarray) -> np.ndarray:
        """Array ``name`` of the FrameStores (see vipa_model.data.frame_store) at frames ``indices``, (B, ...); NaN
        where a store lacks an optional one."""
        which = np.searchsorted(self.offsets, indices, side="right") - 1
        arrays = [store.arrays.get(name) for store in self.stores]
        like = next((a for a in arrays if a is not None), self.stores[0].arrays["target"])
        out = np.empty((len(indices), *like.shape[1:]), like.dtype)
        for i, (store, index) in enumerate(zip(which, indices, strict=True)):
            out[i] = np.nan if arrays[store] is None else arrays[store][index - self.offsets[store]]
        return out

    def parts(self) -> np.ndarray:
        """(N,) the part of a task that each frame shows: a number for each pair of instruction and sub-task."""
        texts = {text: i for i, text in enumerate(dict.fromkeys(self.instructions))}
        told = np.array([texts[text] for text in self.instructions])[self.episode]
        return told * (len(self.subtasks) + 1) + self.subtask + 1

    def _labels(self, store: FrameStore) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Raw actions (N, H, A), the same as a committed prefix would have them (N, H, A), states (N, S), float32, and the episode
        of each frame (N,).

        A robot that is to close its hand now is committed to keep it open for a few steps yet: a prefix with the hand of the
        label would give the decision away, and a policy that learnt to copy it never decides. So it has the hand as it was
        commanded at the frame."""
        arrays, horizon, groups = store.arrays, self.config.head.horizon, self.config.groups
        ends = store.starts[1:][store.episode]
        steps = np.minimum(np.arange(len(store))[:, None] + 1 + np.arange(horizon), ends[:, None] - 1)
        commanded, hand = (
            np.asarray(arrays["commanded_tool_pose"], np.float64),
            np.asarray(arrays["commanded_hand"], np.float64),
        )
        poses, hands = commanded[steps], hand[steps]
        if "label_pose" in arrays:
            given = np.asarray(arrays["label_pose"], np.float64)
            if given.shape[1] < horizon:
                raise ValueError(
                    f"{store.folder}: label_pose has {given.shape[1]} steps; allowed: at least head.horizon {horizon}"
                )
            labelled = np.isfinite(given[:, 0, 0])
            poses[labelled] = given[labelled, :horizon]
            hands[labelled] = np.asarray(arrays["label_hand"], np.float64)[labelled, :horizon]
        state, by_pose, by_hand, kept, first, joint = {}, {}, {}, {}, 0, 0
        for i, g in enumerate(groups):
            pose, last = slice(7 * i, 7 * i + 7), first + g.hand
            by_pose[g.name], by_hand[g.name] = poses[..., pose], hands[..., first:last]
            kept[g.name] = np.broadcast_to(hand[:, None, first:last], by_hand[g.name].shape)
            state[g.name] = {
                "tool_pose": arrays["tool_pose"][:, pose],
                "tool_velocity": arrays["tool_velocity"][:, 3 * i : 3 * i + 3],
                "hand": arrays["hand"][:, first:last],
                "positions": arrays["positions"][:, joint : joint + g.joints],
            }
            first, joint = last, joint + g.joints
        identity = VipaProcessor(self.config, self.processor.tokenizer)
        actions, committed = (identity.encode_actions(by_pose, h, identity.references(state)) for h in (by_hand, kept))
        return (
            actions.astype(np.float32),
            committed.astype(np.float32),
            identity.state(state).astype(np.float32),
            store.episode,
        )


def subtask_names(stores: Sequence[FrameStore]) -> list[str]:
    """The names of all stores' sub-tasks, each once, in the order in which they come."""
    return list(dict.fromkeys(name for store in stores for name in store.subtasks))


def _numbered(store: FrameStore, subtasks: list[str]) -> np.ndarray:
    """(N,) int64: the store's sub-tasks as indices into ``subtasks``; -1 stays."""
    table = np.array([subtasks.index(name) for name in store.subtasks] + [-1], np.int64)
    return table[np.asarray(store.arrays["subtask"])]


def _drivers(store: FrameStore) -> np.ndarray:
    """(N,) int8; a store that does not say it was driven by its commanders."""
    return np.asarray(store.arrays["driver"]) if "driver" in store.arrays else np.full(len(store), COMMANDER, np.int8)


def augment(
    images: np.ndarray, depth: np.ndarray, intrinsics: np.ndarray, how: Augmentation, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shift, recolour, drop depth. Shapes as in a FrameStore with a leading batch axis; changes and returns its
    arguments.
    """
    batch, views = images.shape[:2]
    shifts = rng.integers(-how.shift, how.shift + 1, (batch, views, 2))
    contrast = 1 + rng.uniform(-how.contrast, how.contrast, (batch, views))
    brightness = 128 * (1 - contrast) + 255 * rng.uniform(-how.brightness, how.brightness, (batch, views))
    dropped = rng.random((batch, views)) < how.depth_dropout
    saturation = 1 + rng.uniform(-how.colour, how.colour, (batch, views, 1, 1))
    gain = np.exp(rng.normal(0, how.colour / 4, (batch, views, 3, 1)))
    mix = (gain * (saturation * np.eye(3) + (1 - saturation) * GREY)).astype(np.float32)
    for b, v in np.ndindex(batch, views):
        move = np.array([[1, 0, shifts[b, v, 0]], [0, 1, shifts[b, v, 1]]], np.float32)
        size = images.shape[3], images.shape[2]
        lit = np.clip(np.arange(256) * contrast[b, v] + brightness[b, v], 0, 255).astype(np.uint8)
        moved = cv2.warpAffine(images[b, v], move, size, flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
        images[b, v] = cv2.transform(cv2.LUT(moved, lit), mix[b, v]) if how.colour else cv2.LUT(moved, lit)
        depth[b, v] = (
            0 if dropped[b, v] else cv2.warpAffine(depth[b, v], move, size, flags=cv2.INTER_NEAREST, borderValue=0)
        )
    intrinsics[..., :2, 2] += shifts
    return images, depth, intrinsics


def _match(store: FrameStore, config: VipaConfig) -> None:
    """A store must have the cameras, groups, size and rate that the model was configured for."""
    wanted = {
        "cameras": config.cameras,
        "groups": config.groups,
        "rate_hz": config.rate_hz,
        "image_size": config.vision.image_size,
    }
    found = {
        "cameras": store.cameras,
        "groups": store.groups,
        "rate_hz": store.rate_hz,
        "image_size": store.header["image_size"],
    }
    for key, value in wanted.items():
        if found[key] != value:
            raise ValueError(f"{store.folder} has {key} {found[key]}; allowed for this model: {value}")
