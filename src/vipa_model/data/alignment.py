"""Alignment data (`vipa dataset align`) as training batches: Hand3D-style records whose pictures are rows of arrays.

Records of the same pictures stand together in a file; a sample is such a group: its pictures once, and some of its records as turns
that see the pictures and themselves, never each other. Besides Hand3D's keys (vipa_model.data.hand3d) a record may have what it says
in numbers: `vector` (3,) m, `goal` (4,) m and radians, `target` and `tip` (3,) m in the base frame. A path `FILE.npy#I,J` is row I, J of an array. Memory stays flat: of a file
only the places of its groups are kept.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vipa_model.checked import read_json
from vipa_model.configuration_vipa import VipaConfig
from vipa_model.data.frames import augment
from vipa_model.data.hand3d import ACTION, VISUAL
from vipa_model.data.sights import sights
from vipa_model.network.modeling_vipa import VipaForActionPrediction
from vipa_model.processing.images import Crop, lift_depth
from vipa_model.processing.motion_tokens import MotionTokenizer
from vipa_model.processing.processing_vipa import VipaProcessor
from vipa_model.processing.tokenization_vipa import ByteTokenizer
from vipa_model.recipes import Recipe

HELD_OUT_MOST = 256  # groups kept for validation: the rest is trained on
SCENES_FILE = "scenes.json"  # beside the records, what was drawn
LENGTHS = 20  # batches are as long as a multiple of this: a compiled step is compiled for each length
_NUMBER = re.compile(r"\.\d+( degrees|m)?")


class Groups:
    """Where in JSONL files the records of the same pictures are. Raises ValueError with file and line for what is no record."""

    def __init__(self, files: Sequence[Path]) -> None:
        self.files = [Path(f) for f in files]
        rows = [(key, number, *span) for number, file in enumerate(self.files) for key, span in self._spans(file)]
        if not rows:
            raise ValueError(f"{', '.join(map(str, files))}: no records; allowed: files of vipa dataset align")
        rows.sort()
        self._rows = np.array([row[1:] for row in rows], np.int64)
        keys = np.array([row[0] for row in rows], np.uint64)
        self._firsts = np.concatenate([[0], np.flatnonzero(np.diff(keys)) + 1, [len(keys)]])

    def __len__(self) -> int:
        return len(self._firsts) - 1

    def read(self, i: int) -> tuple[Path, list[dict]]:
        """The folder that paths are relative to, and the records of group `i`."""
        records = []
        for number, start, stop in self._rows[self._firsts[i] : self._firsts[i + 1]]:
            with self.files[number].open("rb") as file:
                file.seek(start)
                records += [json.loads(line) for line in file.read(int(stop - start)).splitlines()]
        return self.files[number].parent, records

    def _spans(self, path: Path) -> Iterator[tuple[int, tuple[int, int]]]:
        """(key of the pictures, (first byte, one past the last)) of each run of lines with the same pictures."""
        last, start, at = None, 0, 0
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                images = _checked(line, path, number)["images"]
                if images != last:
                    if last is not None:
                        yield _key(path, last), (start, at)
                    last, start = images, at
                at += len(line)
        if last is not None:
            yield _key(path, last), (start, at)


def drawn(file: Path) -> bool:
    """Whether the pictures of ``file``'s first record are rows of arrays, as of scenes that `vipa dataset align TASK` draws. Raises
    ValueError for a file that begins with no record."""
    with file.open("rb") as lines:
        first = next((line for line in lines if not line.isspace()), b"")
    try:
        return any("#" in str(image) for image in json.loads(first)["images"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{file}: its first line is no record ({error!r}); allowed: a JSON object with images"
        ) from None


def _key(path: Path, images: list[str]) -> int:
    text = "\0".join([str(path.parent.resolve()), *images]).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


def _checked(line: bytes, file: Path, number: int) -> dict:
    try:
        record = json.loads(line)
        kind, size = record["type"], len(record["images"])
        if kind not in VISUAL + ACTION or not size == len(record["depths"]) == len(record["intrinsics"]):
            raise ValueError(f"type {kind!r}, {size} images; allowed: a known type, a depth and intrinsics an image")
        for key, count in (("vector", 3), ("goal", 4), ("target", 3), ("tip", 3)):
            if key in record and (len(record[key]) != count or not np.isfinite(record[key]).all()):
                raise ValueError(f"{key} is {record[key]}; allowed: {count} finite numbers")
        for key in ("question", "answer") if kind in VISUAL else ("instruction", "trajectory"):
            record[key]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{file}:{number}: {error!r}") from None
    return record


class AlignmentSource:
    """Groups of one or more files, with ``recipe.turns`` of each a sample."""

    def __init__(self, files: Sequence[Path], config: VipaConfig, processor: VipaProcessor, recipe: Recipe) -> None:
        self.groups, self.config, self.processor, self.recipe = Groups(files), config, processor, recipe
        self.motion = MotionTokenizer(config.text.vocab) if config.motion_tokens else None
        order = np.random.default_rng(recipe.seed).permutation(len(self.groups))
        held = min(len(order) - 1, HELD_OUT_MOST, max(1, round(recipe.held_out * len(order))))
        self.held_out, self.train = np.sort(order[:held]), np.sort(order[held:])
        self.encode = functools.lru_cache(65536)(lambda text: tuple(processor.tokenizer.encode(text)))

    def batch(self, indices: np.ndarray, rng: np.random.Generator | None) -> dict[str, Tensor]:
        """The batch of groups ``indices`` (see modeling_vipa), augmented with ``rng``, or plain and the first turns when None."""
        draw = np.random.default_rng(0) if rng is None else rng
        rows = [self._sample(int(i), draw, rng is not None) for i in indices]
        views, length = max(len(r["places"]) for r in rows), max(len(r["input_ids"]) for r in rows)
        length = -(-length // LENGTHS) * LENGTHS
        size, count, told = self.config.vision.image_size, len(rows), self.recipe.told
        out = {
            "input_ids": np.full((count, length), self.processor.tokenizer.pad, np.int64),
            "attention_mask": np.zeros((count, length), bool),
            "turns": np.zeros((count, length), np.int64),
            "labels": np.full((count, length), -100, np.int64),
            "vector": np.full((count, length, 3), np.nan, np.float32),
            "goal": np.full((count, 5), np.nan, np.float32),
            "target": np.full((count, told, 3), np.nan, np.float32),
            "tip": np.full((count, told, 3), np.nan, np.float32),
            "query_turn": np.zeros((count, told), np.int64),
        }
        images = np.zeros((count, views, size, size, 3), np.uint8)
        depth = np.zeros((count, views, size, size), np.uint16)
        intrinsics = np.tile(np.eye(3), (count, views, 1, 1))
        extrinsics = np.tile(np.eye(4), (count, views, 1, 1))
        for i, row in enumerate(rows):
            for key in ("input_ids", "turns", "labels", "vector"):
                out[key][i, : len(row[key])] = row[key]
            out["attention_mask"][i, : len(row["input_ids"])] = True
            for key in ("goal", "target", "tip", "query_turn"):
                out[key][i] = row[key]
            for v, (image, far, k, pose) in enumerate(row["places"]):
                images[i, v], depth[i, v], intrinsics[i, v], extrinsics[i, v] = read_row(image), read_row(far), k, pose
        if rng is not None and self.recipe.augmentation is not None:
            images, depth, intrinsics = augment(images, depth, intrinsics, self.recipe.augmentation, rng)
        out["pixels"] = images
        if self.config.look:
            out["sight"] = sights(out["target"], depth, intrinsics, extrinsics)
            for i, row in enumerate(rows):
                out["sight"][i, :, len(row["places"]) :] = np.nan
        if self.processor.uses_depth:
            out["pointmap"] = lift_depth(depth, intrinsics, extrinsics, self.config.spatial.stride)
        return {k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in out.items()}

    @torch.no_grad()
    def validate(self, model: VipaForActionPrediction, move: Callable[[dict], dict]) -> dict[str, float]:
        """Mean losses on held-out groups."""
        sums: dict[str, float] = {}
        for start in range(0, len(self.held_out), 32):
            indices = self.held_out[start : start + 32]
            for key, value in model(move(self.batch(indices, None))).items():
                sums[key] = sums.get(key, 0.0) + float(value) * len(indices) / len(self.held_out)
        return sums

    def _sample(self, index: int, rng: np.random.Generator, draw: bool) -> dict:
        folder, records = self.groups.read(index)
        said = [r for r in records if r["type"] in VISUAL or self.motion is not None]
        chosen = rng.permutation(len(said))[: self.recipe.turns] if draw else range(min(self.recipe.turns, len(said)))
        views = len(records[0]["images"])
        ids = [self.processor.image_token] * (self.processor.view_tokens * views)
        turns, labels, vectors, goal, number = [0] * len(ids), [-100] * len(ids), {}, np.full(5, np.nan), 0
        for i in chosen:
            number += 1
            question, answer = self._dialogue(said[i])
            if "vector" in said[i]:
                vectors[len(ids) + len(question) - 1] = said[i]["vector"]
            ids += question + answer
            labels += [-100] * len(question) + answer
            turns += [number] * (len(question) + len(answer))
        asked = next((r for r in records if "goal" in r), None)
        told = [] if asked is None else [asked, *self._otherwise(asked, rng if draw else None)]
        query_turn = np.arange(number + 1, number + 1 + self.recipe.told)
        points = {key: np.full((self.recipe.told, 3), np.nan) for key in ("target", "tip")}
        for i, record in enumerate(told):
            text = [*self.encode(record["instruction"]), self.processor.tokenizer.end]
            ids += text
            labels += [-100] * len(text)
            turns += [query_turn[i]] * len(text)
            for key in points.keys() & record.keys():
                points[key][i] = record[key]
        if asked is not None:
            *way, turn = asked["goal"]
            goal = np.array([*way, np.sin(turn), np.cos(turn)])
        vector = np.full((len(ids), 3), np.nan)
        for place, value in vectors.items():
            vector[place] = value
        eye = [np.eye(4).tolist()] * views
        names = [[str(folder / p) for p in records[0][key]] for key in ("images", "depths")]
        places = list(zip(*names, records[0]["intrinsics"], records[0].get("extrinsics", eye), strict=True))
        return {
            "input_ids": ids, "turns": turns, "labels": labels, "vector": vector, "places": places, "goal": goal,
            "query_turn": query_turn, **points,
        }  # fmt: skip

    def _otherwise(self, asked: dict, rng: np.random.Generator | None) -> list[dict]:
        """What else could be told in the same pictures, ``recipe.told`` - 1 of it: drawn, or the first when ``rng`` is None."""
        others = asked.get("others", [])
        order = range(len(others)) if rng is None else rng.permutation(len(others))
        return [others[i] for i in order][: self.recipe.told - 1]

    def _dialogue(self, record: dict) -> tuple[list[int], list[int]]:
        """Ids of a question and of its answer, with their ends; the wordings of motions are Hand3DSource's."""
        if record["type"] in VISUAL:
            question, answer = [record["question"]], [record["answer"]]
        else:
            motion, text = self.motion.encode(np.array(record["trajectory"])).tolist(), record["instruction"]
            if record["type"] == "motion_translation":
                question, answer = ["Describe this wrist motion: ", motion], [text]
            elif record["type"] == "contextual_motion_prediction":
                context = self.motion.encode(np.array(record["context"])).tolist()
                question, answer = [f"Task: {text}. Continue this wrist motion: ", context], [motion]
            else:
                question, answer = [f"Task: {text}. Give the wrist motion."], [motion]
        end = [self.processor.tokenizer.end]
        asked, said = (
            [i for p in parts for i in (self.encode(p) if isinstance(p, str) else p)] for parts in (question, answer)
        )
        return asked + end, said + end


@functools.lru_cache(4096)
def _array(path: str) -> np.ndarray:
    return np.load(path, mmap_mode="r", allow_pickle=False)


def read_row(place: str) -> np.ndarray:
    """Row ``FILE.npy#I,J`` of an array on disk."""
    file, _, row = place.rpartition("#")
    return _array(file)[tuple(int(i) for i in row.split(","))]


def prepare_alignment(
    recipe: Recipe, files: Sequence[Path], start: Path | None, changes: dict
) -> tuple[VipaForActionPrediction, VipaProcessor, AlignmentSource]:
    """Model, processor and source of the small alignment stages; stage 2 extends the vocabulary when that was not done yet."""
    from vipa_model.configuration_vipa import changed

    crops = _crops(files)
    if start is not None:
        model, processor = VipaForActionPrediction.from_pretrained(start), VipaProcessor.from_pretrained(start)
    else:
        config = changed(VipaConfig.named(recipe.size, vectors=True, answers=True, look=True, **_asked(files)), changes)
        torch.manual_seed(recipe.seed)
        model = VipaForActionPrediction(config)
        processor = VipaProcessor(config, ByteTokenizer.train(sorted(_texts(files)), config.text.vocab), crops)
    if recipe.stage.startswith("2") and not model.config.motion_tokens:
        torch.manual_seed(recipe.seed)
        model.model.extend_vocabulary(MotionTokenizer(0).size)
        processor.motion_tokens = model.config.motion_tokens
    return model, processor, AlignmentSource(files, model.config, processor, recipe)


def _asked(files: Sequence[Path]) -> dict[str, bool]:
    """Of target and tip, which the records' first groups have."""
    groups = Groups(files)
    found = {key for i in range(min(len(groups), 100)) for record in groups.read(i)[1] for key in record}
    return {key: key in found for key in ("target", "tip")}


def _crops(files: Sequence[Path]) -> dict[str, Crop]:
    """What part of each camera's picture the views are, as the files' folders say. Raises ValueError where they differ."""
    headers = {Path(f).parent: Path(f).parent / SCENES_FILE for f in files}
    crops = [read_json(h).get("crops", {}) if h.is_file() else {} for h in headers.values()]
    if any(c != crops[0] for c in crops):
        said = ", ".join(f"{folder} {c}" for folder, c in zip(headers, crops, strict=True))
        raise ValueError(
            f"scenes are cropped differently: {said}; allowed: the same for all, as a policy crops in one way"
        )
    return {camera: Crop(*edges) for camera, edges in crops[0].items()}


def _texts(files: Sequence[Path], most: int = 1000) -> set[str]:
    """Questions, answers without their decimals (a digit stays a token of its own), and instructions."""
    texts: set[str] = set()
    groups = Groups(files)
    for i in range(0, len(groups), max(1, len(groups) // most)):
        for record in groups.read(i)[1]:
            if record["type"] in VISUAL:
                texts |= {record["question"], _NUMBER.sub(".", record["answer"])}
            else:
                texts |= {record["instruction"], f"Task: {record['instruction']}. Give the wrist motion."}
    return texts
