"""Hand3D-style data for stages 1 and 2, as JSON lines (the paper's set is not public; this schema is ours).

One object a line. Paths are relative to the file. Common keys:

    id          str
    type        visual: spatial_relationship, task_completion, hand_movement, camera_movement
                action: instructional_motion_generation, motion_translation, contextual_motion_prediction
    images      [path, ...]: 1 to 4 frames (hand_movement and camera_movement: 2; action: 1)
    depths      optional [path, ...], 16-bit PNG in mm aligned to the images; with it intrinsics [[3x3], ...] and
                optional extrinsics [[4x4], ...] (base from optical; the camera frame itself when absent)

Visual types: question, answer (str). Action types: instruction (str) and trajectory [[x, y, z], ...], the wrist in
metres in the camera frame; contextual_motion_prediction also context [[x, y, z], ...], the motion so far.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from vipa_model.configuration_vipa import VipaConfig, changed
from vipa_model.data.json_lines import JsonLines
from vipa_model.network.modeling_vipa import VipaForActionPrediction
from vipa_model.network.starting_point import make_model
from vipa_model.processing.directions import compared
from vipa_model.processing.images import lift_depth, make_view
from vipa_model.processing.motion_tokens import MotionTokenizer
from vipa_model.processing.processing_vipa import VipaProcessor
from vipa_model.processing.tokenization_vipa import ByteTokenizer, FolderTokenizer
from vipa_model.recipes import Recipe

VISUAL = ("spatial_relationship", "task_completion", "hand_movement", "camera_movement")
ACTION = ("instructional_motion_generation", "motion_translation", "contextual_motion_prediction")
_OPTIONAL = {"depths", "intrinsics", "extrinsics"}


ASKED, LONGEST = 64, 32  # answers decoded at a validation, and their most tokens
HELD_OUT_MOST = 512  # records kept for validation: enough for two digits, and the rest is trained on


def check(record: dict, kinds: Sequence[str]) -> None:
    """Raises ValueError, KeyError or TypeError unless ``record`` is one of ``kinds`` with all it needs; its pictures are looked for
    when they are read."""
    if record.get("type") not in kinds:
        raise ValueError(f"type is {record.get('type')!r}; allowed: {', '.join(kinds)}")
    kind = record["type"]
    wanted = {"id", "type", "images"} | ({"question", "answer"} if kind in VISUAL else {"instruction", "trajectory"})
    wanted |= {"context"} if kind == "contextual_motion_prediction" else set()
    missing, unknown = sorted(wanted - set(record)), sorted(set(record) - wanted - _OPTIONAL)
    if missing or unknown:
        raise ValueError(f"missing key(s) {missing}, unknown {unknown}; allowed: {sorted(wanted | _OPTIONAL)}")
    frames = len(record["images"])
    allowed = (1,) if kind in ACTION else (2,) if kind.endswith("_movement") else (1, 2, 3, 4)
    if frames not in allowed:
        raise ValueError(f"{frames} images; allowed for {kind}: {', '.join(map(str, allowed))}")
    depths = len(record.get("depths", ()))
    if depths and (depths != frames or len(record.get("intrinsics", ())) != frames):
        raise ValueError(f"depths and intrinsics must be one an image; allowed: {frames} each")
    for name in ("trajectory", "context"):
        if name in record:
            path = np.asarray(record[name], np.float64)
            if path.ndim != 2 or path.shape[1] != 3 or not np.isfinite(path).all():
                raise ValueError(f"{name} has shape {path.shape}; allowed: a list of finite [x, y, z], metres")


def whole(record: dict, folder: Path) -> dict:
    """A checked record with its pictures' paths from ``folder`` and its motions as arrays. Raises ValueError for a picture that is
    missing."""
    record = dict(record)
    for name in ("images", "depths"):
        record[name] = [folder / p for p in record.get(name, [])]
        for path in record[name]:
            if not path.is_file():
                raise ValueError(f"{name}: {path} is missing; allowed: an image file")
    for name in ("trajectory", "context"):
        if name in record:
            record[name] = np.asarray(record[name], np.float64)
    return record


class Hand3DSource:
    """Question and answer, or motion, as next-token prediction; the loss is on the answer alone.

    Motions that hardly leave their start are not trained on. Of the files only the places of the records are kept in memory."""

    def __init__(self, files: Sequence[Path], config: VipaConfig, processor: VipaProcessor, recipe: Recipe) -> None:
        self.records = open_records(files, VISUAL if recipe.data == "hand3d-visual" else ACTION)
        if not len(self.records):
            raise ValueError(
                f"{', '.join(map(str, files))}: no record with significant movement; allowed: at least one"
            )
        self.config, self.processor, self.recipe = config, processor, recipe
        self.motion = MotionTokenizer(config.text.vocab)
        order = np.random.default_rng(recipe.seed).permutation(len(self.records))
        held = min(len(order) - 1, HELD_OUT_MOST, max(1, round(recipe.held_out * len(order))))
        self.held_out, self.train = np.sort(order[:held]), np.sort(order[held:])

    def record(self, i: int) -> dict:
        """Record ``i`` (see ``whole``). Raises ValueError with file and line for a picture that cannot be read."""
        record, file = self.records[i]
        try:
            return whole(record, file.parent)
        except ValueError as error:
            raise ValueError(f"{self.records.place(i)}: {error}") from None

    def batch(self, indices: np.ndarray, rng: np.random.Generator | None) -> dict[str, Tensor]:
        rows = [self._sample(self.record(int(i))) for i in indices]
        views, length = max(len(r["pixels"]) for r in rows), max(len(r["input_ids"]) for r in rows)
        size, count = self.config.vision.image_size, len(rows)
        points = size // self.config.spatial.stride
        out = {
            "pixels": np.zeros((count, views, size, size, 3), np.uint8),
            "pointmap": np.zeros((count, views, points, points, 4), np.float32),
            "input_ids": np.full((count, length), self.processor.tokenizer.pad, np.int64),
            "attention_mask": np.zeros((count, length), bool),
            "labels": np.full((count, length), -100, np.int64),
        }
        for i, row in enumerate(rows):
            for key, value in row.items():
                out[key][i, : len(value)] = value
            out["attention_mask"][i, : len(row["input_ids"])] = True
        if not self.processor.uses_depth:
            del out["pointmap"]
        return {k: torch.from_numpy(v) for k, v in out.items()}

    @torch.no_grad()
    def validate(self, model: VipaForActionPrediction, move: Callable[[dict], dict]) -> dict[str, float]:
        """Mean loss and token accuracy on held-out records; of visual ones also the paper's measures of some greedy answers:
        ``distance_error_m`` and ``direction_score`` of 3 (not of a sharded model, which does not generate)."""
        sums: dict[str, float] = {}
        for start in range(0, len(self.held_out), 8):
            indices = self.held_out[start : start + 8]
            for key, value in model(move(self.batch(indices, None))).items():
                sums[key] = sums.get(key, 0.0) + float(value) * len(indices) / len(self.held_out)
        return sums if self.recipe.shard else sums | self._scores(model, move)

    def _scores(self, model: VipaForActionPrediction, move: Callable[[dict], dict]) -> dict[str, float]:
        found = []
        for i in self.held_out[:: max(1, len(self.held_out) // ASKED)]:
            score = self.scored(model, move, int(i))
            found += [] if score is None else [score]
        if not found:
            return {}
        errors, directions = zip(*found, strict=True)
        return {"distance_error_m": float(np.mean(errors)), "direction_score": float(np.mean(directions))}

    @torch.no_grad()
    def scored(self, model: VipaForActionPrediction, move: Callable[[dict], dict], i: int) -> tuple[float, int] | None:
        """Distance error, m, and direction score of 3 of what ``model`` answers to record ``i``; None for an action, and where the true
        answer has no distance in metres."""
        record, tokenizer = self.record(i), self.processor.tokenizer
        if record["type"] not in VISUAL or compared("", record["answer"]) is None:
            return None
        sample = self._sample(record)
        asked = int((sample.pop("labels") == -100).sum())
        batch = {k: torch.from_numpy(v[None]) for k, v in sample.items()}
        batch["input_ids"] = batch["input_ids"][:, :asked]
        said = model.model.generate(move(batch), LONGEST, tokenizer.end).tolist()
        return compared(tokenizer.decode([t for t in said if t != tokenizer.end]), record["answer"])

    def _sample(self, record: dict) -> dict[str, np.ndarray]:
        pixels, maps = [], []
        for i, path in enumerate(record["images"]):
            image = cv2.imread(str(path))
            if image is None:
                raise ValueError(f"{path} cannot be read; allowed: an image that OpenCV knows")
            image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
            depth = cv2.imread(str(record["depths"][i]), cv2.IMREAD_UNCHANGED) if record["depths"] else None
            k = np.asarray(record["intrinsics"][i], np.float64) if depth is not None else np.eye(3)
            view, small, k = make_view(image, depth, k, self.config.vision.image_size)
            pose = np.asarray(record["extrinsics"][i]) if "extrinsics" in record else np.eye(4)
            pixels.append(view)
            maps.append(lift_depth(small, k, pose, self.config.spatial.stride))
        question, answer = self._dialogue(record)
        ids = self.processor.ids(question, len(pixels))
        encode = self.processor.tokenizer.encode
        reply = [i for part in answer for i in (encode(part) if isinstance(part, str) else part.tolist())]
        reply.append(self.processor.tokenizer.end)
        labels = [-100] * len(ids) + reply
        out = {"pixels": np.stack(pixels), "input_ids": np.array(ids + reply), "labels": np.array(labels)}
        return out | ({"pointmap": np.stack(maps)} if self.processor.uses_depth else {})

    def _dialogue(self, record: dict) -> tuple[list, list]:
        """Question and answer parts (texts or motion ids); the action wordings are assumed."""
        if record["type"] in VISUAL:
            return [record["question"]], [record["answer"]]
        motion = self.motion.encode(record["trajectory"])
        if record["type"] == "motion_translation":
            return ["Describe this wrist motion: ", motion], [record["instruction"]]
        if record["type"] == "contextual_motion_prediction":
            context = self.motion.encode(record["context"])
            return [f"Task: {record['instruction']}. Continue this wrist motion: ", context], [motion]
        return [f"Task: {record['instruction']}. Give the wrist motion."], [motion]


def open_records(files: Sequence[Path], kinds: Sequence[str]) -> JsonLines:
    """The records of ``files``, each checked; of the action types those that move. Raises ValueError with file, line, what is wrong
    and what is allowed."""

    def keep(record: dict) -> bool:
        check(record, kinds)
        return "trajectory" not in record or moves(np.asarray(record["trajectory"], np.float64))

    return JsonLines(files, keep)


def prepare_hand3d(
    recipe: Recipe,
    files: Sequence[Path],
    start: Path | None,
    internvl: Path | None,
    changes: dict,
    spatial: Path | None = None,
):
    """Model, processor and source of stages 1 and 2; stage 2 extends the vocabulary when that was not done yet."""
    if start is not None:
        model, processor = VipaForActionPrediction.from_pretrained(start), VipaProcessor.from_pretrained(start)
    else:
        config = changed(VipaConfig.named("full" if internvl else recipe.size, motion_tokens=0), changes)
        model = make_model(config, recipe.seed, internvl, spatial)
        tokenizer = FolderTokenizer(internvl) if internvl else ByteTokenizer.train(_texts(files), config.text.vocab)
        processor = VipaProcessor(model.config, tokenizer)
    if recipe.stage == "2" and not model.config.motion_tokens:
        torch.manual_seed(recipe.seed)
        model.model.extend_vocabulary(MotionTokenizer(0).size)
        processor.motion_tokens = model.config.motion_tokens
    return model, processor, Hand3DSource(files, model.config, processor, recipe)


def _texts(files: Sequence[Path], most: int = 1000) -> list[str]:
    """What some of the records say, for a tokenizer of their own."""
    lines = JsonLines(files, lambda record: True)
    chosen = (lines[i][0] for i in range(0, len(lines), max(1, len(lines) // most)))
    return [r[k] for r in chosen for k in ("question", "answer", "instruction") if isinstance(r.get(k), str)]


def scale_factor(joint_depth: np.ndarray, estimated_depth: np.ndarray, visible: np.ndarray) -> float:
    """Scale that makes an estimated point cloud metric: the median over visible joints of true over estimated depth.

    joint_depth, estimated_depth: (J,) along the optical axis. visible: (J,) bool. Raises ValueError without one.
    """
    use = np.asarray(visible, bool) & (np.asarray(estimated_depth) > 0) & (np.asarray(joint_depth) > 0)
    if not use.any():
        raise ValueError("no visible joint with positive depth; allowed: at least one")
    return float(np.median(np.asarray(joint_depth)[use] / np.asarray(estimated_depth)[use]))


def moves(trajectory: np.ndarray, least: float = 0.02) -> bool:
    """Whether a wrist trajectory (T, 3) m leaves its start by ``least`` metres (assumed): others are not trained on."""
    return bool(np.linalg.norm(trajectory - trajectory[0], axis=1).max() >= least)
