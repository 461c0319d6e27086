"""The motion that latencies are measured from: one joint to and fro in a pattern that does not repeat, then the hand."""

import numpy as np
from trajectory_msgs.msg import JointTrajectory
from vipa_msgs.msg import ActionChunk, ActionGroup

from vipa.calibration.latency import LatencyResult, Track, answered_s, measure, pattern, pictures_track, small
from vipa.errors import VipaError
from vipa.recording import topics
from vipa.robot.description import Group
from vipa_ros.calibration.cell import Cell
from vipa_ros.common import convert
from vipa_ros.common.listening import Listener
from vipa_ros.common.qos import PROFILES

SECONDS = 8.0  # of the motion
STEP_S = 0.05  # seconds between its steps
REST_S = 1.0  # seconds before and after it
OPENINGS = (1.0, 0.2, 1.0, 0.3, 0.8)  # of the hand, HAND_S each
HAND_S = 1.3


class Ear:
    """What is heard during a swing: joints, commands by controller, small pictures by camera. Times are stamps; a command's is that of the
    joint state that it answers, which motion writes into its frame_id."""

    def __init__(self, cell: Cell, group: Group, joint: str):
        self.cell, self.joints, self.times = cell, [], []
        self.commands: dict[str, list[tuple[float, float]]] = {}
        self.pictures: dict[str, list[tuple[float, np.ndarray]]] = {c: [] for c in cell.cameras}
        cell.on_joints = lambda stamp, q, v: self._joints(stamp)
        cell.on_picture = lambda camera, stamp, picture: self.pictures[camera].append((stamp / 1e9, small(picture)))
        listen = Listener(cell).on
        for controller, name in [
            (group.controller, joint),
            *([(group.hand.controller, group.hand.joints[0])] if group.hand else []),
        ]:
            listen(
                JointTrajectory,
                topics.command_topic(controller),
                lambda msg, c=controller, j=name: self._command(c, j, msg),
                PROFILES["stream"],
            )

    def _joints(self, stamp):
        self.times.append(stamp / 1e9)
        self.joints.append(self.cell.states.positions.copy())

    def _command(self, controller, joint, msg):
        if (at := answered_s(msg.header.frame_id)) and msg.points and joint in msg.joint_names:
            first = msg.points[0]
            value, due = (
                first.positions[list(msg.joint_names).index(joint)],
                convert.time_ns(first.time_from_start) / 1e9,
            )
            self.commands.setdefault(controller, []).append((at + due, float(value)))


async def measured(cell: Cell, arm: str, joint: str, amplitude: float) -> LatencyResult:
    """Swings `joint` of `arm` by `amplitude` radians from where it stands, then moves the hand, and says how late what was. Raises
    VipaError."""
    group = cell.robot.group(arm)
    if joint not in group.joints:
        raise VipaError(f"joint '{joint}' is not of {arm}; allowed: {', '.join(group.joints)}")
    await cell.heard()
    ear = Ear(cell, group, joint)
    await cell.services_.pause(REST_S)

    over_s = 0.0  # of the arm's part; the hand has its own

    async def swing() -> None:
        nonlocal over_s
        t = np.arange(0.0, SECONDS + STEP_S / 2, STEP_S)
        steps = np.tile(cell.joints[_columns(cell, group)], (len(t), 1))
        steps[:, group.joints.index(joint)] += pattern(t, amplitude, SECONDS)
        await cell.moves.play(convert.joint_steps_msg(arm, group.joints, steps), STEP_S)
        over_s = cell.states.stamp_ns / 1e9
        if group.hand:
            for opening in OPENINGS:
                await _hand(cell, group, opening)

    await cell.moves.held(swing)
    await cell.services_.pause(REST_S)
    names = cell.states.names
    table, times = np.array(ear.joints), np.array(ear.times)
    hand = names.index(group.hand.joints[0]) if group.hand else None
    commanded = {arm: _track(ear.commands.get(group.controller, []))}
    moved = Track(times, table[:, names.index(joint)])
    pictures = {c: pictures_track(*_until(seen, over_s)) for c, seen in ear.pictures.items() if len(seen) > 20}
    given = _track(ear.commands.get(group.hand.controller, [])) if group.hand else None
    hands = {arm: (given, Track(times, table[:, hand]))} if group.hand and given is not None else {}
    return measure({n: c for n, c in commanded.items() if c is not None}, {arm: moved}, hands, pictures)


async def _hand(cell: Cell, group: Group, opening: float) -> None:
    """Sends the hand to `opening` and lets it arrive."""
    moves = cell.moves
    moves.renew_epoch()
    count = round(HAND_S / 2 / STEP_S)
    action = ActionGroup(
        name=group.name, hand_joint_names=list(group.hand.joints), hand=[opening] * (count * len(group.hand.joints))
    )
    action.kind = ActionGroup.JOINTS
    msg = ActionChunk(commander_id=moves.commander, epoch=moves.epoch, dt=STEP_S, groups=[action])
    msg.start_time = moves.motion.header.stamp
    moves.send(msg)
    began = cell.states.stamp_ns
    await moves.until(lambda: cell.states.stamp_ns - began > HAND_S * 1e9, 60.0)


def _columns(cell: Cell, group: Group) -> list[int]:
    return [cell.states.names.index(name) for name in group.joints]


def _track(rows: list[tuple[float, float]]) -> Track | None:
    return Track(*map(np.array, zip(*rows, strict=True))) if len(rows) > 20 else None


def _until(seen, end: float) -> tuple[list[float], list[np.ndarray]]:
    kept = [(at, picture) for at, picture in seen if at <= end]
    return [at for at, _ in kept], [picture for _, picture in kept]
