"""What an arm did and was told, from another's columns: joints, tool poses and openings in our conventions."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from vipa.dataset.import_mapping import WIDTHS, ArmColumns, HandColumn, picked
from vipa.errors import VipaError
from vipa.geometry import poses
from vipa.robot.kinematics import Kinematics


@dataclass(frozen=True)
class ArmMotion:
    """Of T frames. joints: (T, n), n may be 0. hand: (T, h), h 0 or 1, 0 closed to 1 open. tool_pose, told: (T, 7) in the base frame, what was
    measured, and what was commanded for one period later; told_hand: (T, h)."""

    joints: np.ndarray
    hand: np.ndarray
    tool_pose: np.ndarray
    told: np.ndarray
    told_hand: np.ndarray


def arm_motion(arm: ArmColumns, values: dict[str, np.ndarray], kinematics: Kinematics | None, where: str) -> ArmMotion:
    """values: columns (T, n). kinematics: of the mapping's robot, where it names one. Raises VipaError."""
    count = len(next(iter(values.values())))
    group = kinematics.group(arm.name) if kinematics is not None else None
    width = len(group.spec.joints) if group is not None else None
    joints = picked(values[arm.joints.column], arm.joints, width, where) if arm.joints else np.zeros((count, 0))
    if arm.tool_pose is None:
        measured = _forward(group, joints)
    else:
        columns = picked(values[arm.tool_pose.column], arm.tool_pose, 3 + WIDTHS[arm.tool_pose.rotation], where)
        measured = _poses(columns, arm.tool_pose.rotation)
    hand = _opening(arm.hand, values, where) if arm.hand else np.zeros((count, 0))
    told_hand = _opening(arm.hand_action, values, where) if arm.hand_action else later(hand)
    told = _told(arm, values, measured, joints, group, where)
    if arm.tool_pose is not None:  # kinematics' poses are in our frames already
        measured = _in_ours(arm, measured)
    if not arm.action.kind.startswith("joint") and not (arm.action.kind == "next" and arm.tool_pose is None):
        told = _in_ours(arm, told)
    measured = continued(measured)
    return ArmMotion(joints, hand, measured, _beside(told, measured), told_hand)


def later(values: np.ndarray) -> np.ndarray:
    """The next frame's; the last one's own."""
    return np.concatenate([values[1:], values[-1:]])


def continued(values: np.ndarray) -> np.ndarray:
    """Poses (T, 7) with the signs of their quaternions continued: q and -q are the same turn, and no network can learn the jumps."""
    signs = np.where((values[1:, 3:] * values[:-1, 3:]).sum(axis=1) < 0, -1.0, 1.0)
    return np.concatenate([values[:, :3], values[:, 3:] * np.cumprod(np.append(1.0, signs))[:, None]], axis=1)


def _beside(values: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Poses with their quaternions on the side of those of `like`."""
    signs = np.where((values[:, 3:] * like[:, 3:]).sum(axis=1) < 0, -1.0, 1.0)
    return np.concatenate([values[:, :3], values[:, 3:] * signs[:, None]], axis=1)


def _told(arm: ArmColumns, values, measured: np.ndarray, joints: np.ndarray, group, where: str) -> np.ndarray:
    """(T, 7) where the tool was told to go: in our frames of joints, else in the dataset's."""
    action = arm.action
    if action.kind == "next":
        return later(measured)
    joint = action.kind.startswith("joint")
    width = joints.shape[1] if joint else 3 + WIDTHS[action.rotation]
    given = picked(values[action.column], action, width, where)
    if action.limit is not None:
        given = np.clip(given, -action.limit, action.limit)
    if joint:
        goal = given * action.scale
        return _forward(group, joints + goal if action.kind == "joint_step" else goal)
    scaled = given[:, :3] * action.scale
    if action.kind == "pose":
        turns = given[:, 3:] * (action.turn_scale if WIDTHS[action.rotation] == 3 else 1.0)
        return _poses(np.concatenate([scaled, turns], axis=1), action.rotation)
    if arm.tool_pose is None:
        raise VipaError(
            f"{where}: arm {arm.name}: steps of poses without tool_pose; allowed: with a measured tool_pose"
        )
    by, there = _rotation(given[:, 3:] * action.turn_scale, action.rotation), Rotation.from_quat(measured[:, 3:])
    if action.axes == "base":
        return np.concatenate([measured[:, :3] + scaled, (by * there).as_quat()], axis=1)
    return np.concatenate([measured[:, :3] + there.apply(scaled), (there * by).as_quat()], axis=1)


def _in_ours(arm: ArmColumns, values: np.ndarray) -> np.ndarray:
    """Poses of the dataset's tool in its frame as poses of our tool in the arm's base frame."""
    frame, tool = np.array(arm.frame), np.array(arm.tool)
    if np.array_equal(frame, poses.IDENTITY) and np.array_equal(tool, poses.IDENTITY):
        return values
    return np.stack([poses.compose(frame, poses.compose(p, tool)) for p in values])


def _opening(part: HandColumn, values: dict[str, np.ndarray], where: str) -> np.ndarray:
    """(T, 1), 0 closed to 1 open."""
    column = values[part.column]
    if part.element >= column.shape[1]:
        raise VipaError(f"{where}: {part.column} has no element {part.element}; allowed: 0 to {column.shape[1] - 1}")
    return np.clip((column[:, part.element : part.element + 1] - part.closed) / (part.open - part.closed), 0.0, 1.0)


def _forward(group, joints: np.ndarray) -> np.ndarray:
    return np.stack([group.forward(q) for q in joints])


def _poses(columns: np.ndarray, form: str) -> np.ndarray:
    return np.concatenate([columns[:, :3], _rotation(columns[:, 3:], form).as_quat()], axis=1)


def _rotation(values: np.ndarray, form: str) -> Rotation:
    match form:
        case "rotation_vector":
            return Rotation.from_rotvec(values)
        case "rpy":
            return Rotation.from_euler("xyz", values)
        case "quaternion_xyzw":
            return _turns(values)
        case _:
            return _turns(values[:, [1, 2, 3, 0]])


def _turns(quaternions: np.ndarray) -> Rotation:
    norms = np.linalg.norm(quaternions, axis=1)
    if np.abs(norms - 1).max() > 0.05:
        raise VipaError(f"quaternions of norm {norms.min():.3f} to {norms.max():.3f}; allowed: 1")
    return Rotation.from_quat(quaternions)
