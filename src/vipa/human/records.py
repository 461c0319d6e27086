"""Alignment records (vipa_model.data.hand3d's form) of clips: questions with answers, and motions of wrists."""

import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vipa import files
from vipa.errors import VipaError
from vipa.geometry.camera_turn import turn_words
from vipa.human.clip import Clip
from vipa.human.scale import calibration_scale, metric_depth
from vipa_model.processing.directions import direction_words

VISUAL_FILE, ACTION_FILE, REPORT_FILE = "visual.jsonl", "action.jsonl", "report.json"
VISUAL_TYPES = ("task_completion", "spatial_relationship", "hand_movement", "camera_movement")
PAPER_SHARES = {  # of types, tables 6 and 7 of the supplement
    "task_completion": 0.687, "spatial_relationship": 0.249, "hand_movement": 0.062, "camera_movement": 0.001,
    "instructional_motion_generation": 0.592, "contextual_motion_prediction": 0.272, "motion_translation": 0.136,
}  # fmt: skip
STEPS = 8  # points of a trajectory
SECONDS = 2.0  # that a trajectory goes on, at most
LEAST_M = 0.02  # less is no movement, and not asked about
LEAST_TURN = 1.0  # degrees, likewise of a camera
CONTEXTUAL, TRANSLATION = 0.27, 0.14  # shares of action records, as in the paper's table 7


def of_clip(clip: Clip, rng: np.random.Generator) -> Iterator[tuple[tuple[int, ...], dict[str, Any]]]:
    """(pictures, record without its id and pictures) about a picture a second. Vectors are in the frame of the first picture's camera."""
    step = max(1, round(clip.fps))
    for at in range(0, len(clip), step):
        for record in _relations(clip, at):
            yield (at,), record
        for hand in clip.hands:
            yield from _of_hand(clip, hand, at, step, rng)
        if clip.cameras is not None and at + step < len(clip):
            a, b = clip.cameras[at][:3, :3], clip.cameras[at + step][:3, :3]
            answer = turn_words(a, b)
            if float(answer.split()[1]) >= LEAST_TURN:
                question = "How did the camera turn from the first picture to the second?"
                yield (at, at + step), {"type": "camera_movement", "question": question, "answer": answer}


def _relations(clip: Clip, at: int) -> Iterator[dict[str, Any]]:
    """Where each thing is from each hand, and one hand from the other."""
    hands = {name: joints[at, 0] for name, joints in clip.hands.items()}
    pairs = [(thing, where[at], hand) for thing, where in clip.things.items() for hand in hands]
    pairs += [(a, hands[a], b) for a, b in itertools.combinations(sorted(hands), 2)]
    for thing, where, hand in pairs:
        vector = where - hands[hand]
        if np.isfinite(vector).all() and np.linalg.norm(vector) >= LEAST_M:
            question = f"Where is the {thing} in relation to the {hand}, and how far away is it?"
            yield {"type": "spatial_relationship", "question": question, "answer": direction_words(vector)}


def _of_hand(clip: Clip, hand: str, at: int, step: int, rng) -> Iterator[tuple[tuple[int, ...], dict[str, Any]]]:
    wrist = clip.hands[hand][:, 0]
    known = np.flatnonzero(np.isfinite(wrist).all(axis=1))
    later = known[known > at]
    if at not in known or not len(later):
        return
    way = clip.seen_from(at, wrist[later], later)
    goal = way[-1] - wrist[at]
    if np.linalg.norm(goal) >= LEAST_M:
        question = f"How should the {hand} move to {clip.instruction}?"
        yield (at,), {"type": "task_completion", "question": question, "answer": direction_words(goal)}
    if at + step in later:
        moved = way[list(later).index(at + step)] - wrist[at]
        if np.linalg.norm(moved) >= LEAST_M:
            question = f"How did the {hand} move from the first picture to the second?"
            yield (at, at + step), {"type": "hand_movement", "question": question, "answer": direction_words(moved)}
    near = later <= at + SECONDS * clip.fps
    times, points = np.append(at, later[near]), np.vstack([wrist[at], way[near]])
    moments = np.linspace(at, times[-1], STEPS + 1)[1:]
    path = np.stack([np.interp(moments, times, points[:, i]) for i in range(3)], axis=1)
    if len(times) > 1 and np.linalg.norm(path - wrist[at], axis=1).max() >= LEAST_M:
        yield (at,), _motion(clip.instruction, path, rng)


def _motion(instruction: str, path: np.ndarray, rng: np.random.Generator) -> dict[str, Any]:
    """One of the three types of action records, as often as in the paper."""
    points = (np.round(path, 4) + 0.0).tolist()  # no -0.0
    draw = rng.random()
    if draw < TRANSLATION:
        return {"type": "motion_translation", "instruction": instruction, "trajectory": points}
    if draw < TRANSLATION + CONTEXTUAL:
        cut = int(rng.integers(1, STEPS - 2))
        parts = {"context": points[:cut], "trajectory": points[cut:]}
        return {"type": "contextual_motion_prediction", "instruction": instruction} | parts
    return {"type": "instructional_motion_generation", "instruction": instruction, "trajectory": points}


def write(
    clips: Iterable[Clip],
    out: Path,
    seed: int = 0,
    limit: int | None = None,
    depth: Path | None = None,
    captions: dict[str, str] | None = None,
    progress: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """Writes visual.jsonl, action.jsonl, their pictures and report.json to the new folder `out`; returns the report.

    limit: clips, None: all. depth: folder of estimated depth KEY-NNNNNN.npy, brought to metres by each picture's joints; else the source's own.
    A picture without such a file, or without a joint in it, has no depth; the latter are counted in the report.
    captions: other instructions by key. Raises VipaError if there is no clip, or a file cannot be read; then nothing is left.
    """
    counts: Counter[str] = Counter()
    seen = unscaled = 0
    with files.new_folder(out) as folder:
        (folder / "pictures").mkdir()
        with (
            (folder / VISUAL_FILE).open("w", encoding="utf-8") as visual,
            (folder / ACTION_FILE).open("w", encoding="utf-8") as action,
        ):
            for clip in clips:
                if limit is not None and seen >= limit:
                    break
                shown = _Pictures(clip, folder, depth)
                if captions and clip.key in captions:
                    clip = Clip(**{**clip.__dict__, "instruction": captions[clip.key]})
                for number, (places, record) in enumerate(of_clip(clip, np.random.default_rng((seed, seen)))):
                    line = {"id": f"{clip.key}-{number}"} | record | shown.keys(places)
                    (visual if record["type"] in VISUAL_TYPES else action).write(json.dumps(line) + "\n")
                    counts[record["type"]] += 1
                seen += 1
                unscaled += shown.unscaled
                if progress:
                    progress(seen)
        if not seen:
            raise VipaError(
                "no clip is there; allowed: a folder in the layout that is named, or runs in which a sub-task was done"
            )
        report = _report(seen, unscaled, counts)
        files.write_json(folder / REPORT_FILE, report)
    return report


class _Pictures:
    """Writes each picture of a clip once, when a record wants it."""

    def __init__(self, clip: Clip, folder: Path, depth: Path | None):
        self.clip, self.folder, self.depth = clip, folder, depth
        self.known: dict[int, tuple[str, str | None]] = {}
        self.unscaled = 0  # pictures whose estimated depth no joint brings to metres

    def keys(self, places: tuple[int, ...]) -> dict[str, Any]:
        """images, and depths with intrinsics where all of them have depth."""
        made = [self._made(place) for place in places]
        found: dict[str, Any] = {"images": [image for image, _ in made]}
        if all(depth for _, depth in made):
            found |= {"depths": [depth for _, depth in made], "intrinsics": [self.clip.intrinsics.tolist()] * len(made)}
        return found

    def _made(self, place: int) -> tuple[str, str | None]:
        if place not in self.known:
            name = f"{self.clip.key}-{place:06d}"
            image, depth = f"pictures/{name}.jpg", self._depth(place, name)
            _save(self.folder / image, cv2.cvtColor(self.clip.picture(place), cv2.COLOR_RGB2BGR))
            if depth is not None:
                _save(self.folder / f"pictures/{name}.png", depth)
            self.known[place] = image, None if depth is None else f"pictures/{name}.png"
        return self.known[place]

    def _depth(self, place: int, name: str) -> np.ndarray | None:
        if self.depth is None:
            return None if self.clip.depth is None else self.clip.depth(place)
        path = self.depth / f"{name}.npy"
        if not path.is_file():
            return None
        try:
            estimated = np.load(path, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise VipaError(f"{path}: {error}") from None
        joints = np.concatenate([joints[place] for joints in self.clip.hands.values()])
        if estimated.shape != self.clip.picture(place).shape[:2]:
            raise VipaError(f"{path}: {estimated.shape}; allowed: as high and wide as the picture")
        scale = calibration_scale(joints, estimated, self.clip.intrinsics)
        if scale is None:
            self.unscaled += 1
            return None
        return metric_depth(estimated, scale)


def _save(path: Path, image: np.ndarray) -> None:
    good, data = cv2.imencode(path.suffix, image)
    if not good:
        raise VipaError(f"{path}: OpenCV cannot write it")
    path.write_bytes(data.tobytes())


def table(report: dict[str, Any]) -> str:
    """A report for people: how often each type is there, beside the paper's tables 6 and 7."""
    rows = [
        f"  {name:34}{row['count']:9}{row['share']:8.1%}  paper {row['paper']:.1%}"
        for name, row in report["types"].items()
    ]
    return "\n".join(rows)


def _report(clips: int, unscaled: int, counts: Counter[str]) -> dict[str, Any]:
    totals = {kind: sum(n for name, n in counts.items() if (name in VISUAL_TYPES) == kind) for kind in (True, False)}
    types = {
        name: {
            "count": counts[name],
            "share": round(counts[name] / max(1, totals[name in VISUAL_TYPES]), 4),
            "paper": share,
        }
        for name, share in PAPER_SHARES.items()
    }
    return {"clips": clips, "unscaled_pictures": unscaled, "types": types}
