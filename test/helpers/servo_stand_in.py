"""A stand-in for one MoveIt Servo node: its loop as servo_node.cpp has it (Jazzy), with what it was measured to do. No ROS.

Left out: the collision monitor's geometry (`scale` is set by tests), TWIST and JOINT_JOG, threads. The inverse kinematics is a
pseudo-inverse on our own model.
"""

from collections import deque

import numpy as np

from vipa.geometry import rotation
from vipa.moveit.settings import SINGULARITY_HALTS, SINGULARITY_SLOWS
from vipa.robot.kinematics import GroupKinematics
from vipa.robot.state import JointTrajectory

PERIOD, LATENCY, TIMEOUT = 0.01, 0.1, 0.1  # seconds: publish_period, max_expected_latency, incoming_command_timeout
LINEAR, ROTATIONAL = 0.6, 2.0  # scale: m/s, rad/s
MARGIN, ACCELERATION = 0.05, 10.0  # joint_limit_margins, rad; the smoothing plugin's limit, rad/s²
BRAKING = 2.0  # m/s² and rad/s² of the tool towards the end of its way
POSE, TYPES = 2, (0, 1, 2)
INVALID, OK, APPROACH, STOP, LEAVE, SLOW, HALT, BOUND = -1, 0, 1, 2, 3, 4, 5, 6


def refusals(servo: dict, groups: dict[str, int]) -> list[str]:
    """Why Servo would not start with the parameters `servo` (moveit_servo.*), as validateParams has it. groups: name to joints."""
    margins, dofs = servo["joint_limit_margins"], groups.get(servo["move_group_name"])
    found = {
        "move_group_name": dofs is None,
        "hard_stop_singularity_threshold": servo["hard_stop_singularity_threshold"] <= servo["lower_singularity_threshold"],
        "publish_joint_*": not any(servo[f"publish_joint_{kind}"] for kind in ("positions", "velocities", "accelerations")),
        "self_collision_proximity_threshold":
            servo["scene_collision_proximity_threshold"] < servo["self_collision_proximity_threshold"],
        "joint_limit_margins": len(margins) not in (1, dofs),
        "publish_period": servo["max_expected_latency"] / 3 < servo["publish_period"],
    }  # fmt: skip
    return [name for name, wrong in found.items() if wrong]


class StandIn:
    """Feed it joint states, poses and service calls; `cycle` is one round of its loop.

    scale: what its collision monitor would have found: below 1 slows, 0 halts. resume_leap (J,): radians by which what it puts out
    right after it is resumed is off; it shrinks by a tenth a cycle. drift (J,): radians a cycle by which joints turn while it is
    held by a joint limit. tool: (3,) metres by which the tool it was configured for lies beside ours, base frame.
    """

    def __init__(self, kinematics: GroupKinematics):
        self.kinematics, self.joints = kinematics, tuple(kinematics.spec.joints)
        self.scale, self.checking = 1.0, True
        self.resume_leap, self.drift, self.tool = np.zeros(len(self.joints)), np.zeros(len(self.joints)), np.zeros(3)
        self.start()

    def start(self) -> None:
        """As a new process."""
        self.type, self.paused, self.started, self.changed = None, False, False, False
        self.q: np.ndarray | None = None
        self.pose, self.new_pose, self.was_zero = None, False, False
        self.window: deque = deque()
        self.velocity = np.zeros(len(self.joints))
        self.status, self.leap, self.flip = (OK, ""), np.zeros(len(self.joints)), False

    # topics and services

    def joint_state(self, q: np.ndarray) -> None:
        """The current state monitor's callbacks fire only when a position is not exactly what it was."""
        self.changed |= self.q is not None and not np.array_equal(q, self.q)
        self.q = np.array(q)

    def switch_command_type(self, kind: int) -> bool:
        if kind in TYPES:
            self.type = kind
        return kind == self.type

    def pause_servo(self, pause: bool) -> bool:
        if pause != self.paused:
            self.paused, self.checking = pause, not pause
            if not pause:
                self.window.clear()
                self.velocity[:] = 0.0
                self.leap = self.resume_leap.copy()
        return True

    def pose_target(self, stamp_ns: int, frame_id: str, pose: np.ndarray) -> None:
        self.pose, self.new_pose = (stamp_ns, frame_id, np.array(pose)), True

    # the loop

    def cycle(self, now_ns: int) -> tuple[tuple[int, str] | None, JointTrajectory | None]:
        """One round at the ROS time `now_ns`: the status it publishes and the trajectory, None where it publishes none."""
        if not self.started:
            self.started = self.changed
            return None, None
        if self.paused:
            return None, None
        if self.window and self.window[-1][0] > now_ns:
            q = self.window[-1][1]
        else:
            self.window.clear()
            self.velocity[:] = 0.0
            q = self.q
        following = None
        if self.type == POSE and self.new_pose:
            following = self._pose_command(q, now_ns)
        elif self.new_pose:
            self.new_pose = False  # "Command type has not been set, cannot accept input"
        trajectory = None
        if following is not None and self.status[0] not in (INVALID, HALT):
            self._push(now_ns, following)
            trajectory = self._compose()
        else:
            self._push(now_ns, self.q)
            self.velocity[:] = 0.0
        return self.status, trajectory

    def _pose_command(self, q: np.ndarray, now_ns: int) -> np.ndarray | None:
        stamp_ns, frame_id, pose = self.pose
        if (
            now_ns - stamp_ns >= TIMEOUT * 1e9
        ):  # old stamps only: the future is welcome, and the status stays what it was
            stopped = bool(np.all(np.abs(self.velocity) < 1e-4))
            self.new_pose = not stopped
            return None if stopped else self._smooth(q, np.zeros(len(q)))
        self.status = (OK, "No warnings")
        if frame_id != self.kinematics.spec.base_frame:
            self.status, self.new_pose = (INVALID, "Invalid"), False
            return None
        zero = float(np.linalg.norm(pose[3:])) < 1e-6
        if zero and not self.was_zero:  # measured: INVALID once, and then it moves
            self.status, self.new_pose, self.was_zero = (INVALID, "Invalid"), False, True
            return None
        self.was_zero = zero
        if self.scale <= 0:
            self.status = (HALT, "Collision detected, emergency stop")
            return None
        delta = self._delta(q, pose, zero)
        if self.scale < 1:
            self.status = (SLOW, "Close to a collision, decelerating")
            delta = delta * self.scale
        beyond = q + delta
        low, high = self.kinematics.lower + MARGIN, self.kinematics.upper - MARGIN
        if np.any((beyond < low) & (delta < 0)) or np.any((beyond > high) & (delta > 0)):
            self.status, delta = (BOUND, "Close to a joint bound, halting"), self.drift
        return self._smooth(q, delta / PERIOD)

    def _delta(self, q: np.ndarray, pose: np.ndarray, zero: bool) -> np.ndarray:
        here, jacobian = self.kinematics.forward(q), self.kinematics.jacobian(q)
        step = np.zeros(6)
        step[:3] = pose[:3] - here[:3] - self.tool
        if not zero:
            step[3:] = rotation.difference(pose[3:], here[3:])
        for part, speed in ((slice(0, 3), LINEAR), (slice(3, 6), ROTATIONAL)):
            way = float(np.linalg.norm(step[part]))
            # the plugin that limits accelerations sees the end of the way coming
            step[part] /= max(1.0, way / PERIOD / min(speed, np.sqrt(2 * BRAKING * way) + 1e-9))
        u, s, v = np.linalg.svd(jacobian, full_matrices=False)
        delta = v.T @ ((u.T @ step) / s)
        condition = s[0] / s[-1]
        if condition > SINGULARITY_HALTS:
            self.status, delta = (STOP, "Very close to a singularity, emergency stop"), np.zeros_like(delta)
        elif condition > SINGULARITY_SLOWS:  # measured: the code flickers between approaching and leaving
            self.flip = not self.flip
            self.status = (APPROACH if self.flip else LEAVE, "Close to a singularity, decelerating")
            delta = delta * (1 - (condition - SINGULARITY_SLOWS) / (SINGULARITY_HALTS - SINGULARITY_SLOWS))
        return delta

    def _smooth(self, q: np.ndarray, velocity: np.ndarray) -> np.ndarray:
        change = velocity - self.velocity
        self.velocity = self.velocity + change / max(1.0, float(np.abs(change).max()) / (ACCELERATION * PERIOD))
        self.leap = 0.9 * self.leap
        return q + self.velocity * PERIOD

    def _push(self, now_ns: int, q: np.ndarray) -> None:
        while self.window and self.window[0][0] < now_ns - LATENCY * 1e9:
            self.window.popleft()
        stamp = now_ns + round(LATENCY * 1e9)
        while self.window and self.window[-1][0] == stamp:
            self.window.pop()
        self.window.append((stamp, np.array(q), self.velocity.copy()))

    def _compose(self) -> JointTrajectory | None:
        if len(self.window) < 3:
            return None
        points = list(self.window)[:-1]  # as composeTrajectoryMessage: all but the newest
        times = np.array([(stamp - points[0][0]) / 1e9 for stamp, _, _ in points])
        return JointTrajectory(
            self.joints, times, np.array([q for _, q, _ in points]) + self.leap, np.array([v for *_, v in points])
        )
