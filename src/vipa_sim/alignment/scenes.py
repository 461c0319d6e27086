"""Still scenes on disk: arrays a shard, drawn in parallel, resumed where an interrupted call stopped.

scenes.json                     what was drawn: task, cameras, crops, sizes
shards/<first seed>/color.npy   (N, V, s, s, 3) uint8 RGB
                    depth.npy   (N, V, s, s) uint16 mm
                    intrinsics.npy (N, V, 3, 3), extrinsics.npy (N, V, 4, 4) float32, base from optical
                    tool.npy    (N, 7) pose in the base frame      opening.npy (N,)
                    points.npy  (N, P, 3) float32 m, the things of scenes.json in the base frame
                    bodies.npy  (N, B, 7) float32, poses of the scene's bodies
                    held.npy    (N,) int8, index of the thing in the hand or -1     place.npy (N,) int8
"""

from __future__ import annotations

import json
import multiprocessing
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from vipa.errors import VipaError
from vipa.robot.description import load_robot
from vipa.tasks.task import load_task
from vipa_model.processing.images import Crop, make_view

SCENES_FILE = "scenes.json"
SCHEMA = "vipa/alignment-scenes/1"
SHARD = 40  # seeds a shard


@dataclass(frozen=True)
class SceneConfig:
    """What to draw. per_seed: arrangements of the same objects. image_size: pixels of the square views. crops: camera →
    [left, top, right, bottom] as fractions; not named: the whole."""

    task: str
    per_seed: int = 5
    image_size: int = 128
    crops: dict[str, list[float]] = field(default_factory=dict)


def collect(config: SceneConfig, out: Path, seeds: range, jobs: int = 1) -> Iterator[int]:
    """Draws `seeds` into `out` and yields how many scenes each shard has; shards that are there are not drawn again.

    Raises VipaError if `out` holds something else."""
    _begin(config, out)
    firsts = list(range(seeds.start, seeds.stop, SHARD))
    todo = [(first, min(first + SHARD, seeds.stop)) for first in firsts]
    context = multiprocessing.get_context("spawn")  # an OpenGL context does not survive a fork
    with context.Pool(jobs, _start, (config, out)) as pool:
        yield from pool.imap(_draw, todo)


def described(config: SceneConfig) -> dict:
    """The content of SCENES_FILE."""
    from vipa_sim.alignment.things import vocabulary
    from vipa_sim.scenes import load_scene

    task = load_task(config.task)
    words = vocabulary(task, load_scene(task).bodies)
    return {
        "schema": SCHEMA,
        **asdict(config),
        "cameras": list(task.cameras),
        "things": [t.words for t in words.things],
    }


def _begin(config: SceneConfig, out: Path) -> None:
    wanted, file = described(config), out / SCENES_FILE
    if file.is_file():
        found = json.loads(file.read_text(encoding="utf-8"))
        for key, value in wanted.items():
            if found.get(key) != value:
                raise VipaError(
                    f"{out} has scenes with {key} {found.get(key)!r}; asked: {value!r}. Name another folder"
                )
        return
    try:
        for camera, edges in config.crops.items():
            if camera not in wanted["cameras"]:
                raise VipaError(f"crop of camera {camera}; allowed: {', '.join(wanted['cameras'])}")
            Crop(*edges)
    except ValueError as error:
        raise VipaError(str(error)) from None
    (out / "shards").mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(wanted, indent=2) + "\n", encoding="utf-8")


class Drawer:
    """Draws shards in one process, reusing its cell."""

    def __init__(self, config: SceneConfig, out: Path) -> None:
        from vipa_sim.alignment.arrangement import Arranger
        from vipa_sim.alignment.things import vocabulary
        from vipa_sim.cell import SimCell

        self.config, self.out = config, out
        task = load_task(config.task)
        self.cell = SimCell(load_robot(task.robot), task)
        self.words = vocabulary(task, self.cell.scene.bodies)
        self.arranger = Arranger(self.cell, self.words)
        self.crops = {c: Crop(*v) for c, v in config.crops.items()}

    def draw(self, first: int, stop: int) -> int:
        """The shard of seeds `first` to `stop`: how many scenes it has."""
        folder = self.out / "shards" / f"{first:08d}"
        if folder.is_dir():
            return len(np.load(folder / "tool.npy", mmap_mode="r"))
        rows = []
        for seed in range(first, stop):
            self.arranger.begin(seed)
            rng = np.random.default_rng((seed, 20))
            rows += [self._row(self.arranger.draw(rng)) for _ in range(self.config.per_seed)]
        part = folder.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        for key in rows[0]:
            np.save(part / f"{key}.npy", np.stack([row[key] for row in rows]))
        part.rename(folder)
        return len(rows)

    def _row(self, scene) -> dict[str, np.ndarray]:
        from vipa_sim.alignment.arrangement import PLACES

        names = [t.words for t in self.words.things]
        frames = [scene.frames[c] for c in self.cell.cameras]
        size = self.config.image_size
        views = [make_view(f.color, f.depth, f.intrinsics, size, self.crops.get(f.name)) for f in frames]
        return {
            "color": np.stack([v[0] for v in views]),
            "depth": np.stack([v[1] for v in views]),
            "intrinsics": np.stack([v[2] for v in views]).astype(np.float32),
            "extrinsics": np.stack([f.extrinsics for f in frames]).astype(np.float32),
            "tool": scene.tool.astype(np.float32),
            "opening": np.float32(scene.opening),
            "points": np.stack([t.point(scene.bodies) for t in self.words.things]).astype(np.float32),
            "bodies": np.stack([scene.bodies[b] for b in self.cell.scene.bodies]).astype(np.float32),
            "held": np.int8(names.index(scene.held) if scene.held else -1),
            "place": np.int8(PLACES.index(scene.place)),
        }


_drawer: Drawer | None = None


def _start(config: SceneConfig, out: Path) -> None:
    global _drawer
    _drawer = Drawer(config, out)


def _draw(seeds: tuple[int, int]) -> int:
    return _drawer.draw(*seeds)
