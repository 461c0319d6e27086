"""What one group of the robot does and feels in a gymnasium environment: its part of actions and observations."""

import numpy as np
from gymnasium import spaces

from vipa.geometry import poses, rotation
from vipa.motion.chunk import GroupAction
from vipa.robot.description import Group
from vipa.robot.kinematics import GroupKinematics
from vipa.robot.state import GroupState

ACTION_PERIOD_S = 0.1  # seconds of ROS time an action
STEP, TURN = 0.05, 0.25  # metres, radians: largest relative action
MAX_REACH_M = 2.0  # metres: bound of tool positions in observations
MAX_SPEED_M_S = 10.0  # m/s: bound of tool speeds in observations
MAX_FORCE = 500.0  # newtons, newton metres: bound of wrenches in observations


def part_of(group: Group, kinematics: GroupKinematics) -> "ArmPart | HeadPart":
    """The part of `group`."""
    return (HeadPart if group.kind == "head" else ArmPart)(group, kinematics)


class ArmPart:
    """An arm: tool pose and opening in, joints, tool and wrench out."""

    def __init__(self, group: Group, kinematics: GroupKinematics):
        self.group = group

    def bounds(self, actions: str) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest (n,) of `actions` "absolute" (n = 8) or "relative" (7)."""
        if actions == "relative":
            high = np.array([STEP] * 3 + [TURN] * 3 + [1.0])
            return np.append(-high[:-1], 0.0), high
        box = self.group.workspace
        low, high = (box.min, box.max) if box else ([-MAX_REACH_M] * 3, [MAX_REACH_M] * 3)
        return np.array([*low, *[-1.0] * 4, 0.0]), np.array([*high, *[1.0] * 5])

    def space(self) -> dict[str, spaces.Box]:
        joints = np.full(len(self.group.joints), 2 * np.pi, np.float32)
        limit = np.array([MAX_REACH_M] * 3 + [1.0] * 4, np.float32)
        return {
            "positions": spaces.Box(-joints, joints),
            "tool_pose": spaces.Box(-limit, limit),
            "tool_velocity": spaces.Box(-MAX_SPEED_M_S, MAX_SPEED_M_S, (3,), np.float32),
            "opening": spaces.Box(0.0, 1.0, (1,), np.float32),
            "wrench": spaces.Box(-MAX_FORCE, MAX_FORCE, (6,), np.float32),
        }

    def observation(self, state: GroupState) -> dict[str, np.ndarray]:
        return {
            "positions": state.positions,
            "tool_pose": state.tool_pose,
            "tool_velocity": state.tool_velocity,
            "opening": state.hand[:1],
            "wrench": np.zeros(6) if state.wrench is None else state.wrench,
        }

    def action(self, actions: str, values: np.ndarray, commanded: GroupState) -> GroupAction:
        """One step towards `values` (n,), from what is commanded."""
        if actions == "relative":
            pose = poses.moved(commanded.tool_pose, values[:6])
        else:
            pose = self._towards(commanded.tool_pose, values)
        return GroupAction(
            self.group.name,
            frame_id=self.group.base_frame,
            tip_frame=self.group.tool_frame,
            poses=pose[None],
            hand_joint_names=tuple(self.group.hand.joints),
            hand=np.full((1, len(self.group.hand.joints)), np.clip(values[-1], 0.0, 1.0)),
        )

    def _towards(self, commanded: np.ndarray, action: np.ndarray) -> np.ndarray:
        """The pose (7,) on the way from `commanded` to that of `action` that the arm's speed limits allow in one step."""
        size = np.linalg.norm(action[3:7])
        goal = action[3:7] / size if size > 1e-6 else commanded[3:]
        away, turn = action[:3] - commanded[:3], rotation.difference(goal, commanded[3:])
        share = min(1.0, self.group.tool_speed * ACTION_PERIOD_S / max(np.linalg.norm(away), 1e-9))
        part = min(1.0, self.group.tool_angular_speed * ACTION_PERIOD_S / max(np.linalg.norm(turn), 1e-9))
        return poses.moved(commanded, np.concatenate([share * away, part * turn]))


class HeadPart:
    """A head: joints in and out."""

    def __init__(self, group: Group, kinematics: GroupKinematics):
        self.group, self.lower, self.upper = group, kinematics.lower, kinematics.upper

    def bounds(self, actions: str) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest (J,) of `actions` "absolute" or "relative"."""
        if actions == "relative":
            return -np.full(len(self.lower), TURN), np.full(len(self.lower), TURN)
        return self.lower, self.upper

    def space(self) -> dict[str, spaces.Box]:
        joints = np.full(len(self.lower), 2 * np.pi, np.float32)
        return {"positions": spaces.Box(-joints, joints)}

    def observation(self, state: GroupState) -> dict[str, np.ndarray]:
        return {"positions": state.positions}

    def action(self, actions: str, values: np.ndarray, commanded: GroupState) -> GroupAction:
        """One step towards `values` (J,), from what is commanded, as far as the joints' speeds allow."""
        now = commanded.positions
        way = values if actions == "relative" else values - now
        fastest = np.asarray(self.group.max_velocity) * ACTION_PERIOD_S
        joints = np.clip(now + np.clip(way, -fastest, fastest), self.lower, self.upper)
        return GroupAction(self.group.name, joint_names=tuple(self.group.joints), joints=joints[None])
