"""From motion's trajectories to joint velocities that an arm is given at a fixed rate, and what of them is refused."""

import numpy as np

from vipa.robot.state import JointTrajectory
from vipa.robot.trajectory_controller import TrajectoryController

HORIZON_S = 0.02  # seconds ahead that the velocity is of, where a command reaches so far
GAIN = 8.0  # 1/s: share of the position error that is taken up in a second
MAX_AGE_S = 0.1  # seconds that the joint state may be old which a command answers
LATE_S = 0.05  # seconds of way at full speed by which a command may begin beside the desired state
START_RAD = (
    0.02  # radians by which the first command may begin beside where the arm is measured: no more is pulled straight
)
SPEED_SLACK = 1.001  # of a joint's velocity limit: rounding
END_S = 0.5  # seconds without a command after which the arm is given back to its own controller


class JointStream:
    """What the arm should do now. Begins to follow with the first command that it takes; without commands it goes along the last
    one's braking tail and, END_S later, ends. One thread; times are the local monotonic clock's seconds.

    Args:
        name: of the controller, in messages.
        joints: J names in the arm's order.
        limits: positions (J,) rad at least and at most, velocities (J,) rad/s at most.
    """

    def __init__(self, name: str, joints: list[str], limits: tuple[np.ndarray, np.ndarray, np.ndarray]):
        self.controller = TrajectoryController(name, joints)
        self.lower, self.upper, self.speed = (np.asarray(limit, float) for limit in limits)
        self.following, self._heard, self._first = False, 0.0, 0.0

    def take(self, command: JointTrajectory, age: float, now: float, measured: np.ndarray) -> str:
        """Follow `command` from `now` on. '' or why it is refused, which changes nothing.

        age: seconds that the joint state is old which the command answers. measured: (J,) rad, where the arm is.
        """
        if not -MAX_AGE_S <= age <= MAX_AGE_S:
            return f"a command that answers a joint state of {age:.3f} s ago; allowed: {MAX_AGE_S:g}"
        trial = TrajectoryController(self.controller.name, self.controller.joint_names)
        trial.reset(measured)
        if self.following:
            trial = self.controller
        here = trial.sample(np.array([now]))[0][0]
        if why := self._reason_against(command, here):
            return why
        if why := trial.accept(command, now):
            return why
        self.controller, self.following, self._heard = trial, True, now
        self._first = now + float(command.times[0])
        return ""

    def velocity(self, now: float, desired: np.ndarray) -> np.ndarray | None:
        """Joint velocities (J,) rad/s to give to the arm now; None: none, it keeps itself where it is.

        desired: (J,) rad, where the arm's own controller wants it now.
        """
        if not self.following:
            return None
        if now - self._heard > END_S:
            self.stop()
            return None
        # behind the first point a command only brakes, which the next one replaces
        aim = now + HORIZON_S if now >= self._first else min(now + HORIZON_S, self._first)
        positions, velocities = self.controller.sample(np.array([now, aim]))
        return np.clip(velocities[1] + GAIN * (positions[0] - desired), -self.speed, self.speed)

    def stop(self) -> None:
        """Forgets what was commanded. The next command begins where the arm is measured then."""
        self.following = False

    def _reason_against(self, command: JointTrajectory, here: np.ndarray) -> str:
        names = self.controller.joint_names
        if tuple(command.joint_names) != names:
            return f"joints {', '.join(command.joint_names)}; allowed: {', '.join(names)}"
        q, v, count = np.asarray(command.positions), np.asarray(command.velocities), len(command.times)
        if not count or q.shape != (count, len(names)) or v.shape != q.shape:
            return (
                f"positions {q.shape} and velocities {v.shape} at {count} times; allowed: both of {len(names)} joints"
            )
        if not (np.isfinite(q).all() and np.isfinite(v).all()):
            return "a value is not finite"
        reach = self.speed * max(float(command.times[0]), 0.0) + (self.speed * LATE_S if self.following else START_RAD)
        for i, name in enumerate(names):
            low, high = q[:, i].min(), q[:, i].max()
            if low < self.lower[i] or high > self.upper[i]:
                return f"{name} from {low:.3f} to {high:.3f}; allowed: {self.lower[i]:.3f} to {self.upper[i]:.3f} rad"
            if (fastest := np.abs(v[:, i]).max()) > SPEED_SLACK * self.speed[i]:
                return f"{name} at {fastest:.3f} rad/s; allowed: {self.speed[i]:g}"
            if (jump := abs(q[0, i] - here[i])) > reach[i]:
                return f"{name} begins {jump:.3f} rad beside where it is; allowed: {reach[i]:.3f}"
        return ""
