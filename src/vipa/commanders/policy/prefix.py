"""The committed prefix: what the robot has done since the observation, and will do whatever arrives, in a new chunk's first steps, on the
new chunk's own grid."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

from vipa.motion.chunk import ActionChunk, GroupAction
from vipa.robot.state import Observation

SLACK_S = 0.005  # seconds by which a step may lie outside what is committed and still count as known


@dataclass(frozen=True)
class Departure:
    """Where the arms were when the observation was made. at_ns: when that was commanded, nanoseconds of ROS time. poses (7,): by group."""

    at_ns: int
    poses: Mapping[str, np.ndarray]

    @classmethod
    def of(cls, observation: Observation, ahead_ns: int) -> "Departure":
        """Of `observation`, by commands that act `ahead_ns` after they are given."""
        poses = {name: state.tool_pose for name, state in observation.groups.items() if state.tool_pose is not None}
        return cls(observation.stamp_ns - ahead_ns, poses)


def committed_prefix(
    committed: ActionChunk | None,
    last: ActionChunk | None,
    start_ns: int,
    dt: float,
    departure: Departure | None = None,
) -> dict | None:
    """{group: {"poses": (d, 7), "hand": (d, H)}} for the steps start_ns + k·dt, k = 0 .. d-1, that are known; None: none.

    committed: MotionStatus.committed (poses, base frame). last: the commander's last chunk, whose openings the hand follows. departure:
    an observation that is late (its camera is, or the commands are) asks for steps that are over: they lie between it and what is
    committed. Without it such a chunk has no prefix.
    """
    if committed is None or last is None:
        return None
    first = committed.start_ns / 1e9
    prefix = {}
    for action in last.groups:
        known = next((a for a in committed.groups if a.name == action.name and a.poses is not None), None)
        if known is None or action.hand is None:
            return None
        times = first + committed.dt * np.arange(len(known.poses))
        poses = known.poses
        if departure is not None and departure.at_ns / 1e9 < times[0] - SLACK_S:
            times = np.insert(times, 0, departure.at_ns / 1e9)
            poses = np.vstack([departure.poses[action.name], poses])
        due = []
        while times[0] - SLACK_S <= (at := start_ns / 1e9 + len(due) * dt) <= times[-1] + SLACK_S:
            due.append(at)
        if not due:
            return None
        prefix[action.name] = {
            "poses": _poses_at(poses, times, np.array(due)),
            "hand": _hand_at(last, action, np.array(due)),
        }
    length = min(len(p["poses"]) for p in prefix.values())
    return {name: {key: value[:length] for key, value in p.items()} for name, p in prefix.items()}


def _poses_at(poses: np.ndarray, times: np.ndarray, due: np.ndarray) -> np.ndarray:
    due = np.clip(due, times[0], times[-1])
    if len(times) == 1:
        return np.repeat(poses, len(due), axis=0)
    position = np.stack([np.interp(due, times, poses[:, axis]) for axis in range(3)], axis=1)
    return np.hstack([position, Slerp(times, Rotation.from_quat(poses[:, 3:]))(due).as_quat()])


def _hand_at(last: ActionChunk, action: GroupAction, due: np.ndarray) -> np.ndarray:
    times = last.start_ns / 1e9 + last.dt * np.arange(len(action.hand))
    return np.stack([np.interp(due, times, column) for column in action.hand.T], axis=1)
