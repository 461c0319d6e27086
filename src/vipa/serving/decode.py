"""From a server's answer to what it asks of the groups: absolute poses, joint positions, openings."""

import numpy as np
from scipy.spatial.transform import Rotation

from vipa.motion.chunk import GroupAction
from vipa.robot.description import Robot
from vipa.robot.state import GroupState
from vipa.serving.mapping import ActionPart, Mapping, action_width
from vipa_model.processing.rotations import six_to_matrix

MAX_STEPS = 1000


def decode(mapping: Mapping, robot: Robot, answer: dict, groups: dict[str, GroupState]) -> tuple[GroupAction, ...]:
    """The answer's steps for every group it moves. groups: states at the observation that was sent.

    Raises ValueError naming the key that is missing, of another shape, not finite or without direction.
    """
    columns = _columns(mapping, robot, answer)
    found: dict[str, dict] = {}
    for part, values in zip(mapping.actions, columns):
        if part.what == "unused":
            continue
        group, state = robot.group(part.group), groups[part.group]
        if part.limit is not None:
            values = np.clip(values, -part.limit, part.limit)
        if part.what == "joints":
            found.setdefault(part.group, {}).update(
                joint_names=tuple(group.joints), joints=_joints(part, values, state)
            )
        elif part.what == "pose":
            frames = {"frame_id": group.base_frame, "tip_frame": group.tool_frame}
            found.setdefault(part.group, {}).update(poses=_poses(part, values, state), **frames)
        else:
            hand = {"hand_joint_names": tuple(group.hand.joints), "hand": opening(part, values)}
            found.setdefault(part.group, {}).update(hand)
    return tuple(GroupAction(name, **fields) for name, fields in found.items())


def _columns(mapping, robot, answer) -> list[np.ndarray]:
    """(T, n) float64 for every part of mapping.actions."""
    if not isinstance(answer, dict):
        raise ValueError(f"answer is {type(answer).__name__}; allowed: a map")
    widths = [action_width(p, robot.group(p.group) if p.group else None) for p in mapping.actions]
    used, found, lengths = {}, [], set()
    for part, width in zip(mapping.actions, widths):
        if part.keys:
            found.append(_beside(answer, part.keys, width))
            lengths.add(len(found[-1]))
            continue
        start = used.get(part.key, 0)
        used[part.key] = start + width
        found.append(_array(answer, part.key)[:, start : start + width])
        lengths.add(len(found[-1]))
    for key, width in used.items():
        if (given := _array(answer, key).shape[1]) != width:
            raise ValueError(f"answer's {key} has {given} columns; allowed: {width}, as the policy's file says")
    if len(lengths) > 1 or (mapping.horizon is not None and lengths != {mapping.horizon}):
        wanted = "one number" if mapping.horizon is None else mapping.horizon
        raise ValueError(f"answer has {', '.join(map(str, sorted(lengths)))} steps; allowed: {wanted}")
    return found


def _beside(answer, keys: list[str], width: int) -> np.ndarray:
    """(T, width) float64, the arrays under `keys` side by side."""
    arrays = [_array(answer, key) for key in keys]
    if len({len(array) for array in arrays}) > 1:
        raise ValueError(f"answer's {', '.join(keys)} have different numbers of steps; allowed: one number")
    if (given := sum(array.shape[1] for array in arrays)) != width:
        raise ValueError(
            f"answer's {', '.join(keys)} have {given} columns; allowed: {width}, as the policy's file says"
        )
    return np.hstack(arrays)


def _array(answer, key) -> np.ndarray:
    """(T, n) float64 under `key`."""
    if key not in answer:
        raise ValueError(f"answer lacks {key}; it has: {', '.join(map(str, answer))[:200]}")
    value = answer[key]
    if not isinstance(value, np.ndarray) or value.ndim != 2 or not 1 <= len(value) <= MAX_STEPS:
        shape = getattr(value, "shape", type(value).__name__)
        raise ValueError(f"answer's {key} is {shape}; allowed: an array (T, columns) with 1 to {MAX_STEPS} steps")
    value = value.astype(np.float64)
    if not np.isfinite(value).all():
        raise ValueError(f"answer's {key} holds NaN or infinity; allowed: finite numbers")
    return value


def _joints(part: ActionPart, values, state) -> np.ndarray:
    if part.reference == "absolute":
        return values * part.scale
    steps = values * part.scale
    return state.positions + (steps if part.reference == "observation" else np.cumsum(steps, 0))


def opening(part: ActionPart, values: np.ndarray) -> np.ndarray:
    """Hand values (T, H) of the server as openings, 0 closed .. 1 open."""
    opened = (values - part.closed) / (part.open - part.closed)
    if part.threshold is not None:
        return (opened > (part.threshold - part.closed) / (part.open - part.closed)).astype(float)
    return np.clip(opened, 0.0, 1.0)


def _poses(part: ActionPart, values, state) -> np.ndarray:
    """(T, 7) absolute poses of our tool frame in the base frame."""
    position, rotation = values[:, :3] * part.scale, _rotations(part, values[:, 3:])
    if part.reference == "absolute":
        if part.turn is None and part.rotation == "quaternion_xyzw":
            return np.hstack([position, _unit(values[:, 3:])])
        turned = rotation if part.turn is None else rotation * Rotation.from_euler("xyz", part.turn).inv()
        return np.hstack([position, turned.as_quat()])
    at, turn, steps = state.tool_pose[:3], Rotation.from_quat(state.tool_pose[3:]), []
    for move, change in zip(position, rotation):
        to = at + (turn.apply(move) if part.axes == "tool" else move)
        facing = turn * change if part.axes == "tool" else change * turn
        steps.append(np.concatenate([to, facing.as_quat()]))
        if part.reference == "previous":
            at, turn = to, facing
    return np.stack(steps)


def _unit(quaternions) -> np.ndarray:
    """Unit quaternions; those that are exact to 1e-9 as they came, so that a served chunk is the one made in-process."""
    size = np.linalg.norm(quaternions, axis=1, keepdims=True)
    if np.any(size < 1e-3):
        raise ValueError("answer holds a quaternion without direction; allowed: length about 1")
    return np.where(np.abs(size - 1.0) > 1e-9, quaternions / size, quaternions)


def _rotations(part: ActionPart, values) -> Rotation:
    match part.rotation:
        case "quaternion_xyzw":
            return Rotation.from_quat(_unit(values))
        case "quaternion_wxyz":
            return Rotation.from_quat(_unit(np.roll(values, -1, axis=1)))
        case "rotation_vector":
            return Rotation.from_rotvec(values * part.turn_scale)
        case "rpy":
            return Rotation.from_euler("xyz", values * part.turn_scale)
        case "six_columns":
            return Rotation.from_matrix(six_to_matrix(values))
    return Rotation.from_matrix(six_to_matrix(values).swapaxes(1, 2))
