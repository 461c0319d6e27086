"""Measured: the joint states that arrive, in the order of the robot file."""

import numpy as np

from vipa_ros.robot.kinematics import Kinematics
from vipa_ros.robot.state import JointState


class Measured:
    """The newest usable joint state. None of q, v before the first; a bad state changes nothing.

    q, v: (n,) float64 in `Kinematics.joint_names` order. hands: group name to the hand's joint positions (H,).
    """

    def __init__(self, kinematics: Kinematics):
        self._arms = len(kinematics.joint_names)
        self._hand_sizes = {g.name: len(g.hand.joints) for g in kinematics.robot.groups if g.hand is not None}
        self._wanted = [*kinematics.joint_names, *(j for g in kinematics.robot.groups if g.hand for j in g.hand.joints)]
        self._names: tuple[str, ...] | None = None
        self._index = np.zeros(0, int)
        self.q: np.ndarray | None = None
        self.v: np.ndarray | None = None
        self.hands: dict[str, np.ndarray] = {}

    def take(self, state: JointState) -> str:
        """'' if `state` is usable and now stands here, else why not."""
        try:
            names = tuple(state.names)
            if names != self._names:
                place = {name: i for i, name in enumerate(names)}
                missing = [name for name in self._wanted if name not in place]
                if missing:
                    return f"joint state lacks {', '.join(missing[:3])}{' …' if len(missing) > 3 else ''}"
                self._names, self._index = names, np.array([place[name] for name in self._wanted])
            positions, velocities = np.asarray(state.positions, float), np.asarray(state.velocities, float)
        except (TypeError, ValueError) as error:
            return f"joint state: {error}"
        if positions.shape != (len(names),) or velocities.shape != (len(names),):
            return f"joint state: {len(names)} names, but positions {positions.shape} and velocities {velocities.shape}"
        positions, velocities = positions[self._index], velocities[self._index]
        if not (np.all(np.isfinite(positions)) and np.all(np.isfinite(velocities))):
            return "joint state: not finite"
        self.q, self.v = positions[:self._arms], velocities[:self._arms]
        start = self._arms
        for name, size in self._hand_sizes.items():
            self.hands[name], start = positions[start:start + size], start + size
        return ""
