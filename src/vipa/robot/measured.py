"""From joint states to the states of groups: what the nodes around motion know of the robot."""

import numpy as np

from vipa.robot.description import Robot
from vipa.robot.kinematics import Kinematics
from vipa.robot.state import GroupState, JointState


class GroupReader:
    """Turns JointState into GroupState by group name; keeps the last wrench of each group. One thread."""

    def __init__(self, robot: Robot):
        self.robot = robot
        self.kinematics = Kinematics(robot)
        self._wrenches: dict[str, np.ndarray] = {}

    def wrench(self, group: str, wrench) -> None:
        """The newest wrist wrench (6,) of a group, newtons and newton metres, in its tool frame. Raises ValueError."""
        value = np.asarray(wrench, float)
        if value.shape != (6,) or not np.all(np.isfinite(value)):
            raise ValueError(f"wrench of {group}: {value.tolist()}; allowed: six finite numbers")
        self._wrenches[group] = value

    def groups(self, state: JointState) -> dict[str, GroupState]:
        """Every group's state. Raises KeyError if `state` lacks one of their joints."""
        index = {name: i for i, name in enumerate(state.names)}
        found = {}
        for group in self.robot.groups:
            rows = [index[j] for j in group.joints]
            q = state.positions[rows]
            hand = np.zeros(0)
            if group.hand:
                closed, opened = np.array(group.hand.closed), np.array(group.hand.open)
                hand = (state.positions[[index[j] for j in group.hand.joints]] - closed) / (opened - closed)
            v = state.velocities[rows]
            tool = self.kinematics.group(group.name).forward_velocity(q, v)
            found[group.name] = GroupState(q, v, *tool, hand, self._wrenches.get(group.name))
        return found

    def vector(self, state: JointState) -> np.ndarray:
        """(n,) positions of the groups' joints, in `Kinematics.joint_names` order."""
        index = {name: i for i, name in enumerate(state.names)}
        return state.positions[[index[name] for name in self.kinematics.joint_names]]
