"""What a robot file is worth: limits, frames, collision shapes, and how much of its workspace and of each task's the arms reach."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from vipa.geometry import rotation
from vipa.motion.collision import CollisionModel, DistanceField
from vipa.preflight.conditioning import NEAR_SINGULAR, conditioning
from vipa.preflight.finding import ERROR, OK, WARNING, Finding
from vipa.robot.cameras import CameraPoses
from vipa.robot.description import Group, Robot
from vipa.robot.kinematics import GroupKinematics, Kinematics
from vipa.tasks.task import Task

HEIGHTS_M = 0.03, 0.15, 0.30  # metres above a task's table
TILTS = 3  # directions of the hand at each place: down, and tilted by TILT
TILT = np.radians(20.0)
PLACES = 24  # of an area
GOOD, POOR = 0.9, 0.5  # share of places that are reached
RESTARTS = 6


@dataclass(frozen=True)
class Reached:
    """positions (N, 3) metres, base frame; share (N,) of the hand's directions at each that have a solution free of collisions."""

    positions: np.ndarray
    share: np.ndarray

    @property
    def rate(self) -> float:
        """Of all places and directions."""
        return float(self.share.mean()) if len(self.share) else 0.0


def reach(robot: Robot, group: Group, positions: np.ndarray) -> Reached:
    """Inverse kinematics of `group` at `positions` (N, 3), base frame, the hand pointing down and tilted, fingers any way round."""
    kinematics = Kinematics(robot)
    collisions, arm, columns = CollisionModel(kinematics), kinematics.group(group.name), kinematics.columns[group.name]
    field, seed = DistanceField(collisions), np.asarray(group.home, float)
    down = _down(arm.forward(seed)[3:])

    def clear(q: np.ndarray) -> bool:
        whole = kinematics.home.copy()
        whole[columns] = q
        field.move(kinematics.configuration(whole))
        return not len(field.below(collisions.margins))

    shares = []
    for position in positions:
        found = sum(arm.solve(np.concatenate([position, turn]), seed, clear, RESTARTS) is not None for turn in down)
        shares.append(found / len(down))
    return Reached(positions, np.array(shares))


def _down(at_home: np.ndarray) -> list[np.ndarray]:
    """Quaternions (4,): the tool's z axis down, turned about it as at home, then tilted two ways."""
    turn = rotation.to_matrix(at_home)
    z = turn[:, 2]
    axis = np.cross(z, [0, 0, -1.0])
    size = np.linalg.norm(axis)
    upright = Rotation.from_rotvec(axis / max(size, 1e-9) * np.arctan2(size, -z[2])) * Rotation.from_matrix(turn)
    tilts = [Rotation.identity(), Rotation.from_rotvec([TILT, 0, 0]), Rotation.from_rotvec([0, TILT, 0])]
    return [(tilt * upright).as_quat() for tilt in tilts[:TILTS]]


def areas(task: Task) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """(name, lower, upper corner (2,) metres, world frame) of where a task's scene puts things, by its randomisation."""
    for key, low in task.randomisation.items():
        high = task.randomisation.get(f"{key[:-4]}_max") if key.endswith("_min") else None
        if isinstance(low, list) and isinstance(high, list) and len(low) == len(high) == 2:
            yield key[:-4], np.array(low, float), np.array(high, float)


def places(low: np.ndarray, high: np.ndarray, heights, count: int = PLACES) -> np.ndarray:
    """(N, 3) spread over an area at `heights`, its corners among them."""
    per = max(2, round(np.sqrt(count / len(heights))))
    x, y, z = np.meshgrid(np.linspace(low[0], high[0], per), np.linspace(low[1], high[1], per), heights, indexing="ij")
    return np.column_stack([x.ravel(), y.ravel(), z.ravel()])


def findings(robot: Robot, tasks: list[Task]) -> tuple[list[Finding], dict[str, Reached]]:
    """All findings, and what is reached, by arm and task. Raises VipaError where the file does not fit its URDF."""
    kinematics = Kinematics(robot)
    collisions = CollisionModel(kinematics)
    CameraPoses(robot)
    found, reached = [_limits(robot, kinematics), _shapes(robot, collisions)], {}
    for group in robot.arms:
        base = kinematics.group(group.name).base.homogeneous
        found.append(home := _home(kinematics.group(group.name), group))
        singular = home.level != OK
        if group.workspace is None:
            found.append(
                Finding(
                    f"{group.name} workspace",
                    WARNING,
                    "no workspace in the robot file",
                    "groups: workspace: {min: […], max: […]}",
                )
            )
        else:
            low, high = np.array(group.workspace.min), np.array(group.workspace.max)
            heights = np.linspace(max(low[2], 0.03), max(low[2], 0.03) + min(0.4, high[2] - low[2]), 2)
            got = reached[f"{group.name}: workspace"] = reach(robot, group, places(low[:2], high[:2], heights))
            found.append(_rated(f"{group.name} workspace", got, POOR / 2))
        for task in tasks:
            rates = []
            for name, low, high in areas(task):
                world = places(low, high, HEIGHTS_M, 12)
                local = (np.column_stack([world, np.ones(len(world))]) @ np.linalg.inv(base).T)[:, :3]
                got = reached[f"{group.name}: {task.name}, {name}"] = reach(robot, group, local)
                rates.append((name, got))
            if not rates:
                fix = "randomisation in the task file: AREA_min and AREA_max, two metres each"
                found.append(
                    Finding(f"{group.name} reaches {task.name}", WARNING, "no ranges in its file, not checked", fix)
                )
            else:
                said = ", ".join(f"{name} {got.rate:.0%}" for name, got in rates)
                poor = min(got.rate for _, got in rates)
                # with two arms one of them may do
                level = OK if poor >= GOOD else WARNING if poor >= POOR or len(robot.arms) > 1 else ERROR
                fix = "" if level == OK else "move the base, or name other places: randomisation in the task file"
                if level != OK and singular:
                    fix = "bend home first (above): the search begins there"
                found.append(Finding(f"{group.name} reaches {task.name}", level, said, fix))
    return found, reached


def _limits(robot: Robot, kinematics: Kinematics) -> Finding:
    faults = []
    for group in robot.groups:
        at = kinematics.group(group.name)
        home = np.asarray(group.home, float)
        near = np.minimum(home - at.lower, at.upper - home)
        if near.min() < 0.05:
            faults.append(f"{group.joints[int(near.argmin())]} is {near.min():.3f} rad from its limit at home")
        speeds = kinematics.model.velocityLimit[at.v_index]
        fast = [
            j
            for j, wanted, can in zip(group.joints, group.max_velocity, speeds, strict=True)
            if can and wanted > can + 1e-6
        ]
        if fast:
            faults.append(f"{', '.join(fast)}: max_velocity is above the URDF's")
    fix = "robot file: home, max_velocity"
    return Finding(
        "limits",
        WARNING if faults else OK,
        "; ".join(faults) or f"{len(kinematics.joint_names)} joints, home inside",
        fix if faults else "",
    )


def _home(at: GroupKinematics, group: Group) -> Finding:
    """Whether the arm is bent at home: where it is stretched, no solver gets far from there."""
    even = conditioning(at.jacobian(np.asarray(group.home, float)), float(at.reach.max()))
    if even < NEAR_SINGULAR:
        said = f"near-singular: conditioning {even:.3f}, at least {NEAR_SINGULAR:g} is wanted"
        return Finding(
            f"{group.name} home", WARNING, said, "robot file: groups: home: bend the arm, the hand over the table"
        )
    return Finding(f"{group.name} home", OK, f"conditioning {even:.2f} (0: singular, 1: even)")


def _shapes(robot: Robot, collisions: CollisionModel) -> Finding:
    bare = [
        g.tool_frame
        for g in robot.arms
        if not any(link in collisions.links for link in (g.hand.fingers if g.hand else [g.tool_frame]))
    ]
    said = (
        f"{len(collisions.links)} shapes, {len(collisions.pairs)} pairs kept apart, {len(robot.ignore_pairs)} ignored"
    )
    if bare:
        return Finding(
            "collision model",
            WARNING,
            f"{said}; nothing of the hand at {', '.join(bare)} has a shape",
            "URDF: collision of the hand's links",
        )
    return Finding("collision model", OK, said)


def _rated(name: str, got: Reached, wanted: float) -> Finding:
    said = f"{got.rate:.0%} of {len(got.share)} places x {TILTS} directions of the hand"
    if got.rate >= wanted:
        return Finding(name, OK, said)
    return Finding(name, WARNING, said, "a smaller workspace, or a home nearer to its middle")
