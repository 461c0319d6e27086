"""Limits at run time: drawn tighter, never looser than what is in force, and so never looser than the robot's file.

A restart of motion goes back to the file.
"""

from dataclasses import dataclass, replace

import numpy as np

from vipa_ros.robot.description import Box, Group, Robot


@dataclass(frozen=True)
class Limits:
    """What is in force for one arm. speed_scale: share of the file's joint and tool speeds, 0..1. force_cap: newtons; the
    torque cap falls in the same proportion."""

    speed_scale: float
    force_cap: float
    workspace: Box | None


@dataclass(frozen=True)
class Tighter:
    """A request for `group` ('': every arm). None: stays as it is. workspace_min, workspace_max: (3,) corners, base frame."""

    group: str = ""
    speed_scale: float | None = None
    force_cap: float | None = None
    workspace_min: np.ndarray | None = None
    workspace_max: np.ndarray | None = None


def of(robot: Robot) -> dict[str, Limits]:
    """What the robot's file says, by arm."""
    return {g.name: Limits(1.0, g.force_cap, g.workspace) for g in robot.arms}


def tighten(limits: dict[str, Limits], request: Tighter) -> dict[str, Limits]:
    """The limits with `request` in force. Raises ValueError, and changes nothing, for what would loosen any of them."""
    if request.group and request.group not in limits:
        raise ValueError(f"group '{request.group}'; allowed: {', '.join(limits)}, or empty for every arm")
    return {name: _one(name, now, request) if request.group in ("", name) else now for name, now in limits.items()}


def _one(name: str, now: Limits, request: Tighter) -> Limits:
    speed = _number(name, "speed_scale", request.speed_scale, now.speed_scale)
    force = _number(name, "force_cap", request.force_cap, now.force_cap)
    return Limits(speed, force, _box(name, now.workspace, request.workspace_min, request.workspace_max))


def _number(name: str, key: str, wanted: float | None, now: float) -> float:
    if wanted is None:
        return now
    if not 0 < wanted <= now:  # also what is no number
        raise ValueError(f"{name}: {key} {wanted:g}; allowed: above 0, up to {now:g}, which is in force")
    return float(wanted)


def _box(name: str, now: Box | None, low, high) -> Box | None:
    if low is None and high is None:
        return now
    bounds = ([-np.inf] * 3, [np.inf] * 3) if now is None else (now.min, now.max)
    low, high = np.asarray(bounds[0] if low is None else low, float), np.asarray(bounds[1] if high is None else high, float)
    inside = low.shape == high.shape == (3,) and np.all(low >= bounds[0]) and np.all(high <= bounds[1]) and np.all(low < high)
    if not inside or not (np.all(np.isfinite(low)) and np.all(np.isfinite(high))):
        raise ValueError(f"{name}: workspace {low.tolist()} .. {high.tolist()}; allowed: a box within {list(bounds[0])} .. "
                         f"{list(bounds[1])}, which is in force")
    return Box(low.tolist(), high.tolist())


def apply(robot: Robot, limits: dict[str, Limits]) -> Robot:
    """The robot of the file `robot` with `limits` in force."""
    return replace(robot, groups=[_limited(g, limits[g.name]) if g.name in limits else g for g in robot.groups])


def _limited(group: Group, limits: Limits) -> Group:
    s, load = limits.speed_scale, min(limits.force_cap / group.force_cap, 1.0)
    return replace(group, max_velocity=[s * v for v in group.max_velocity], tool_speed=s * group.tool_speed,
                   tool_angular_speed=s * group.tool_angular_speed, force_cap=min(limits.force_cap, group.force_cap),
                   torque_cap=load * group.torque_cap, workspace=limits.workspace)
