"""Measured: where the arms and hands are, in the order of the robot file, from the joint states that arrive."""

import numpy as np

from vipa.robot.description import Robot
from vipa.robot.joint_states import JointStates
from vipa.robot.state import JointState


class Measured(JointStates):
    """The newest usable value of every joint, as motion uses it. known: all have been heard of; q, v are empty before.

    q, v: (n,) float64 in `Kinematics.joint_names` order. hands: group name to the hand's joint positions (H,).
    """

    def __init__(self, robot: Robot):
        super().__init__(robot)
        self._hand_sizes = {g.name: len(g.hand.joints) for g in robot.groups if g.hand is not None}
        self.known = False
        self.q, self.v = np.empty(0), np.empty(0)
        self.hands: dict[str, np.ndarray] = {}

    def take(self, state: JointState) -> str:
        """'' if all of `state` was taken, else what was not and why."""
        why = super().take(state)
        if not self.known and (missing := self.missing()):  # what is known once stays so
            return why or missing
        self.known = True
        self.q, self.v = self.positions[: self.arms].copy(), self.velocities[: self.arms].copy()
        start = self.arms
        for name, size in self._hand_sizes.items():
            self.hands[name], start = self.positions[start : start + size].copy(), start + size
        return why
