"""What latencies of the robot file do to times: pictures are older than their stamps, commands are given earlier than they are to act."""

from collections.abc import Iterable

import numpy as np

from vipa.robot.description import Group, Robot


def exposed_ns(robot: Robot, camera: str, stamp_ns: int) -> int:
    """When the picture of `camera` with `stamp_ns` was exposed, nanoseconds of ROS time."""
    latency = next((c.latency for c in robot.cameras if c.name == camera), 0.0)
    return stamp_ns - round(latency * 1e9)


def command_ns(group: Group) -> int:
    """Nanoseconds that a command to `group` is given before it is to act."""
    return round(group.command_latency * 1e9)


def sent_ahead_ns(groups: Iterable[Group]) -> int:
    """Nanoseconds that a chunk for `groups` is sent ahead: the least of its arms' command latencies, so that none moves too early."""
    return min((command_ns(group) for group in groups if group.kind == "arm"), default=0)


def hand_ahead(group: Group, hand: np.ndarray, dt: float) -> np.ndarray:
    """Openings (T, H), `dt` seconds apart, of the hand of `group` in a chunk that is sent ahead by the arm's latency: earlier or later by
    the difference of the hand's, the first and the last held."""
    ahead = group.hand_latency - group.command_latency
    if not ahead or len(hand) < 2:
        return hand
    at = dt * np.arange(len(hand))
    return np.column_stack([np.interp(at + ahead, at, column) for column in hand.T])
