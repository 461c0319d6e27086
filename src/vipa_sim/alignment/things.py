"""What can be asked about in a task's scene, by the words of the task, and where a hand goes there."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from vipa.commanders.expert.scripts import wipe_board
from vipa.commanders.expert.scripts.water_plant import CAN, CARRY, DISTANCE_M, GRASPS, LEAVES_M, NOZZLE, PLANT
from vipa.geometry import poses, rotation
from vipa.tasks.task import Task

HAND = "gripper"


@dataclass(frozen=True)
class Thing:
    """A point on a body. words: as questions name it. offset: (3,) metres in the body's frame."""

    words: str
    body: str
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def point(self, bodies: dict[str, np.ndarray]) -> np.ndarray:
        """Where it is, (3,) metres in the world, given each body's pose (7,)."""
        return poses.transform(bodies[self.body], self.offset)


@dataclass(frozen=True)
class Hold:
    """How a body is held from above. offset: (3,) metres in the body's frame, where the tool is. yaw: radians from the body's x to
    the line on which the fingers close. opening: least and largest of the hand around it. alike: its ends look alike, and the body's x is
    the one that points away from the robot."""

    body: str
    offset: tuple[float, float, float]
    yaw: float
    opening: tuple[float, float]
    alike: bool = False


@dataclass(frozen=True)
class Motion:
    """A motion of the hand. words: the instruction. goal: words of the thing that it goes to. held: words of what is in the hand
    then, "" for nothing. aims: what is held is pointed at the goal, from a distance. above: metres of the tool over the goal then."""

    words: str
    goal: str
    held: str = ""
    aims: bool = False
    above: float = 0.0


@dataclass(frozen=True)
class Vocabulary:
    """All that is said about a task's scene. slides: joint → range (m) in which it stands anywhere. tip: the task's, a body, or ""."""

    things: tuple[Thing, ...]
    motions: tuple[Motion, ...]
    holds: dict[str, Hold] = field(default_factory=dict)
    slides: dict[str, tuple[float, float]] = field(default_factory=dict)
    tip: str = ""

    def thing(self, words: str) -> Thing:
        """The thing of that name."""
        return next(t for t in self.things if t.words == words)

    def goal(self, motion: Motion, tool: np.ndarray, bodies: dict[str, np.ndarray]) -> tuple[np.ndarray, float]:
        """Where the tool, at pose (7,), goes: position (3,) m in the world, and the turn about the vertical, radians."""
        if motion.aims:
            return _aimed(tool, bodies)
        point, turn = self.thing(motion.goal).point(bodies) + [0.0, 0.0, motion.above], 0.0
        if motion.goal in self.holds and not motion.held:  # a gripper is symmetric: the nearer half turn
            hold = self.holds[motion.goal]
            turn = _half(_yaw(bodies[hold.body], 0) + hold.yaw - _yaw(tool, 1))
        return point, turn


def _aimed(tool: np.ndarray, bodies: dict[str, np.ndarray]) -> tuple[np.ndarray, float]:
    """Where the tool goes that holds the can, for its nozzle to point level at the plant, from where the can is."""
    can, plant, nozzle = (bodies[name] for name in (CAN, PLANT, NOZZLE))
    heading = float(np.arctan2(*(plant - can)[1::-1]))
    spout = poses.compose(poses.inverse(can), nozzle)[:3]
    end = plant[:3] - (DISTANCE_M + spout[0]) * np.array([np.cos(heading), np.sin(heading), 0.0])
    end[2] = max(plant[2] + LEAVES_M - spout[2], CARRY)
    held = poses.compose(poses.inverse(can), tool)
    turned = poses.compose(poses.pose(end, rotation.exp([0.0, 0.0, heading])), held)
    return turned[:3], _wrap(heading - _yaw(can, 0))


def _yaw(pose: np.ndarray, axis: int) -> float:
    """Angle in the horizontal plane of an axis of the pose (7,), radians."""
    along = poses.directions(pose, np.eye(3)[axis])
    return float(np.arctan2(along[1], along[0]))


def _wrap(angle: float) -> float:
    return float((angle + np.pi) % (2 * np.pi) - np.pi)


def _half(angle: float) -> float:
    return float((angle + np.pi / 2) % np.pi - np.pi / 2)


_CAN = Thing("watering can", "can", (0.0, 0.0, GRASPS["can"].height))
_CLOTH = Thing("cloth", "cloth", (0.0, 0.0, wipe_board.GRASP_M))
_FRUITS = ("apple", "banana", "plum")
_VOCABULARIES = {
    "water_plant": Vocabulary(
        things=(_CAN, Thing("nozzle", "can_nozzle"), Thing("plant", "plant", (0.0, 0.0, LEAVES_M))),
        motions=(
            Motion("pick up watering can", "watering can"),
            Motion("water the plant", "watering can"),
            Motion("water the plant", "plant", held="watering can", aims=True),
            Motion("locate plant", "plant", held="watering can", aims=True),
        ),
        holds={"watering can": Hold("can", _CAN.offset, 0.0, (0.40, 0.66))},
    ),
    "wipe_board": Vocabulary(
        things=(_CLOTH, Thing("whiteboard", "board"), Thing("nearest pen mark", "mark")),
        motions=(
            Motion("pick up cloth", "cloth"),
            Motion("wipe the whiteboard", "cloth"),
            *(
                Motion(words, "nearest pen mark", held="cloth", above=wipe_board.GRASP_M)
                for words in ("wipe the whiteboard", "wipe pen marks", "clean entire whiteboard")
            ),
        ),
        holds={"cloth": Hold("cloth", _CLOTH.offset, np.pi / 2, (0.50, 0.64), alike=True)},
    ),
    "put_three_obj": Vocabulary(
        things=(
            *(Thing(name, name) for name in _FRUITS),
            Thing("drawer", "drawer", (0.0, 0.0, 0.10)),
            Thing("drawer handle", "drawer_handle"),
        ),
        motions=(
            *(Motion(f"pick & place {fruit}", fruit) for fruit in _FRUITS),
            *(Motion(f"pick & place {fruit}", "drawer", held=fruit) for fruit in _FRUITS),
            *(Motion(f"take the {fruit}", fruit) for fruit in _FRUITS),
            Motion("open drawer", "drawer handle"),
            Motion("close drawer", "drawer handle"),
        ),
        holds={
            "apple": Hold("apple", (0.0, 0.0, 0.0), np.pi / 2, (0.80, 0.95)),
            "banana": Hold("banana", (0.0, 0.0, 0.0), np.pi / 2, (0.40, 0.60)),
            "plum": Hold("plum", (0.0, 0.0, 0.0), np.pi / 2, (0.55, 0.70)),
        },
        slides={"drawer": (0.0, 0.18)},
    ),
}


def vocabulary(task: Task, bodies: tuple[str, ...]) -> Vocabulary:
    """What is said about `task`; of a scene without words of its own each body by its name, and reaching for it."""
    if task.scene in _VOCABULARIES:
        return replace(_VOCABULARIES[task.scene], tip=task.tip)
    things = tuple(Thing(name.replace("_", " "), name) for name in bodies)
    return Vocabulary(things, tuple(Motion(f"reach for the {t.words}", t.words) for t in things), tip=task.tip)
