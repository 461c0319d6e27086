"""JointStates: where every joint of the robot is, whoever publishes it, in however many messages."""

from collections.abc import Sequence

import numpy as np

from vipa.robot.description import Robot
from vipa.robot.state import JointState

MAX_LAYOUTS = 16  # publishers' lists of names that are remembered
MAX_DIFFERENCE_S = 0.25  # seconds between two positions, beyond which their difference says nothing of a velocity


class JointStates:
    """The newest position and velocity of each joint of the groups and their hands, with its own stamp. One thread.

    names: arms' and heads' joints in the robot file's order, `arms` of them, then the hands'. positions, velocities: (n,) float64 in
    this order, radians or metres, and a second; NaN before the first. A joint whose driver gives no velocity has that of its
    last two positions.
    """

    def __init__(self, robot: Robot):
        joints = [j for g in robot.groups for j in g.joints]
        self.names = (*joints, *(j for g in robot.groups if g.hand for j in g.hand.joints))
        self.arms = len(joints)
        self._place = {name: i for i, name in enumerate(self.names)}
        self._layouts: dict[tuple[str, ...], tuple[np.ndarray, np.ndarray, bool] | str] = {}
        self.positions, self.velocities = np.full(len(self.names), np.nan), np.full(len(self.names), np.nan)
        self.stamps = np.zeros(len(self.names), np.int64)

    def take(self, state: JointState) -> str:
        """'' if what `state` tells of this robot's joints was taken, else why it was dropped, or which joint has no usable value."""
        if state.stamp_ns == 0:
            return "joint state: its stamp is zero"
        try:
            layout = self._layout(tuple(state.names))
            if isinstance(layout, str):
                return layout
            source, target, _ = layout
            count = len(state.names)
            positions, velocities = np.asarray(state.positions, float), np.asarray(state.velocities, float)
        except (TypeError, ValueError) as error:
            return f"joint state: {error}"
        if positions.shape != (count,) or velocities.shape != (count,):
            return f"joint state: {count} names, but positions {positions.shape} and velocities {velocities.shape}"
        positions, velocities = positions[source], velocities[source]
        good = np.isfinite(positions)
        if good.all():
            self._put(target, state.stamp_ns, positions, velocities)
            return ""
        self._put(target[good], state.stamp_ns, positions[good], velocities[good])
        return f"joint state: {self.names[target[~good][0]]}: not finite"

    def carries_arms(self, state: JointState) -> bool:
        """Whether `state` tells of a joint of an arm or head."""
        try:
            layout = self._layout(tuple(state.names))
        except TypeError:
            return False
        return not isinstance(layout, str) and layout[2]

    def _layout(self, names: tuple[str, ...]):
        """Where in a message with `names` this robot's joints stand, and where they belong here; whether arms are among them."""
        found = self._layouts.get(names)
        if found is None:
            if len(self._layouts) >= MAX_LAYOUTS:
                self._layouts.clear()
            pairs = [(i, self._place[name]) for i, name in enumerate(names) if name in self._place]
            targets = [there for _, there in pairs]
            if len(set(targets)) != len(targets):
                found = "joint state: a joint stands twice"
            else:
                found = (
                    np.array([i for i, _ in pairs], int),
                    np.array(targets, int),
                    any(t < self.arms for t in targets),
                )
            self._layouts[names] = found
        return found

    def _put(self, where: np.ndarray, stamp_ns: int, positions: np.ndarray, velocities: np.ndarray) -> None:
        unknown = ~np.isfinite(velocities)
        if unknown.any():
            apart = (stamp_ns - self.stamps[where]) / 1e9
            usable = (apart > 0) & (apart < MAX_DIFFERENCE_S) & np.isfinite(self.positions[where])
            slope = np.where(
                usable, (positions - np.nan_to_num(self.positions[where])) / np.where(usable, apart, 1.0), 0.0
            )
            again = (apart == 0) & np.isfinite(self.velocities[where])  # the same state once more
            velocities = np.where(unknown, np.where(again, self.velocities[where], slope), velocities)
        self.positions[where], self.velocities[where], self.stamps[where] = positions, velocities, stamp_ns

    # what is known

    def missing(self) -> str:
        """'' if every joint has been heard of, else which have not."""
        names = [self.names[i] for i in np.flatnonzero(np.isnan(self.positions))]
        return f"no joint state of {', '.join(names[:3])}{' …' if len(names) > 3 else ''}" if names else ""

    @property
    def stamp_ns(self) -> int:
        """Stamp of the oldest value of an arm's or head's joint: at this time all of them stood about here."""
        return int(self.stamps[: self.arms].min())

    @property
    def hand_ns(self) -> int:
        """Stamp of the oldest value of a hand's joint; the arms' where there is no hand."""
        return int(self.stamps[self.arms :].min()) if len(self.names) > self.arms else self.stamp_ns

    def lagging(self, allowed: float) -> str:
        """'' or which arm's joint was heard of so long ago that it lies more than `allowed` seconds behind the newest."""
        stamps = self.stamps[: self.arms]
        oldest = int(stamps.argmin())
        return (
            f"no joint state of {self.names[oldest]} beside the others'"
            if stamps.max() - stamps[oldest] > allowed * 1e9
            else ""
        )

    def merged(self) -> JointState | None:
        """All of them as one state, stamped `stamp_ns`; None while one is missing."""
        if self.missing():
            return None
        return JointState(self.stamp_ns, self.names, self.positions.copy(), self.velocities.copy())


class History:
    """The merged states of the last `span` seconds, at most `rate` a second."""

    def __init__(self, rate: float, span: float = 1.0):
        self.apart, self.span = round(0.5e9 / rate), round(span * 1e9)
        self.states: list[JointState] = []

    def add(self, state: JointState) -> bool:
        """The newest state; whether it is kept. One from before the last begins anew: the clock has jumped."""
        if self.states and state.stamp_ns < self.states[-1].stamp_ns:
            self.states.clear()
        if self.states and state.stamp_ns - self.states[-1].stamp_ns < self.apart:
            return False
        self.states.append(state)
        while state.stamp_ns - self.states[0].stamp_ns > self.span:
            self.states.pop(0)
        return True

    def at(self, stamp_ns: int) -> JointState | None:
        """The state nearest to `stamp_ns`; None before the first."""
        return min(self.states, key=lambda s: abs(s.stamp_ns - stamp_ns), default=None)


def positions_of(state: JointState, joints: Sequence[str]) -> np.ndarray:
    """(J,) positions of `joints`, which are all in `state`."""
    index = {name: i for i, name in enumerate(state.names)}
    return state.positions[[index[name] for name in joints]]
