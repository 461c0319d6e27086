"""Limits at run time: drawn tighter than the robot's file, and loosened again by who drew them alone.

A restart of motion goes back to the file.
"""

from dataclasses import dataclass, replace
from functools import reduce

import numpy as np

from vipa.robot.description import Box, Group, Robot

MAX_REQUESTERS = 16  # that may have drawn limits tighter at a time
MIN_LIMITS = {"speed_scale": 1e-3, "force_cap": 0.1}  # newtons: with less an arm is to be stopped, not slowed


@dataclass(frozen=True)
class Limits:
    """What is in force for one arm. speed_scale: share of the file's joint and tool speeds, 0..1. force_cap: newtons; the
    torque cap falls in the same proportion."""

    speed_scale: float
    force_cap: float
    workspace: Box | None


@dataclass(frozen=True)
class Tighter:
    """A request of `requester` for `group` ('': every arm). None: stays as it is. workspace_min, workspace_max: (3,) corners, base
    frame. release: what the requester has drawn tighter there is dropped first."""

    group: str = ""
    speed_scale: float | None = None
    force_cap: float | None = None
    workspace_min: np.ndarray | None = None
    workspace_max: np.ndarray | None = None
    requester: str = ""
    release: bool = False


def of(robot: Robot) -> dict[str, Limits]:
    """What the robot's file says, by arm."""
    return {g.name: Limits(1.0, g.force_cap, g.workspace) for g in robot.arms}


class Drawn:
    """What was drawn tighter, by requester. In force is the tightest of all, and of the robot's file."""

    def __init__(self, robot: Robot):
        self.file = of(robot)
        self.layers: dict[str, dict[str, Limits]] = {}

    def in_force(self) -> dict[str, Limits]:
        """The limits by arm."""
        return self._without(None)

    def _without(self, requester: str | None) -> dict[str, Limits]:
        layers = [layer for who, layer in self.layers.items() if who != requester]
        return {name: reduce(_tightest, (layer[name] for layer in layers), file) for name, file in self.file.items()}

    def request(self, request: Tighter) -> None:
        """`request` is in force from now on. Raises ValueError, and changes nothing, for what would loosen what the file says or
        another requester has drawn."""
        if request.group and request.group not in self.file:
            raise ValueError(f"group '{request.group}'; allowed: {', '.join(self.file)}, or empty for every arm")
        if request.requester not in self.layers and len(self.layers) >= MAX_REQUESTERS:
            raise ValueError(f"{MAX_REQUESTERS} requesters have drawn limits tighter; allowed: no more")
        own, others = dict(self.layers.get(request.requester, self.file)), self._without(request.requester)
        for name in self.file:
            if request.group in ("", name):
                own[name] = _one(name, self.file[name] if request.release else own[name], others[name], request)
        self.layers[request.requester] = own
        if own == self.file:
            del self.layers[request.requester]


def _tightest(a: Limits, b: Limits) -> Limits:
    return Limits(min(a.speed_scale, b.speed_scale), min(a.force_cap, b.force_cap), _common(a.workspace, b.workspace))


def _common(a: Box | None, b: Box | None) -> Box | None:
    """What lies in both; never empty, for a new box lies within those of all others."""
    if a is None or b is None:
        return a or b
    return Box(np.maximum(a.min, b.min).tolist(), np.minimum(a.max, b.max).tolist())


def _one(name: str, own: Limits, others: Limits, request: Tighter) -> Limits:
    speed = _number(name, "speed_scale", request.speed_scale, own.speed_scale, others.speed_scale)
    force = _number(name, "force_cap", request.force_cap, own.force_cap, others.force_cap)
    return Limits(
        speed, force, _box(name, own.workspace, others.workspace, request.workspace_min, request.workspace_max)
    )


def _number(name: str, key: str, wanted: float | None, own: float, others: float) -> float:
    if wanted is None:
        return own
    if not MIN_LIMITS[key] <= wanted <= others:  # also what is no number
        raise ValueError(
            f"{name}: {key} {wanted:g}; allowed: {MIN_LIMITS[key]:g} or more, up to {others:g}, which others or the robot's file want"
        )
    return float(wanted)


def _box(name: str, own: Box | None, others: Box | None, low, high) -> Box | None:
    if low is None and high is None:
        return own
    kept = ([-np.inf] * 3, [np.inf] * 3) if own is None else (own.min, own.max)
    bounds = ([-np.inf] * 3, [np.inf] * 3) if others is None else (others.min, others.max)
    low, high = np.asarray(kept[0] if low is None else low, float), np.asarray(kept[1] if high is None else high, float)
    inside = (
        low.shape == high.shape == (3,)
        and np.all(low >= bounds[0])
        and np.all(high <= bounds[1])
        and np.all(low < high)
    )
    if not inside or not (np.all(np.isfinite(low)) and np.all(np.isfinite(high))):
        raise ValueError(
            f"{name}: workspace {low.tolist()} .. {high.tolist()}; allowed: a box within {list(bounds[0])} .. "
            f"{list(bounds[1])}, which others or the robot's file want"
        )
    return Box(low.tolist(), high.tolist())


def apply(robot: Robot, limits: dict[str, Limits]) -> Robot:
    """The robot of the file `robot` with `limits` in force."""
    return replace(robot, groups=[_limited(g, limits[g.name]) if g.name in limits else g for g in robot.groups])


def _limited(group: Group, limits: Limits) -> Group:
    s, load = limits.speed_scale, min(limits.force_cap / group.force_cap, 1.0)
    return replace(
        group,
        max_velocity=[s * v for v in group.max_velocity],
        tool_speed=s * group.tool_speed,
        tool_angular_speed=s * group.tool_angular_speed,
        force_cap=min(limits.force_cap, group.force_cap),
        torque_cap=load * group.torque_cap,
        workspace=limits.workspace,
    )
