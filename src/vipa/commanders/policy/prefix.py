"""The committed prefix: what the robot will do in a new chunk's first steps whatever arrives, on the new chunk's own grid."""

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

from vipa.motion.chunk import ActionChunk, GroupAction

SLACK_S = 0.005  # seconds by which a step may lie outside what is committed and still count as known


def committed_prefix(committed: ActionChunk | None, last: ActionChunk | None, start_ns: int, dt: float) -> dict | None:
    """{group: {"poses": (d, 7), "hand": (d, H)}} for the steps start_ns + k·dt, k = 0 .. d-1, that are committed; None: none.

    committed: MotionStatus.committed (poses, base frame). last: the commander's last chunk, whose openings the hand follows.
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
        due = []
        while times[0] - SLACK_S <= (at := start_ns / 1e9 + len(due) * dt) <= times[-1] + SLACK_S:
            due.append(at)
        if not due:
            return None
        prefix[action.name] = {
            "poses": _poses_at(known, times, np.array(due)),
            "hand": _hand_at(last, action, np.array(due)),
        }
    length = min(len(p["poses"]) for p in prefix.values())
    return {name: {key: value[:length] for key, value in p.items()} for name, p in prefix.items()}


def _poses_at(action: GroupAction, times: np.ndarray, due: np.ndarray) -> np.ndarray:
    due = np.clip(due, times[0], times[-1])
    if len(times) == 1:
        return np.repeat(action.poses, len(due), axis=0)
    position = np.stack([np.interp(due, times, action.poses[:, axis]) for axis in range(3)], axis=1)
    return np.hstack([position, Slerp(times, Rotation.from_quat(action.poses[:, 3:]))(due).as_quat()])


def _hand_at(last: ActionChunk, action: GroupAction, due: np.ndarray) -> np.ndarray:
    times = last.start_ns / 1e9 + last.dt * np.arange(len(action.hand))
    return np.stack([np.interp(due, times, column) for column in action.hand.T], axis=1)
