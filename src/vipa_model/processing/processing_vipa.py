"""VipaProcessor: everything between an observation and the model's arrays, and back to poses. Numpy and OpenCV only.

It is saved in the checkpoint (``processor_config.json``), so a policy's inputs are prepared as its training data were.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from vipa_model.checked import build, read_json
from vipa_model.checksums import verify_if_listed, void
from vipa_model.configuration_vipa import CONFIG_FILE, GroupConfig, VipaConfig
from vipa_model.processing.action_space import decode_actions, encode_actions, encode_state
from vipa_model.processing.images import Crop, lift_depth, make_view
from vipa_model.processing.motion_tokens import MotionTokenizer
from vipa_model.processing.normalisation import Statistics
from vipa_model.processing.tokenization_vipa import ByteTokenizer, FolderTokenizer

PROCESSOR_FILE = "processor_config.json"
# Least scale of an action or state dimension: 2 mm, 0.01 of a 6-D rotation entry (0.6 degrees), 5 % of an opening,
# 0.02 rad.
FLOOR_POSITION, FLOOR_VELOCITY, FLOOR_ROTATION, FLOOR_HAND, FLOOR_JOINT = 2e-3, 2e-2, 1e-2, 5e-2, 2e-2


class VipaProcessor:
    """Prepares observations and undoes the action encoding.

    An observation is a dict of plain numpy: ``images`` {camera: (H, W, 3) uint8 RGB}, ``depths`` {camera: (H, W) uint16
    mm, may lack cameras}, ``intrinsics`` {camera: (3, 3) pixels}, ``extrinsics`` {camera: (4, 4) base from optical},
    ``state`` {group: {'tool_pose': (7,), 'commanded_tool_pose': (7,), 'hand': (Hh,), 'positions': (n,)}} (base frame,
    metres, xyzw, rad, opening 0 to 1), ``instruction`` str.
    """

    def __init__(
        self,
        config: VipaConfig,
        tokenizer: ByteTokenizer | FolderTokenizer,
        crops: dict[str, Crop] | None = None,
        action_statistics: Statistics | None = None,
        state_statistics: Statistics | None = None,
    ) -> None:
        self.cameras, self.groups = list(config.cameras), list(config.groups)
        self.image_size, self.stride, self.view_tokens = (
            config.vision.image_size,
            config.spatial.stride,
            config.vision.tokens,
        )
        self.uses_depth = config.uses_depth
        self.image_token, self.max_tokens = config.text.image_token, config.text.max_tokens
        self.horizon, self.rate_hz, self.use_joints = config.head.horizon, config.rate_hz, config.use_joints
        self.vocab, self.motion_tokens = config.text.vocab, config.motion_tokens
        self.tokenizer = tokenizer
        self.crops = crops or {}
        unknown = sorted(set(self.crops) - set(self.cameras))
        if unknown:
            raise ValueError(f"crop for unknown camera(s) {unknown}; allowed: {self.cameras}")
        self.action_statistics = action_statistics or Statistics.identity(config.action_dim)
        self.state_statistics = state_statistics or Statistics.identity(config.state_dim)

    # ---- observation in

    def __call__(self, observation: dict) -> dict[str, np.ndarray]:
        """An observation to the model's arrays with batch size 1 (see modeling_vipa).

        Raises ValueError naming the camera, group or array that is missing or of another shape.
        """
        pixels, pointmap = self.views(observation)
        ids, mask = self.prompt(observation["instruction"], len(self.cameras))
        batch = {
            "pixels": pixels[None],
            "input_ids": ids[None],
            "attention_mask": mask[None],
            "state": self.state_statistics.normalise(self.state(observation["state"]))[None].astype(np.float32),
        }
        if self.uses_depth:
            batch["pointmap"] = pointmap[None]
        return batch

    def views(self, observation: dict) -> tuple[np.ndarray, np.ndarray]:
        """Cropped, resized views (V, s, s, 3) uint8 and pointmaps (V, s/stride, s/stride, 4) float32, by camera."""
        pixels, depths, intrinsics, extrinsics = [], [], [], []
        for camera in self.cameras:
            view = self.view(camera, observation)
            pixels.append(view[0])
            depths.append(view[1])
            intrinsics.append(view[2])
            extrinsics.append(view[3])
        return np.stack(pixels), lift_depth(np.stack(depths), np.stack(intrinsics), np.stack(extrinsics), self.stride)

    def view(self, camera: str, observation: dict) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """One camera's image (s, s, 3) uint8, depth (s, s) uint16 mm, intrinsics (3, 3) and extrinsics (4, 4).

        Without depth, or without intrinsics or extrinsics to lift it, the view counts as missing depth.
        """
        if camera not in observation["images"]:
            raise ValueError(
                f"observation has no image of camera {camera!r}; it has {sorted(observation['images'])}, "
                f"this policy wants {self.cameras}"
            )
        parts = [(observation.get(part) or {}).get(camera) for part in ("depths", "intrinsics", "extrinsics")]
        depth, intrinsics, extrinsics = parts if all(p is not None for p in parts) else (None, None, None)
        image, depth, intrinsics = make_view(
            observation["images"][camera],
            depth,
            np.eye(3) if intrinsics is None else intrinsics,
            self.image_size,
            self.crops.get(camera),
        )
        return image, depth, intrinsics, np.eye(4) if extrinsics is None else np.asarray(extrinsics, np.float64)

    def prompt(self, instruction: str, views: int, pad: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """Token ids (T,) int64 and mask (T,) bool: image placeholders, then the instruction, padded to a fixed length.

        Raises ValueError when the text is longer than ``max_tokens``.
        """
        ids = self.ids([instruction], views)
        length = self.view_tokens * views + self.max_tokens
        if len(ids) > length:
            raise ValueError(
                f"instruction {instruction!r} is {len(ids) - self.view_tokens * views} tokens; allowed: up to "
                f"{self.max_tokens} (text.max_tokens of this checkpoint)"
            )
        padding = length - len(ids) if pad else 0
        return np.array(ids + [self.tokenizer.pad] * padding, np.int64), np.arange(len(ids) + padding) < len(ids)

    def ids(self, parts: list[str | np.ndarray], views: int) -> list[int]:
        """Prompt ids without padding: ``views`` image blocks, then ``parts``: texts, or ids such as motion tokens.

        With a checkpoint folder's tokenizer this is InternVL's chat form: each view between <img> and </img>, the text,
        then the assistant's turn. With the byte tokenizer: image placeholders, text, end.
        """
        encode = self.tokenizer.encode
        text = [i for part in parts for i in (encode(part) if isinstance(part, str) else part.tolist())]
        block = [self.image_token] * self.view_tokens
        if not isinstance(self.tokenizer, FolderTokenizer):
            return block * views + text + [self.tokenizer.end]
        images = [i for _ in range(views) for i in (*encode("<img>"), *block, *encode("</img>\n"))]
        return [*encode("<|im_start|>user\n"), *images, *text, *encode("<|im_end|>\n<|im_start|>assistant\n")]

    # ---- state and actions

    def state(self, state: dict[str, dict]) -> np.ndarray:
        """The groups' states side by side, (..., S) float64, not normalised. Leading axes are kept."""
        parts = []
        for group in self.groups:
            values = self._group(state, group, "state")
            joints = values["positions"] if self.use_joints else None
            part = encode_state(values["tool_pose"], values["tool_velocity"], values["hand"], joints)
            if not np.isfinite(part).all():
                raise ValueError(f"state of group {group.name!r} holds NaN or infinity; allowed: finite numbers")
            parts.append(part)
        return np.concatenate(parts, -1)

    def encode_actions(
        self, poses: dict[str, np.ndarray], hand: dict[str, np.ndarray], reference: dict[str, np.ndarray]
    ) -> np.ndarray:
        """Per group poses (..., T, 7), hand (..., T, Hh), reference (..., 7) to normalised actions (..., T, A) float64.

        T may be shorter than the horizon (a committed prefix): step k uses step k's statistics.
        """
        actions = np.concatenate(
            [encode_actions(poses[g.name], hand[g.name], reference[g.name]) for g in self.groups], -1
        )
        return (actions - self._steps("offset", actions.shape[-2])) / self._steps("scale", actions.shape[-2])

    def decode_actions(
        self, actions: np.ndarray, reference: dict[str, np.ndarray]
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Inverse of ``encode_actions``: normalised (..., T, A) to poses and hand, {group: (..., T, 7)} and
        {group: (..., T, Hh)}."""
        steps = actions.shape[-2]
        actions = actions * self._steps("scale", steps) + self._steps("offset", steps)
        poses, hand, start = {}, {}, 0
        for group in self.groups:
            part = actions[..., start : start + group.action_dim]
            poses[group.name], hand[group.name] = decode_actions(part, reference[group.name])
            start += group.action_dim
        return poses, hand

    def references(self, state: dict[str, dict]) -> dict[str, np.ndarray]:
        """Each group's tool pose, (..., 7): what its actions are relative to."""
        return {g.name: np.asarray(self._group(state, g, "state")["tool_pose"], np.float64) for g in self.groups}

    def fit(self, actions: np.ndarray, states: np.ndarray, kind: str = "meanstd") -> None:
        """Set the statistics from training data: actions (N, H, A) and states (N, S), not normalised."""
        action_floor, state_floor = [], []
        for g in self.groups:
            action_floor += [FLOOR_POSITION] * 3 + [FLOOR_ROTATION] * 6 + [FLOOR_HAND] * g.hand
            state_floor += [FLOOR_POSITION] * 3 + [FLOOR_ROTATION] * 6 + [FLOOR_VELOCITY] * 3 + [FLOOR_HAND] * g.hand
            state_floor += [FLOOR_JOINT] * (g.joints if self.use_joints else 0)
        self.action_statistics = Statistics.fit(actions, np.array(action_floor), kind)
        self.state_statistics = Statistics.fit(states, np.array(state_floor), kind)

    def _group(self, values: dict[str, dict], group: GroupConfig, where: str) -> dict:
        if group.name not in values:
            raise ValueError(
                f"{where} has no group {group.name!r}; it has {sorted(values)}, this policy wants "
                f"{[g.name for g in self.groups]}"
            )
        hand = np.shape(values[group.name]["hand"])
        if hand[-1:] != (group.hand,):
            raise ValueError(f"{where}[{group.name!r}]['hand'] has shape {hand}; allowed: (..., {group.hand})")
        return values[group.name]

    def _steps(self, name: str, steps: int) -> np.ndarray:
        array = getattr(self.action_statistics, name)
        if array.ndim == 1:
            return array
        if steps > len(array):
            raise ValueError(f"{steps} action steps; allowed: up to the horizon {len(array)}")
        return array[:steps]

    # ---- on disk

    def save_pretrained(self, folder: str | Path) -> None:
        """Write ``processor_config.json``, and the tokenizer's own files when it came from a folder."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        void(folder)
        byte = isinstance(self.tokenizer, ByteTokenizer)
        data = {
            "processor_class": "VipaProcessor",
            "image_size": self.image_size,
            "stride": self.stride,
            "action_space": "translation from the tool pose (base, m), relative rotation 6-D, opening 0-1",
            "crops": {k: asdict(v) for k, v in self.crops.items()},
            "tokenizer": {"kind": "byte", "merges": self.tokenizer.merges} if byte else {"kind": "folder"},
            "action_statistics": self.action_statistics.to_dict(),
            "state_statistics": self.state_statistics.to_dict(),
        }
        (folder / PROCESSOR_FILE).write_text(json.dumps(data) + "\n", encoding="utf-8")
        if not byte:
            if self.motion_tokens:
                self.tokenizer.add_motion(self.vocab, MotionTokenizer(self.vocab).words())
            self.tokenizer.save_pretrained(folder)

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> VipaProcessor:
        """Read a checkpoint folder's ``config.json`` and ``processor_config.json``. Raises FileNotFoundError, or ValueError
        naming the file and what in it is missing, of another length than the configuration's, or no usable number."""
        folder = Path(folder)
        config = VipaConfig.from_pretrained(folder)
        verify_if_listed(folder, PROCESSOR_FILE)
        data = read_json(folder / PROCESSOR_FILE)
        try:
            return cls._from_dict(folder, config, data)
        except KeyError as error:
            raise ValueError(f"{folder / PROCESSOR_FILE}: no {error}; allowed: a file of vipa train") from None
        except (ValueError, TypeError) as error:
            raise ValueError(f"{folder / PROCESSOR_FILE}: {error}") from None

    @classmethod
    def _from_dict(cls, folder: Path, config: VipaConfig, data: dict) -> VipaProcessor:
        found, wanted = (data["image_size"], data["stride"]), (config.vision.image_size, config.spatial.stride)
        if found != wanted:
            raise ValueError(f"image_size, stride {found}; allowed: {wanted}, as {folder / CONFIG_FILE} has them")
        for name in ("crops", "tokenizer"):
            if not isinstance(data[name], dict):
                raise ValueError(f"{name} is a {type(data[name]).__name__}; allowed: a mapping")
        kind = data["tokenizer"]["kind"]
        if kind not in ("byte", "folder"):
            raise ValueError(f"tokenizer kind is {kind!r}; allowed: 'byte', 'folder'")
        tokenizer = ByteTokenizer(data["tokenizer"]["merges"]) if kind == "byte" else FolderTokenizer(folder)
        crops = {k: build(Crop, v, f"crops.{k}") for k, v in data["crops"].items()}
        shapes = {
            "action_statistics": [(config.action_dim,), (config.head.horizon, config.action_dim)],
            "state_statistics": [(config.state_dim,)],
        }
        statistics = {}
        for name, allowed in shapes.items():
            try:
                statistics[name] = Statistics.from_dict(data[name], allowed)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
        return cls(config, tokenizer, crops, **statistics)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """What ``__call__`` makes of an observation: {name: shape}."""
        views, size, points = len(self.cameras), self.image_size, self.image_size // self.stride
        prompt = self.prompt("", views)[0].shape
        made = {
            "pixels": (1, views, size, size, 3),
            "input_ids": (1, *prompt),
            "attention_mask": (1, *prompt),
            "state": (1, *self.state_statistics.offset.shape),
        }
        return made | ({"pointmap": (1, views, points, points, 4)} if self.uses_depth else {})
