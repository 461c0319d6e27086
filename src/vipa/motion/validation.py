"""What a chunk must be before it is taken. Every check answers with what was wrong, where, and what is allowed."""

import numpy as np

from vipa.motion.chunk import ActionChunk, GroupAction
from vipa.robot.description import Group, Robot

MAX_STEPS = 1000
DT_RANGE_S = (0.002, 5.0)  # seconds between steps
MAX_AHEAD_S = 10.0  # seconds that a chunk may start in the future
MAX_OBSERVATION_AGE_S = 1.0  # seconds of the observation behind a chunk
QUATERNION_TOLERANCE = 1e-3  # of a quaternion's norm from 1
MAX_PLAUSIBLE_RATIO = 5.0  # times the tool speed (or joint velocity) that one step may ask of the next


def check_chunk(chunk: ActionChunk, robot: Robot, now_ns: int) -> str:
    """'' if times, shapes, names and values of `chunk` are possible for `robot` at `now_ns`, else why not."""
    try:
        return _check_times(chunk, now_ns) or _check_groups(chunk, robot)
    except (TypeError, ValueError, AttributeError, OverflowError) as error:  # a wire may carry anything
        return f"malformed chunk: {error}"


def _check_times(chunk: ActionChunk, now_ns: int) -> str:
    if not (np.isfinite(chunk.dt) and DT_RANGE_S[0] <= chunk.dt <= DT_RANGE_S[1]):
        return f"dt {chunk.dt} s; allowed: {DT_RANGE_S[0]} .. {DT_RANGE_S[1]}"
    if (ahead := (chunk.start_ns - now_ns) / 1e9) > MAX_AHEAD_S:
        return f"starts {ahead:.3f} s in the future; allowed: {MAX_AHEAD_S}"
    if chunk.observation_ns:
        age = (now_ns - chunk.observation_ns) / 1e9
        if age > MAX_OBSERVATION_AGE_S:
            return f"its observation is {age:.3f} s old; allowed: {MAX_OBSERVATION_AGE_S}"
        if age < -MAX_OBSERVATION_AGE_S:
            return f"its observation lies {-age:.3f} s in the future"
    return ""


def _check_groups(chunk: ActionChunk, robot: Robot) -> str:
    names = [g.name for g in chunk.groups]
    if not names:
        return "no groups"
    if len(set(names)) != len(names):
        return f"a group stands twice: {', '.join(names)}"
    allowed = {g.name: g for g in robot.groups}
    for action in chunk.groups:
        if action.name not in allowed:
            return f"unknown group '{action.name}'; allowed: {', '.join(allowed)}"
        why = _check_group(action, allowed[action.name], chunk.dt)
        if why:
            return f"{action.name}: {why}"
    return ""


def _check_group(action: GroupAction, group: Group, dt: float) -> str:
    if action.poses is not None and action.joints is not None:
        return "poses and joints at once; allowed: one of them"
    if action.poses is not None:
        why = _check_poses(action, group, dt)
    elif action.joints is not None:
        why = _check_joints(action, group, dt)
    else:
        why = ""
    return why or (_check_hand(action, group) if action.hand is not None else "")


def _check_array(values: np.ndarray | None, width: int, what: str) -> str:
    shape = () if values is None else np.shape(values)
    if values is None or len(shape) != 2 or shape[1] != width or shape[0] < 1:
        return f"{what} have shape {shape}; allowed: (T, {width}) with T >= 1"
    if shape[0] > MAX_STEPS:
        return f"{shape[0]} steps; allowed: at most {MAX_STEPS}"
    if not np.all(np.isfinite(values)):
        return f"{what} are not finite at step {int(np.argwhere(~np.isfinite(values))[0][0])}"
    return ""


def _check_poses(action: GroupAction, group: Group, dt: float) -> str:
    if group.kind != "arm":
        return f"poses for a {group.kind}; allowed: joints"
    if action.frame_id != group.base_frame:
        return f"frame_id '{action.frame_id}'; allowed: '{group.base_frame}'"
    if action.tip_frame != group.tool_frame:
        return f"tip_frame '{action.tip_frame}'; allowed: '{group.tool_frame}'"
    why = _check_array(action.poses, 7, "poses")
    if why:
        return why
    poses = np.asarray(action.poses, float)
    norms = np.linalg.norm(poses[:, 3:], axis=1)
    if np.any(np.abs(norms - 1) > QUATERNION_TOLERANCE):
        step = int(np.argmax(np.abs(norms - 1)))
        return f"quaternion of step {step} has norm {norms[step]:.6g}; allowed: 1 within {QUATERNION_TOLERANCE}"
    speed = np.linalg.norm(np.diff(poses[:, :3], axis=0), axis=1) / dt
    if np.any(speed > MAX_PLAUSIBLE_RATIO * group.tool_speed):
        step = int(np.argmax(speed))
        return f"steps {step} and {step + 1} ask for {speed[step]:.3g} m/s; allowed: {MAX_PLAUSIBLE_RATIO * group.tool_speed:.3g}"
    dots = np.clip(np.abs(np.sum(poses[1:, 3:] * poses[:-1, 3:], axis=1)), 0, 1)
    turn = 2 * np.arccos(dots) / dt
    if np.any(turn > MAX_PLAUSIBLE_RATIO * group.tool_angular_speed + 0.1 / dt):
        step = int(np.argmax(turn))
        return (
            f"steps {step} and {step + 1} ask for {turn[step]:.3g} rad/s; allowed: "
            f"{MAX_PLAUSIBLE_RATIO * group.tool_angular_speed:.3g}"
        )
    return ""


def _check_joints(action: GroupAction, group: Group, dt: float) -> str:
    if tuple(action.joint_names) != tuple(group.joints):
        return f"joint_names {', '.join(map(str, action.joint_names))}; allowed: {', '.join(group.joints)}"
    why = _check_array(action.joints, len(group.joints), "joints")
    if why:
        return why
    rate = np.abs(np.diff(np.asarray(action.joints, float), axis=0)) / dt
    over = rate - MAX_PLAUSIBLE_RATIO * np.asarray(group.max_velocity)
    if np.any(over > 0):
        step, joint = np.unravel_index(int(np.argmax(over)), over.shape)
        return (
            f"steps {step} and {step + 1} ask {group.joints[joint]} for {rate[step, joint]:.3g} rad/s; allowed: "
            f"{MAX_PLAUSIBLE_RATIO * group.max_velocity[joint]:.3g}"
        )
    return ""


def _check_hand(action: GroupAction, group: Group) -> str:
    if group.hand is None:
        return "hand steps, but it has no hand"
    if tuple(action.hand_joint_names) != tuple(group.hand.joints):
        return (
            f"hand_joint_names {', '.join(map(str, action.hand_joint_names))}; allowed: {', '.join(group.hand.joints)}"
        )
    why = _check_array(action.hand, len(group.hand.joints), "hand steps")
    if why:
        return why
    hand = np.asarray(action.hand, float)
    if np.any(hand < -1e-6) or np.any(hand > 1 + 1e-6):
        return f"hand opening {hand.min():.4g} .. {hand.max():.4g}; allowed: 0 .. 1"
    return ""


def steps_of(chunk: ActionChunk) -> int:
    """How many steps the longest part of `chunk` has; 0: all groups hold."""
    return max((len(v) for a in chunk.groups for v in (a.poses, a.joints, a.hand) if v is not None), default=0)
