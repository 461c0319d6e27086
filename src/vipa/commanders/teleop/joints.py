"""JointDrive: a group that follows joints: an arm its leader arm, a head its keys."""

import numpy as np

from vipa.commanders.teleop.track import DT_S, Track
from vipa.robot.description import Group

SPEED_SHARE = 0.4  # of the robot file's joint speeds
ACCELERATION_SHARE = 0.4  # likewise of its accelerations, for a head's steps
MAX_LEAD_RAD = 0.3  # radians that the track may lead the measured joints
NEAR_RAD = 0.02  # radians: a head's step is done


class JointDrive:
    """One group. align: radians that any joint of a leader may be off when it is engaged; further off nothing moves."""

    def __init__(self, group: Group, align: float):
        self.group, self.align = group, align
        self.reach = SPEED_SHARE * DT_S * np.asarray(group.max_velocity, float)
        self.acceleration = ACCELERATION_SHARE * np.asarray(group.max_acceleration, float)
        self.track = Track()
        self.note = ""
        self._goal: np.ndarray | None = None
        self._by = np.zeros(len(group.joints))  # the last knot's displacement on the way to it

    @property
    def engaged(self) -> bool:
        """The group is being driven."""
        return self.track.end is not None

    def reset(self) -> None:
        """It begins anew from where it is measured."""
        self.track.clear()
        self._goal = None

    def follow(
        self, now_ns: int, held: bool, leader: np.ndarray | None, measured: np.ndarray
    ) -> tuple[int, np.ndarray] | None:
        """Start in ns and joints (T, J) that lead to those of the leader (J,) rad, at a bounded speed; None: nothing to send.

        A leader that is not within `align` of the measured joints when it is engaged moves nothing; `note` names the joints.
        """
        self.note = ""
        if leader is not None and len(leader) != len(self.group.joints):
            self.note = f"the leader has {len(leader)} joints, {self.group.name} {len(self.group.joints)}"
        elif held and leader is not None:
            if not self.engaged:
                self.note = self._misaligned(leader, measured)
            if not self.note:
                if not self.engaged:
                    self.track.begin(now_ns, measured)
                return self._extend(now_ns, leader, measured)
        self.reset()
        return None

    def nudge(self, now_ns: int, by: np.ndarray | None, measured: np.ndarray) -> tuple[int, np.ndarray] | None:
        """Start in ns and joints (T, J) of a step `by` (J,) rad from where it was sent; None: it is there."""
        if by is not None:
            start = measured if self._goal is None else self._goal
            wanted = start + by
            if np.all(np.abs(wanted - measured) <= MAX_LEAD_RAD):
                self._goal = wanted
        if self._goal is None:
            self.track.clear()
            return None
        if not self.engaged:
            self.track.begin(now_ns, measured)
            self._by[:] = 0
        goal = self._goal
        found = (
            self.track.steps(now_ns) if self.track.extend(now_ns, lambda value: self._towards(goal, value)) else None
        )
        if np.all(np.abs(self.track.end - self._goal) < 1e-9):
            self._goal = None
        return found

    def _towards(self, goal: np.ndarray, value: np.ndarray) -> np.ndarray:
        """The next knot (J,) on the way from `value` to `goal`, no joint faster or starting and stopping harder than allowed: motion
        would swing past the goal of a way that ends more suddenly than the joints can."""
        off, change = goal - value, self.acceleration * DT_S * DT_S
        most = np.minimum(self.reach, DT_S * np.sqrt(self.acceleration * np.abs(off)))
        self._by = np.clip(np.clip(off, -most, most), self._by - change, self._by + change)
        return value + self._by

    def _misaligned(self, leader: np.ndarray, measured: np.ndarray) -> str:
        off = np.abs(leader - measured)
        far = [f"{self.group.joints[j]} {off[j]:.2f} rad" for j in np.flatnonzero(off > self.align)]
        return f"the leader is off: {', '.join(far)} (allowed: {self.align:g}); bring it there first" if far else ""

    def _extend(self, now_ns: int, goal: np.ndarray, measured: np.ndarray) -> tuple[int, np.ndarray] | None:
        def advance(value: np.ndarray) -> np.ndarray:
            after = value + np.clip(goal - value, -self.reach, self.reach)
            return np.where(np.abs(after - measured) <= MAX_LEAD_RAD, after, value)

        return self.track.steps(now_ns) if self.track.extend(now_ns, advance) else None
