"""The commander `replay`: says again what a recorded episode's controllers were told, through the gate as everybody else."""

import numpy as np

from vipa.commanders.commander import CommanderInput, EpisodeStart
from vipa.commanders.replay.recorded import DT_S, Recorded
from vipa.errors import NoChunk
from vipa.motion.chunk import ActionChunk, GroupAction, Mode
from vipa.robot.description import Robot

HORIZON = 20  # steps of a chunk: 0.4 s


class Replay:
    """Joint chunks from the first moment it may move; nothing when the recording is over.

    It does not go on after a stop, a takeover or a reset: the arm is not where the recording has it.
    """

    commander_id = "replay"
    wants_cameras = wants_truth = False
    period = 0.1

    def __init__(self, robot: Robot, recorded: Recorded):
        self.robot, self.recorded = robot, recorded
        self.seq = 0

    def reset(self, start: EpisodeStart) -> None:
        self.seq, self.begun_ns, self.epoch = 0, None, -1

    def step(self, seen: CommanderInput) -> ActionChunk | None:
        """The next chunk; None: it is over, or stopped. Raises NoChunk once motion has stood in between."""
        if seen.status.mode is Mode.STOPPED:
            return None
        if self.begun_ns is None:
            self.begun_ns, self.epoch = seen.now_ns, seen.status.epoch
        if seen.status.epoch != self.epoch:
            raise NoChunk("the replay was interrupted: the arm is not where the recording has it")
        first = int((seen.now_ns - self.begun_ns) / 1e9 / DT_S)
        if first >= self.recorded.steps:
            return None
        actions = tuple(a for group in self.robot.groups if (a := self._action(group, first)) is not None)
        self.seq += 1
        start = self.begun_ns + round(first * DT_S * 1e9)
        return ActionChunk(self.commander_id, self.epoch, self.seq, seen.now_ns, start, DT_S, actions)

    def _action(self, group, first: int) -> GroupAction | None:
        fields = {}
        if (joints := self.recorded.joints.get(group.name)) is not None:
            fields |= {"joint_names": tuple(group.joints), "joints": _part(joints, first)}
        if (hand := self.recorded.hands.get(group.name)) is not None:
            fields |= {"hand_joint_names": tuple(group.hand.joints), "hand": _part(hand, first)}
        return GroupAction(group.name, **fields) if fields else None


def _part(values: np.ndarray, first: int) -> np.ndarray:
    """HORIZON steps from `first` on, or the last one."""
    return values[first : first + HORIZON] if first < len(values) else values[-1:]
