"""Script: one arm takes the flower out of its holder and puts it into the vase, the other steadies the vase, the head looks on.

The side on which the holder stands says which arm takes the flower. What comes next follows from what is seen alone, never from
what came before: a policy that learns from it has no memory.
"""

from collections.abc import Callable

import numpy as np

from vipa.commanders.expert.goal import Goal, JointGoal, Skill
from vipa.commanders.expert.skills.look import height_of, look_at
from vipa.commanders.expert.skills.reach import stay
from vipa.commanders.expert.skills.slant import Slant, slanted
from vipa.commanders.expert.view import View
from vipa.geometry import poses, rotation
from vipa.robot.description import Robot

FLOWER, HOLDER, VASE = "flower", "holder", "vase"
RIM, NECK = 0.18, 0.12  # metres up the vase: its rim, and where it is steadied
GRIP_M = 0.18  # metres up the stem, where it is taken: the hand then ends 0.09 m over the rim, clear of the one that steadies
SHORT_M = 0.004  # metres that the tool stays short of the neck's axis: the palm is clear of the mouth, the pads end 9 mm ahead of it
# The hands come at a slant: level ones would meet the table, steeper ones have the palm's edge at the neck and the head of the flower
# behind it. Radians below level: of the hand at the stem and of the one at the neck
SLANT, SLANT_NECK = np.radians(35), np.radians(22)
# Azimuths of the hands, to the inside: at the holder, over the vase, and of the hand that steadies it. Those two then come from opposite
# sides, and neither arm comes near its joints' limits
FETCH, BRING, STEADY = np.radians(60), np.radians(75), np.radians(90)
HELD = 0.3  # opening below which a hand that touches the stem of 9 mm has it
FIRM = 0.40  # opening that is asked for about the neck of 36 mm: some 20 N a finger
LIFTED_M = 0.205  # metres of the stem's tip over the table: over the heads of the other flowers, and over the rim
OVER_M = 0.045  # metres of the tip over the rim, where it is aligned
# Metres that the tip may be off the axis of the vase, and radians that the stem may lean, for it to go down: the mouth leaves
# 22 mm, the neck 8 mm, and the hand goes on to line up on its way down
ALIGNED, STRAIGHT = 0.012, 0.12
WIDER = 1.4  # times these on the way down
DEEP_M = 0.085  # metres under the rim, where the tip is sent
LET_GO_M = 0.065  # metres under it, from where on the stem is let go of; it falls the rest
MOUTH_M = 0.027  # metres: inner radius of the mouth
PARTED = 0.40  # opening to let go: the stem is free, and the fingers are clear of the other hand
GONE_M = 0.07  # metres from the stem, from where on the hand is gone
NOISE = 0.4  # share of the disturbances with the flower in the hand
SLOW_M_S2 = 0.6  # m/s², with the flower in the hand


def parts(robot: Robot) -> dict[str, Callable[[View], Skill]]:
    """Both arms play the script, the first head looks."""
    heads = [group.name for group in robot.groups if group.kind == "head"]
    return {arm.name: script for arm in robot.arms[:2]} | dict.fromkeys(heads[:1], look)


def script(view: View) -> Skill:
    """One step after the other, each until another is due; the episode's end ends it."""
    while True:
        step = due(view)
        yield _goal(step, view, lambda v, step=step: due(v) != step)


def look(view: View) -> Skill:
    """At the flower until it is in the hand, then at the mouth of the vase."""

    def joints(view: View) -> np.ndarray:
        taken = _inside(view) or any(_holds(v) for v in view.world.views.values() if v.fingers)
        return look_at(view, height_of(view, VASE, RIM) if taken else height_of(view, FLOWER, GRIP_M))

    yield JointGoal(joints, near=0.0, timeout=float("inf"))


def due(view: View) -> str:
    """The step that is due for the arm of `view`."""
    return _due_taking(view) if _takes(view) else _due_steadying(view)


def _due_taking(view: View) -> str:
    depth, off, angle = _depth(view)
    inside = _inside(view)
    if _holds(view):
        if inside and depth > LET_GO_M:
            return "let go"
        wide = WIDER if inside or depth > -0.9 * OVER_M else 1.0
        if off > 2 * MOUTH_M and view.body(FLOWER)[2] < LIFTED_M:
            return "lift"
        if not _steadied(view):
            return "wait"
        return "lower" if off < wide * ALIGNED and angle < wide * STRAIGHT else "align"
    if inside:
        return "leave" if _from_stem(view) < GONE_M else "rest"
    return FLOWER_GRASP.due(view)


def _due_steadying(view: View) -> str:
    return "hold" if view.grasped(VASE) else VASE_GRASP.due(view)


def _goal(step: str, view: View, until: Callable[[View], bool]) -> Goal:
    if step in STEPS:
        return STEPS[step](view, until)
    return (FLOWER_GRASP if _takes(view) else VASE_GRASP).goal(step, view, until)


# what is seen


def _side(view: View) -> float:
    """1 for the left arm, -1 for the right one: where its home is."""
    return 1.0 if view.kinematics.forward(np.asarray(view.kinematics.spec.home))[1] > 0 else -1.0


def _takes(view: View) -> bool:
    """This arm takes the flower: the holder stands on its side."""
    return bool(view.body(HOLDER)[1] * _side(view) > 0)


def _holds(view: View) -> bool:
    return view.touched(FLOWER) and view.opening < HELD


def _steadied(view: View) -> bool:
    """The other arm has the vase."""
    return any(other.grasped(VASE) for other in view.world.views.values() if other.fingers and other is not view)


def _depth(view: View) -> tuple[float, float, float]:
    """How deep the stem's tip is under the rim and how far off the vase's axis, metres, and the angle between them, radians."""
    flower, vase = view.body(FLOWER), view.body(VASE)
    x, y, z = poses.transform(poses.inverse(vase), flower[:3])
    cosine = float(poses.directions(flower, [0.0, 0.0, 1.0]) @ poses.directions(vase, [0.0, 0.0, 1.0]))
    return RIM - float(z), float(np.hypot(x, y)), float(np.arccos(np.clip(cosine, -1.0, 1.0)))


def _inside(view: View) -> bool:
    """The tip is in the mouth of the vase."""
    depth, off, _ = _depth(view)
    return depth > 0.0 and off < MOUTH_M


def _from_stem(view: View) -> float:
    """Metres from the tool to the stem's line."""
    x, y, _ = poses.transform(poses.inverse(view.body(FLOWER)), view.tool[:3])
    return float(np.hypot(x, y))


# where to


def _at_stem(view: View) -> np.ndarray:
    return slanted(poses.transform(view.body(FLOWER), [0.0, 0.0, GRIP_M]), -_side(view) * FETCH, SLANT)


def _at_neck(view: View) -> np.ndarray:
    pose = slanted(poses.transform(view.body(VASE), [0.0, 0.0, NECK]), -_side(view) * STEADY, SLANT_NECK)
    return np.concatenate([poses.transform(pose, [0.0, 0.0, -SHORT_M]), pose[3:]])


FLOWER_GRASP = Slant(_at_stem, FLOWER, hand=0.0)
VASE_GRASP = Slant(_at_neck, VASE, hand=FIRM)


def _over_vase(view: View, height: float) -> np.ndarray:
    """Tool pose (7,) with which the stem, as the hand holds it, stands along the vase's axis, its tip `height` metres over the rim."""
    vase, flower, tool = view.body(VASE), view.body(FLOWER), view.tool
    stem, axis = (poses.directions(p, [0.0, 0.0, 1.0]) for p in (flower, vase))
    across = np.cross(stem, axis)
    size = float(np.linalg.norm(across))
    upright = across * (np.arctan2(size, float(stem @ axis)) / size) if size > 1e-9 else np.zeros(3)
    turn = rotation.multiply(rotation.exp(upright), tool[3:])
    # then about the axis, until the hand comes from its own side
    ahead = rotation.to_matrix(turn)[:, 2]
    away = -_side(view) * BRING - np.arctan2(ahead[1], ahead[0])
    away = (away + np.pi) % (2 * np.pi) - np.pi
    turn = rotation.normalised(rotation.multiply(rotation.exp(away * axis), turn))
    tip = poses.transform(poses.inverse(tool), flower[:3])  # in the tool's frame
    place = poses.transform(vase, [0.0, 0.0, RIM + height]) - rotation.to_matrix(turn) @ tip
    return np.concatenate([place, turn])


# the steps


def _lift(view: View, until) -> Goal:
    here = view.tool.copy()
    here[2] += 1.1 * LIFTED_M - view.body(FLOWER)[2]
    return Goal(
        lambda v: here, hand=0.0, speed=0.25, acceleration=SLOW_M_S2, near=0.0, until=until, target=FLOWER, noise=0.0
    )


def _wait(view: View, until) -> Goal:
    return Goal(stay(view), hand=0.0, near=0.0, until=until, noise=0.0)


def _align(view: View, until) -> Goal:
    def pose(view: View) -> np.ndarray:
        off = _depth(view)[1]
        return _over_vase(view, OVER_M + min(0.03, max(0.0, off - 2 * ALIGNED)))

    return Goal(
        pose,
        hand=0.0,
        speed=0.30,
        angular_speed=0.9,
        acceleration=SLOW_M_S2,
        near=0.0,
        until=until,
        target=VASE,
        noise=NOISE,
    )


def _lower(view: View, until) -> Goal:
    return Goal(
        lambda v: _over_vase(v, -DEEP_M), hand=0.0, speed=0.10, angular_speed=0.6, acceleration=SLOW_M_S2, near=0.0, until=until,
        target=VASE, noise=0.0,
    )  # fmt: skip


def _let_go(view: View, until) -> Goal:
    return Goal(stay(view), hand=PARTED, near=0.0, until=until, target=VASE, noise=0.0)


def _leave(view: View, until) -> Goal:
    at = view.tool.copy()
    out = np.concatenate([poses.transform(at, [0.0, 0.0, -2.0 * GONE_M]), at[3:]])
    return Goal(lambda v: out, hand=PARTED, speed=0.2, near=0.0, until=until, target=VASE, noise=0.0)


def _rest(view: View, until) -> Goal:
    return Goal(stay(view), hand=PARTED, near=0.0, until=until, noise=0.0)


def _hold(view: View, until) -> Goal:
    return Goal(stay(view), hand=FIRM, near=0.0, until=until, noise=0.0)


STEPS: dict[str, Callable[[View, Callable[[View], bool]], Goal]] = {
    "lift": _lift,
    "wait": _wait,
    "align": _align,
    "lower": _lower,
    "let go": _let_go,
    "leave": _leave,
    "rest": _rest,
    "hold": _hold,
}
