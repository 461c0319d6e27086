"""What the arms did, as arrays over time, read from a bag: tool position and speed, opening, force. For the report's plots."""

from dataclasses import dataclass

import numpy as np

from vipa_ros.recording.reader import BagReader, stamp_ns
from vipa_ros.robot.description import Robot
from vipa_ros.robot.measured import GroupReader
from vipa_ros.robot.state import JointState

JOINT_STATES = "/joint_states"
PERIOD_NS = 40_000_000  # joint states are read this far apart: a plot has no use for more


@dataclass(frozen=True)
class ArmSignals:
    """One arm. times: (T,) nanoseconds of ROS time; position: (T, 3) metres, tool frame in the base frame; speed: (T,) m/s;
    opening: (T, H) 0 closed .. 1 open; force_times: (F,) nanoseconds; force: (F,) newtons, norm of the wrist force."""

    name: str
    times: np.ndarray
    position: np.ndarray
    speed: np.ndarray
    opening: np.ndarray
    force_times: np.ndarray
    force: np.ndarray


def read_signals(bag: BagReader, robot: Robot) -> list[ArmSignals]:
    """The robot's arms in the bag; an arm of which nothing was recorded has empty arrays. Raises VipaError."""
    reader = GroupReader(robot)
    wrenches = {g.wrench_topic: g.name for g in robot.arms if g.wrench_topic in bag.topics}
    needed = {j for g in robot.groups for j in [*g.joints, *(g.hand.joints if g.hand else [])]}
    moves: dict[str, list] = {g.name: [] for g in robot.arms}
    forces: dict[str, list] = {g.name: [] for g in robot.arms}
    next_ns = 0
    for message in bag.messages([t for t in (JOINT_STATES, *wrenches) if t in bag.topics]):
        at, data = stamp_ns(message.data), message.data
        if message.topic in wrenches:
            f = data.wrench.force
            forces[wrenches[message.topic]].append((at, (f.x**2 + f.y**2 + f.z**2) ** 0.5))
        elif at >= next_ns and needed <= set(data.name):
            next_ns = at + PERIOD_NS
            velocity = data.velocity if len(data.velocity) == len(data.name) else np.zeros(len(data.name))
            groups = reader.groups(JointState(at, tuple(data.name), data.position, velocity))
            for name, rows in moves.items():
                rows.append((at, groups[name].tool_pose[:3], groups[name].hand))
    return [_signals(g.name, moves[g.name], forces[g.name]) for g in robot.arms]


def _signals(name: str, rows: list, forces: list) -> ArmSignals:
    times = np.array([r[0] for r in rows], np.int64)
    position = np.array([r[1] for r in rows]).reshape(-1, 3)
    seconds = (times - times[0]) / 1e9 if len(times) else times
    velocity = np.gradient(position, seconds, axis=0) if len(times) > 2 else np.zeros_like(position)
    return ArmSignals(
        name=name,
        times=times,
        position=position,
        speed=np.linalg.norm(velocity, axis=1),
        opening=np.array([r[2] for r in rows]).reshape(len(rows), -1),
        force_times=np.array([f[0] for f in forces], np.int64),
        force=np.array([f[1] for f in forces], float),
    )
