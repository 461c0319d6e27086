"""What can be asked of a planner, and what comes back. Imports nothing that MoveIt's own process may not load."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from vipa.robot.description import Group, Robot
from vipa.robot.state import JointState

STEP_S = 0.05  # seconds between the steps of a planned motion
HOME = "home"
MAX_START_RAD = 0.02  # radians that a plan may begin from where the robot is
QUATERNION_TOLERANCE = 1e-3  # of a quaternion's norm from 1


class NoPlan(Exception):
    """Why there is no plan: what was asked, and what stands in its way."""


@dataclass(frozen=True)
class PlanRequest:
    """A goal for the joints of one group: exactly one of `named` ("home"), joints (J,) radians, or pose (7,) xyz + xyzw of the tool
    frame in the base frame. contacts: pairs of names that may touch."""

    group: str
    named: str = ""
    joints: np.ndarray | None = None
    pose: np.ndarray | None = None
    contacts: tuple[tuple[str, str], ...] = ()

    def goal_joints(self, group: Group) -> np.ndarray | None:
        """The joints (J,) that are asked for, None for a pose."""
        return np.asarray(group.home, float) if self.named else self.joints


@dataclass(frozen=True)
class PlannedMotion:
    """steps (T, J): joints of the group every STEP_S seconds, the first where the robot is, the last the goal: an action chunk's.
    planner: who made it."""

    steps: np.ndarray
    planner: str
    dt: float = STEP_S


class Planning(Protocol):
    """A planner for one robot among the fixtures of one task."""

    def plan(self, request: PlanRequest, state: JointState) -> PlannedMotion:
        """A motion from `state` to the goal of a request that `check` has passed. Raises NoPlan."""


def check(request: PlanRequest, robot: Robot) -> str:
    """'' if the request can be meant, else what is wrong and what is allowed."""
    groups = {g.name: g for g in robot.groups}
    if request.group not in groups:
        return f"unknown group '{request.group}'; allowed: {', '.join(groups)}"
    group = groups[request.group]
    given = [bool(request.named), request.joints is not None, request.pose is not None]
    if sum(given) != 1:
        return f"{sum(given)} goals; allowed: exactly one of named, joints, pose"
    if request.named and request.named != HOME:
        return f"unknown named goal '{request.named}'; allowed: {HOME}"
    if request.joints is not None:
        joints = np.asarray(request.joints, float)
        if joints.shape != (len(group.joints),) or not np.all(np.isfinite(joints)):
            return f"joints {joints.tolist()}; allowed: {len(group.joints)} finite numbers"
    if request.pose is not None:
        if group.kind != "arm":
            return f"a pose for a {group.kind}; allowed: named or joints"
        pose = np.asarray(request.pose, float)
        if (
            pose.shape != (7,)
            or not np.all(np.isfinite(pose))
            or abs(np.linalg.norm(pose[3:]) - 1) > QUATERNION_TOLERANCE
        ):
            return f"pose {pose.tolist()}; allowed: xyz and a unit quaternion xyzw"
    return ""


def present(group: Group, state: JointState) -> np.ndarray:
    """Joints (J,) of `group` in `state`. Raises NoPlan if it lacks one."""
    index = {name: i for i, name in enumerate(state.names)}
    missing = [joint for joint in group.joints if joint not in index]
    if missing:
        raise NoPlan(f"{group.name}: the joint state lacks {', '.join(missing)}")
    return np.asarray(state.positions, float)[[index[joint] for joint in group.joints]]


def verified(steps: np.ndarray, request: PlanRequest, group: Group, state: JointState, planner: str) -> PlannedMotion:
    """`steps` (T, J) as a PlannedMotion. Raises NoPlan if they are not finite, or lead from elsewhere or to elsewhere."""
    if steps.ndim != 2 or steps.shape[1] != len(group.joints) or not len(steps) or not np.all(np.isfinite(steps)):
        raise NoPlan(f"{group.name}: {planner} gave a path that is none: shape {steps.shape}, or not finite")
    here, goal = present(group, state), request.goal_joints(group)
    if (off := float(np.abs(steps[0] - here).max())) > MAX_START_RAD:
        raise NoPlan(f"{group.name}: {planner}'s path begins {off:.3f} rad from the robot; allowed: {MAX_START_RAD}")
    if goal is not None and (off := float(np.abs(steps[-1] - goal).max())) > MAX_START_RAD:
        raise NoPlan(f"{group.name}: {planner}'s path ends {off:.3f} rad from the goal; allowed: {MAX_START_RAD}")
    return PlannedMotion(steps, planner)
