"""Question-answer and motion records (JSON lines) of the scenes in a folder, and what is in them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from vipa.errors import VipaError
from vipa.files import write_json
from vipa.human.records import ACTION_FILE, PAPER_SHARES, REPORT_FILE, VISUAL_FILE, VISUAL_TYPES
from vipa.tasks.task import load_task
from vipa_model.processing.directions import AXES, directions
from vipa_sim.alignment import questions
from vipa_sim.alignment.arrangement import PLACES
from vipa_sim.alignment.questions import Still
from vipa_sim.alignment.scenes import SCENES_FILE
from vipa_sim.alignment.things import Vocabulary, vocabulary
from vipa_sim.scenes import load_scene


class Shard:
    """The scenes of one shard of a folder."""

    def __init__(self, folder: Path, root: Path, words: Vocabulary, bodies: tuple[str, ...]) -> None:
        self.folder, self.name = folder, folder.relative_to(root).as_posix()
        self.words, self.bodies = words, bodies
        names = ("tool", "points", "bodies", "held", "place", "intrinsics", "extrinsics")
        self.arrays = {name: np.load(folder / f"{name}.npy") for name in names}

    def __len__(self) -> int:
        return len(self.arrays["tool"])

    def still(self, i: int) -> Still:
        """Scene `i`."""
        a = self.arrays
        held = int(a["held"][i])
        bodies = dict(zip(self.bodies, a["bodies"][i].astype(np.float64), strict=True))
        name = self.words.things[held].words if held >= 0 else ""
        return Still(
            a["tool"][i].astype(np.float64), a["points"][i].astype(np.float64), bodies, name, a["extrinsics"][i]
        )

    def pictures(self, places: list[tuple[int, int]]) -> dict:
        """The keys of a record that name its pictures, (scene, view) each."""
        names = {"images": "color", "depths": "depth"}
        out = {key: [f"{self.name}/{file}.npy#{i},{v}" for i, v in places] for key, file in names.items()}
        for key in ("intrinsics", "extrinsics"):
            out[key] = [np.round(self.arrays[key][i, v], 5).tolist() for i, v in places]
        return out


def read(folder: Path) -> tuple[dict, list[Shard]]:
    """The header and the shards of a folder of scenes. Raises VipaError where there are none."""
    file = folder / SCENES_FILE
    if not file.is_file():
        raise VipaError(f"{folder} has no {SCENES_FILE}; allowed: a folder of vipa dataset align")
    header = json.loads(file.read_text(encoding="utf-8"))
    task = load_task(header["task"])
    bodies = load_scene(task).bodies
    words = vocabulary(task, bodies)
    shards = [Shard(p, folder, words, bodies) for p in sorted((folder / "shards").iterdir()) if p.suffix != ".part"]
    if not shards:
        raise VipaError(f"{folder} has no whole shard of scenes; give the same command again")
    return header, shards


def write(folder: Path, seed: int = 0) -> dict:
    """Writes VISUAL_FILE, ACTION_FILE and REPORT_FILE of the scenes in `folder` and returns the report.

    Records of the same pictures stand together. Raises VipaError where there are no scenes."""
    header, shards = read(folder)
    report, views = Census(), range(len(header["cameras"]))
    parts = {name: folder / f".{name}.part" for name in (VISUAL_FILE, ACTION_FILE)}
    with ExitStack() as stack:
        files = {name: stack.enter_context(part.open("w", encoding="utf-8")) for name, part in parts.items()}
        for shard in shards:
            for i in range(len(shard)):
                rng = np.random.default_rng((seed, int(shard.folder.name), i))
                report.scene(shard, i)
                for number, (name, pictures, record) in enumerate(_records(shard, i, header["per_seed"], views, rng)):
                    report.record(record)
                    files[name].write(
                        json.dumps({"id": f"{shard.folder.name}-{i}-{number}"} | record | pictures) + "\n"
                    )
    for name, part in parts.items():
        part.replace(folder / name)
    write_json(folder / REPORT_FILE, report.as_dict())
    return report.as_dict()


def _records(
    shard: Shard, i: int, per_seed: int, views: range, rng: np.random.Generator
) -> Iterator[tuple[str, dict, dict]]:
    """(file, pictures, record) of scene `i`; movements are from the scene before, of the same objects."""
    still, pictures = shard.still(i), shard.pictures([(i, v) for v in views])
    for record in questions.visual(shard.words, still, rng):
        yield VISUAL_FILE, pictures, record
    for record in questions.action(shard.words, still, rng):
        yield ACTION_FILE, pictures, record
    if i % per_seed:
        for record in questions.movement(shard.still(i - 1), still, rng):
            yield VISUAL_FILE, shard.pictures([(i - 1, 0), (i, 0)]), record


class Census:
    """Counts what is in records: types, directions, distances, where the hand was, what was in it."""

    def __init__(self) -> None:
        self.types, self.places, self.held, self.said = Counter(), Counter(), Counter(), Counter()
        self.distances: dict[str, list[float]] = {}

    def scene(self, shard: Shard, i: int) -> None:
        """Counts a scene."""
        self.places[PLACES[int(shard.arrays["place"][i])]] += 1
        self.held[shard.still(i).held or "nothing"] += 1

    def record(self, record: dict) -> None:
        """Counts a record."""
        self.types[record["type"]] += 1
        vector = record.get("vector", record.get("goal", [])[:3])
        if vector:
            self.distances.setdefault(record["type"], []).append(float(np.linalg.norm(vector)))
            self.said.update(
                pair[0] if s > 0 else pair[1] for s, pair in zip(directions(vector), AXES, strict=True) if s
            )

    def as_dict(self) -> dict:
        """Shares and quantiles, as JSON types."""
        kinds = {True: 0, False: 0}
        for name, count in self.types.items():
            kinds[name in VISUAL_TYPES] += count
        types = {
            name: {"count": n, "share": round(n / kinds[name in VISUAL_TYPES], 4), "paper": PAPER_SHARES[name]}
            for name, n in self.types.items()
        }
        quantiles = {
            name: dict(zip(("p5", "p50", "p95"), np.quantile(d, (0.05, 0.5, 0.95)).round(3).tolist(), strict=True))
            for name, d in self.distances.items()
        }
        return {
            "scenes": self.places.total(),
            "types": types,
            "hand": dict(self.places),
            "in the hand": dict(self.held),
            "directions": dict(self.said),
            "distances_m": quantiles,
        }


def table(report: dict) -> str:
    """A report for people: how often each type of record is there, beside the paper, and what else was drawn."""
    lines = [
        f"{report['scenes']} scenes",
        f"{'type':34}{'records':>9}{'share':>8}{'paper':>8}{'distance, m: p5  p50  p95':>28}",
    ]
    for name, row in report["types"].items():
        spans = report["distances_m"].get(name, {})
        lines.append(
            f"{name:34}{row['count']:9}{row['share']:8.1%}{row['paper']:8.1%}"
            f"{'  '.join(f'{v:.2f}' for v in spans.values()):>28}"
        )
    for name in ("hand", "in the hand", "directions"):
        total = max(1, sum(report[name].values()))
        lines.append(f"{name}: " + ", ".join(f"{k} {v / total:.0%}" for k, v in sorted(report[name].items())))
    return "\n".join(lines)
