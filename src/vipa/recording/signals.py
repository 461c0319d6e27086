"""What the arms did, as arrays over time, read from a bag: tool position and speed, opening, force. For the report's plots."""

from dataclasses import dataclass

import numpy as np

from vipa.recording.reader import NOT_AS_EXPECTED, BagReader, stamp_ns
from vipa.recording.topic_names import JOINT_STATES
from vipa.robot.description import Robot
from vipa.robot.measured import GroupReader
from vipa.robot.state import JointState


@dataclass(frozen=True)
class ArmSignals:
    """One arm. times: (T,) nanoseconds of ROS time; position: (T, 3) metres, tool frame in the base frame; speed: (T,) m/s
    of its origin, from the measured joint velocities (NaN without them);
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
    for message in bag.messages([t for t in (JOINT_STATES, *wrenches) if t in bag.topics]):
        try:
            at, data = stamp_ns(message.data), message.data
            if message.topic in wrenches:
                f = data.wrench.force
                forces[wrenches[message.topic]].append((at, (f.x**2 + f.y**2 + f.z**2) ** 0.5))
            elif needed <= set(data.name):
                for name, row in _rows(reader, at, data):
                    moves[name].append(row)
        except NOT_AS_EXPECTED as error:
            bag.skipped.add(message.topic, message.log_time_ns, f"not what this topic says ({error})")
    return [_signals(g.name, moves[g.name], forces[g.name]) for g in robot.arms]


def _rows(reader: GroupReader, at: int, data) -> list[tuple]:
    """(arm, (time, position, speed, opening)) of a JointState."""
    velocity = data.velocity if len(data.velocity) == len(data.name) else np.full(len(data.name), np.nan)
    if len(data.position) != len(data.name):
        raise ValueError(f"{len(data.position)} positions of {len(data.name)} joints")
    groups = reader.groups(JointState(at, tuple(data.name), data.position, velocity))
    rows = []
    for arm in reader.robot.arms:
        group = groups[arm.name]
        twist = reader.kinematics.group(arm.name).jacobian(group.positions) @ group.velocities
        rows.append((arm.name, (at, group.tool_pose[:3], np.linalg.norm(twist[:3]), group.hand)))
    return rows


def _signals(name: str, rows: list, forces: list) -> ArmSignals:
    times = np.array([r[0] for r in rows], np.int64)
    position = np.array([r[1] for r in rows]).reshape(-1, 3)
    return ArmSignals(
        name=name,
        times=times,
        position=position,
        speed=np.array([r[2] for r in rows], float),
        opening=np.array([r[3] for r in rows], float).reshape(len(rows), len(rows[0][3]) if rows else 0),
        force_times=np.array([f[0] for f in forces], np.int64),
        force=np.array([f[1] for f in forces], float),
    )
