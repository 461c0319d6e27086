"""Arranges a cell without physics: the arm somewhere, perhaps with a thing in its hand, cameras and colours drawn anew."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from vipa.geometry import poses, rotation
from vipa.robot.description import Camera
from vipa.robot.state import CameraFrame
from vipa_sim.alignment.things import Hold, Vocabulary
from vipa_sim.cell import SimCell
from vipa_sim.placement_ik import Reach, gripping
from vipa_sim.render import Renderer
from vipa_sim.snapshot import Appearance

PLACES = ("home", "free", "over", "around", "held")
SHARES = (0.10, 0.22, 0.26, 0.14, 0.28)  # of arrangements, in the order of PLACES
LOW, HIGH = (0.30, -0.42, 0.10), (0.66, 0.42, 0.46)  # metres, where the tool goes
TRIES = 12
WRIST_SHIFT, WRIST_TURN = 0.004, np.radians(1.5)  # a wrist camera's mounting, at most
FAR_SHIFT, FAR_TURN = 0.12, np.radians(5.0)  # a fixed camera's: metres and radians, wider than episodes have
RECOLOURED = ("pot", "table_top", "cloth")  # materials that may have any colour


@dataclass(frozen=True)
class Arrangement:
    """One still scene. frames: camera → picture. tool: (7,) pose in the world. opening: 0 closed to 1 open. held: words of what is in
    the hand, or "". bodies: name → (7,) pose in the world. place: which of PLACES."""

    frames: dict[str, CameraFrame]
    tool: np.ndarray
    opening: float
    held: str
    bodies: dict[str, np.ndarray]
    place: str


class Arranger:
    """Draws arrangements of a cell's scenes. One thread."""

    def __init__(self, cell: SimCell, words: Vocabulary) -> None:
        self.cell, self.words = cell, words
        self.arm = cell.robot.arms[0]
        self._reach = Reach(cell.model, self.arm)
        self._renderer = Renderer(cell)

    def close(self) -> None:
        """Frees what draws."""
        self._renderer.close()

    def begin(self, seed: int) -> None:
        """A new scene: objects and looks as `seed` draws them."""
        self.cell.reset(seed)
        self._start = dict(self.cell.truth().poses)
        self._look = recoloured(self.cell.snapshot().appearance, np.random.default_rng((seed, 21)))

    def draw(self, rng: np.random.Generator) -> Arrangement:
        """The arm somewhere in the scene; what it holds is elsewhere than at the start."""
        place = str(rng.choice(PLACES, p=SHARES))
        place = place if self.words.holds or place != "held" else "free"
        for _ in range(TRIES):
            drawn = self._posed(place, rng)
            if drawn is not None:
                break
        else:
            drawn = self._home(rng)
            place = "home"
        joints, opening, held, moved = drawn
        slides = {joint: float(rng.uniform(*limits)) for joint, limits in self.words.slides.items()}
        self.cell.arrange(self._joints(joints, opening) | slides, moved)
        truth, links = self.cell.truth(), self.cell.link_poses()
        return Arrangement(self._pictures(rng), links[self.arm.tool_frame], opening, held, dict(truth.poses), place)

    # ---- the arm

    def _posed(self, place: str, rng: np.random.Generator):
        """(joints, opening, held words, moved bodies) of one try, or None where the arm does not reach."""
        if place == "home":
            return self._home(rng)
        yaw = rng.uniform(-np.pi, np.pi)
        tilt = Rotation.from_rotvec([*rng.normal(0, 0.06, 2), 0.0]).as_matrix()
        held, moved, opening = "", {}, float(rng.choice([1.0, rng.uniform(0.3, 1.0)]))
        position = rng.uniform(LOW, HIGH)
        if place in ("over", "around"):
            name = str(rng.choice(list(self.words.holds) or [t.words for t in self.words.things]))
            hold = self._hold(name)
            grasp = poses.transform(self._start[hold.body], hold.offset)
            wide, high = (0.05, (0.02, 0.24)) if place == "over" else (0.006, (-0.004, 0.05))
            position = grasp + [*rng.normal(0, wide, 2), rng.uniform(*high)]
            yaw = self._line(hold) + rng.normal(0, 0.4 if place == "over" else 0.08) + np.pi * rng.integers(2)
        if place == "held":
            held = str(rng.choice(list(self.words.holds)))
            opening = float(rng.uniform(*self.words.holds[held].opening))
            lowest = self.words.holds[held].offset[2]
            position[2] = rng.uniform(lowest + 0.005, max(lowest + 0.16, 0.3))
            tilt = np.eye(3)
        rotation = tilt @ gripping(yaw)
        joints = self._reach.solve(position, rotation)
        if joints is None:
            return None
        if held:
            moved = {self.words.holds[held].body: self._in_hand(self.words.holds[held], position, yaw, rng)}
        return joints, opening, held, moved

    def _hold(self, name: str) -> Hold:
        """How the thing `name` would be held; of those that never are, somehow."""
        thing = self.words.thing(name)
        return self.words.holds.get(name) or Hold(thing.body, thing.offset, 0.0, (0.5, 1.0))

    def _home(self, rng: np.random.Generator):
        return np.add(self.arm.home, rng.normal(0, 0.02, len(self.arm.home))), 1.0, "", {}

    def _line(self, hold: Hold) -> float:
        """Angle in the world of the line on which fingers close around what stands at its start."""
        x = poses.directions(self._start[hold.body], [1.0, 0.0, 0.0])
        return float(np.arctan2(x[1], x[0])) + hold.yaw

    def _in_hand(self, hold: Hold, tool: np.ndarray, yaw: float, rng: np.random.Generator) -> np.ndarray:
        """Pose (7,) of a body in a hand at `tool` (3,) that closes along `yaw`: not quite as it should be."""
        turned = yaw - hold.yaw + np.pi * rng.integers(2)
        if hold.alike and np.cos(turned) < 0:
            turned += np.pi
        turn = rotation.exp([0.0, 0.0, turned + rng.normal(0, 0.08)])
        return poses.pose(tool - rotation.rotate(turn, hold.offset) + rng.normal(0, 0.006, 3), turn)

    def _joints(self, joints: np.ndarray, opening: float) -> dict[str, float]:
        """Joint → position of arm and hand."""
        out = dict(zip(self.arm.joints, map(float, joints), strict=True))
        if self.arm.hand:
            hand = self.arm.hand
            for name, closed, opened in zip(hand.joints, hand.closed, hand.open, strict=True):
                out[name] = closed + opening * (opened - closed)
        return out

    # ---- the looks

    def _pictures(self, rng: np.random.Generator) -> dict[str, CameraFrame]:
        snapshot = self.cell.snapshot()
        described = {camera.name: shaken(camera, rng) for camera in self.cell.robot.cameras}
        cameras = {
            name: dataclasses.replace(described[name], width=built.width, height=built.height)
            for name, built in self.cell.cameras.items()
        }
        snapshot = dataclasses.replace(snapshot, appearance=self._look, cameras=cameras)
        return {name: self._renderer.frame(snapshot, name) for name in self.cell.cameras}


def recoloured(appearance: Appearance, rng: np.random.Generator) -> Appearance:
    """`appearance` in other light, its RECOLOURED materials often of another colour."""
    looks = dict(appearance.materials)
    for name in RECOLOURED:
        if name in looks and rng.random() < 0.6:
            looks[name] = (*map(float, rng.uniform(0.08, 0.95, 3)), looks[name][3])
    return dataclasses.replace(appearance, materials=looks, light=appearance.light * float(rng.uniform(0.75, 1.25)))


def shaken(camera: Camera, rng: np.random.Generator) -> Camera:
    """`camera` mounted a little differently: fixed ones by FAR_SHIFT and FAR_TURN, those on a link by the tolerances of a mounting."""
    shift, turn = (FAR_SHIFT, FAR_TURN) if camera.parent == "world" else (WRIST_SHIFT, WRIST_TURN)
    turned = Rotation.from_euler("xyz", camera.rpy) * Rotation.from_rotvec(rng.uniform(-turn, turn, 3))
    position = [float(p) for p in np.add(camera.position, rng.uniform(-shift, shift, 3))]
    return dataclasses.replace(camera, position=position, rpy=[float(a) for a in turned.as_euler("xyz")])
