"""Can an arm put its tool there? Inverse kinematics on the simulator's own model, for placing objects and for tests."""

import mujoco
import numpy as np

from vipa.robot.description import Group

TOP_DOWN = np.diag([1.0, -1.0, -1.0])  # tool z down, tool y (the fingers' direction) along -y


def gripping(yaw: float) -> np.ndarray:
    """Rotation (3, 3) in the world of a tool that points down and closes its fingers on a line along `yaw`.

    Its y axis points against `yaw`; `yaw` plus half a turn is the same grasp the other way round.
    """
    c, s = np.cos(yaw - np.pi / 2), np.sin(yaw - np.pi / 2)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ TOP_DOWN


def pitched(azimuth: float, pitch: float) -> np.ndarray:
    """Rotation (3, 3) in the world of a tool that points along `azimuth` and `pitch` radians below level, its fingers closing on a
    level line and its x axis up."""
    ahead = np.array([np.cos(azimuth), np.sin(azimuth), 0.0])
    z = np.cos(pitch) * ahead - [0.0, 0.0, np.sin(pitch)]
    y = np.array([np.sin(azimuth), -np.cos(azimuth), 0.0])
    return np.stack([np.cross(y, z), y, z], axis=1)


class Reach:
    """Inverse kinematics of one arm, on data of its own: the simulated state stays untouched."""

    def __init__(self, model: mujoco.MjModel, group: Group):
        self._model, self._data = model, mujoco.MjData(model)
        self._tool = model.body(group.tool_frame).id
        joints = [model.joint(name) for name in group.joints]
        self._qpos = np.array([j.qposadr[0] for j in joints])
        self._dofs = np.array([j.dofadr[0] for j in joints])
        limits = np.array([j.range for j in joints])
        self._low, self._high = limits[:, 0] + group.position_margin, limits[:, 1] - group.position_margin
        self._home = np.array(group.home)
        self._jacp, self._jacr = np.zeros((3, model.nv)), np.zeros((3, model.nv))

    def solve(self, position, rotation, start=None, tolerance: float = 1e-4) -> np.ndarray | None:
        """Joints (J,) within limits that bring the tool to position (3,) and rotation (3, 3) in the world, or None.

        Damped least squares from `start` (J,), by default the home position; tolerance in metres and radians.
        """
        q = np.array(self._home if start is None else start, dtype=float)
        target = np.empty(4)
        mujoco.mju_mat2Quat(target, np.ascontiguousarray(rotation, dtype=float).ravel())
        error, turn, back = np.empty(6), np.empty(4), np.empty(4)
        for _ in range(60):
            self._data.qpos[self._qpos] = q
            mujoco.mj_kinematics(self._model, self._data)
            mujoco.mj_comPos(self._model, self._data)
            error[:3] = position - self._data.xpos[self._tool]
            mujoco.mju_negQuat(back, self._data.xquat[self._tool])
            mujoco.mju_mulQuat(turn, target, back)
            mujoco.mju_quat2Vel(error[3:], turn, 1.0)
            if np.abs(error).max() < tolerance:
                return q
            mujoco.mj_jacBody(self._model, self._data, self._jacp, self._jacr, self._tool)
            jacobian = np.concatenate([self._jacp[:, self._dofs], self._jacr[:, self._dofs]])
            step = jacobian.T @ np.linalg.solve(jacobian @ jacobian.T + 1e-4 * np.eye(6), error)
            q = np.clip(q + np.clip(step, -0.3, 0.3), self._low, self._high)
        return None

    def top_down(self, position, yaw: float, above: float = 0.12) -> bool:
        """Whether a gripper can grasp from above at `position` (3,), fingers closing along `yaw`, and come from `above`.

        yaw: radians in the world, of the line on which the fingers close. Half a turn makes no difference.
        """
        for turn in (0.0, np.pi):
            rotation = gripping(yaw + turn)
            grasp = self.solve(position, rotation)
            if grasp is not None and self.solve(np.add(position, [0, 0, above]), rotation, grasp) is not None:
                return True
        return False

    def way(self, poses) -> bool:
        """Whether the tool can go from home along `poses`, pairs of position (3,) and rotation (3, 3) in the world, in one piece."""
        joints = None
        for position, rotation in poses:
            joints = self.solve(position, rotation, joints)
            if joints is None:
                return False
        return True
