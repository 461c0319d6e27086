"""Commands that say when they begin, in the clock of the joint states, which is the controller's own.

A command that begins when it arrives begins later than planned by however long it was under way, and JointTrajectoryController
begins it a cycle of its own too early: what it commands leaps at every replacement (docs/safety.md, Controllers). A command that
says when it begins repeats what is followed already, and only then goes another way: nothing leaps.
"""

from collections import deque
from statistics import median

import numpy as np

from vipa.motion.gate import Plan

MAX_WAY_S = 0.01  # seconds that a command may be under way without effect on what the arm does
MAX_AGE_S = 0.05  # seconds from a joint state to its answer that count; older joint states move nothing
AGES = 100  # commands whose median age counts


class Dating:
    """delay: seconds after the joint state that it answers at which a plan takes effect: what a command may be under way, and as long
    as its answer usually takes. It changes only while the arms rest.

    Args:
        step: seconds between the points of a command.
    """

    def __init__(self, step: float):
        self.step = step
        self.delay = self._way = min(step, MAX_WAY_S)
        self._ages: deque[float] = deque(maxlen=AGES)
        self._plan: Plan | None = None
        self._before: Plan | None = None
        self._stamp_ns = self._before_ns = 0

    def take(self, plan: Plan, stamp_ns: int) -> tuple[int, np.ndarray, np.ndarray, np.ndarray]:
        """The command for `plan`, which was made for the joint state of `stamp_ns`, ROS time.

        Returns when it begins, ROS time (0: when it arrives, as at the start, where it goes on from nothing), times (P,) seconds
        from then, positions (P, n), velocities (P, n).
        """
        times, positions, velocities = plan.samples(self.step)
        here, last, elapsed = plan.at(0.0), self._plan, (stamp_ns - self._stamp_ns) / 1e9
        self._before, self._before_ns = last, self._stamp_ns
        self._plan, self._stamp_ns = plan, stamp_ns
        if last is None or elapsed <= 0 or not np.allclose(last.at(elapsed).q, here.q, rtol=0, atol=1e-6):
            return 0, times, positions, velocities
        back = min(self.step, elapsed)
        before = last.at(elapsed - back)
        if before.at_rest and here.at_rest and self._ages:
            self.delay = self._way + median(self._ages)
        return (
            stamp_ns + round(1e9 * (self.delay - back)),
            np.concatenate([[0.0, back], back + times]),
            np.vstack([before.q, here.q, positions]),
            np.vstack([before.v, here.v, velocities]),
        )

    def answered(self, now_ns: int) -> float:
        """The command that was taken last is about to be sent at `now_ns`. Returns how many seconds ago its joint state was."""
        age = (now_ns - self._stamp_ns) / 1e9
        self._ages.append(min(max(age, 0.0), MAX_AGE_S))
        return age

    def unsent(self) -> None:
        """The command that was taken last is not sent."""
        self._plan, self._stamp_ns = self._before, self._before_ns
