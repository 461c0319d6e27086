"""ChunkBuffer: from the chunks that arrive, whenever they arrive, to one smooth reference for a group.

Three steps, each of them continuous in position and velocity:

1. The *path*: timed knots, linear in between. A chunk replaces what lies after the committed time; the offset between the
   old and the new path at that time fades out along a quintic that starts with their difference in velocity.
2. The *playout clock* reads the path. It runs ahead of time by the lag of the filter and of what follows, so that a commander who sends its
   future is followed without lag; where the future is not known (single poses at 30 Hz) it plays one step late instead,
   as an audio player buffers jitter, and catches up when there is more in hand than was needed lately.
3. The *filter*: third order, critically damped, on R^n or on R^3 x SO(3). It bounds what a corner of the path costs in jerk.
"""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import sqrt

import numpy as np

from vipa.geometry import poses

COMMITTED_S = 0.1  # seconds ahead of now that no chunk changes
BANDWIDTH_RAD_S = 110.0  # rad/s of the filter: 3 / BANDWIDTH_RAD_S = 27 ms of lag
MIN_BLEND_S = 0.15  # seconds, the shortest fade of a splice
MAX_CATCH_UP = 0.15  # the playout clock runs at most this much faster than time
RESTING_SHARE = 0.02  # share of `speed` below which the reference counts as at rest
SAME_S = 1e-9  # seconds apart that times are the same but for rounding
MAX_REWIND_S = 0.5  # seconds that the playout clock may be set back by a chunk that is late as a whole


@dataclass(frozen=True)
class Reference:
    """Where the group should be at a tick: value (7,) xyz + xyzw or (J,), rate (6,) m/s and rad/s in the base frame's axes or
    (J,) rad/s, acceleration likewise."""

    value: np.ndarray
    rate: np.ndarray
    acceleration: np.ndarray


class Space:
    """What knots are points of. A point has `size` numbers, a difference between points `tangent` numbers."""

    def __init__(self, kind: str, joints: int):
        self.pose = kind == "pose"
        self.tangent = 6 if self.pose else joints

    def difference(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """The tangent (tangent,) that leads from b to a."""
        return poses.difference(a, b) if self.pose else a - b

    def add(self, a: np.ndarray, d: np.ndarray) -> np.ndarray:
        """The point that lies `d` from a."""
        return poses.moved(a, d) if self.pose else a + d


class KnotPath:
    """Knots at rising `times` (K) seconds with values (K, size): constant before the first and after the last."""

    def __init__(self, space: Space, times: Iterable[float], values: np.ndarray):
        self.space, self.times, self.values = space, [float(time) for time in times], values
        self._ways: dict[int, np.ndarray] = {}

    @property
    def end(self) -> float:
        return self.times[-1]

    def at(self, time: float) -> np.ndarray:
        i = bisect_right(self.times, time)
        if i == 0 or i == len(self.times):
            return self.values[0 if i == 0 else -1]
        share = (time - self.times[i - 1]) / (self.times[i] - self.times[i - 1])
        return self.space.add(self.values[i - 1], share * self._way(i))

    def rate(self, time: float) -> np.ndarray:
        i = bisect_right(self.times, time + SAME_S)
        if i == len(self.times) > 1 and time < self.end + SAME_S:
            i -= 1  # at the last knot: still as it came
        if i == 0 or i == len(self.times) or self.times[i] == self.times[i - 1]:
            return np.zeros(self.space.tangent)
        return self._way(i) / (self.times[i] - self.times[i - 1])

    def _way(self, i: int) -> np.ndarray:
        """The tangent (tangent,) from the knot before the knot `i` to it; the same for many ticks."""
        if i not in self._ways:
            self._ways[i] = self.space.difference(self.values[i], self.values[i - 1])
        return self._ways[i]


class Fade:
    """A tangent that starts at time `start` with value and rate (tangent,), and has come to rest at zero after `length`."""

    def __init__(self, start: float, length: float, value: np.ndarray, rate: np.ndarray):
        self.start, self.length = start, length
        r = rate * length
        # the quintic with value, rate, 0 at 0 and zeros at 1, powers 0..5
        self.coefficients = np.array([value, r, 0 * r, -10 * value - 6 * r, 15 * value + 8 * r, -6 * value - 3 * r])

    def at(self, time: float) -> np.ndarray:
        x = (time - self.start) / self.length
        return x ** np.arange(6.0) @ self.coefficients


class ChunkBuffer:
    """The reference of one group in one space (poses, or joints), spliced from chunks without a jump. Not for several threads.

    Times are seconds of any one clock; the caller uses ROS time less an origin of its own.

    Args:
        space: of poses or of joints.
        speed, acceleration: (tangent,) that fading out a splice may add to the path's own, m/s and rad/s, m/s² and rad/s².
        bandwidth: rad/s of the filter behind the path, a triple pole: 3 / bandwidth seconds of lag.
        behind_s: seconds of lag of what follows the reference.
    """

    def __init__(
        self,
        space: Space,
        speed: np.ndarray,
        acceleration: np.ndarray,
        bandwidth: float = BANDWIDTH_RAD_S,
        behind_s: float = 0.0,
    ):
        self.space, self.speed, self.acceleration, self.bandwidth = space, speed, acceleration, bandwidth
        # gives (tangent,) that bridging an offset may use: less where the arm gives the tool less
        self.fading: Callable[[], np.ndarray] = lambda: acceleration
        self.lag = 3 / bandwidth + behind_s
        self._step = 0.0
        self.clear()

    def clear(self) -> None:
        """Forget everything. The next chunk is a cold start from where `restart` says."""
        self.path: KnotPath | None = None
        self._fades: list[Fade] = []
        self._spare: deque[float] = deque(maxlen=5)
        self._clock = self._pace = 0.0
        self._value = np.empty(0)  # before `restart`
        self._input = np.empty(0)  # the path where the last tick has left it
        self._rate = self._acceleration = np.zeros(self.space.tangent)

    def restart(self, value: np.ndarray, rate: np.ndarray) -> None:
        """The reference now is `value`, moving at `rate` (tangent,): where the robot was commanded to be."""
        self._value = self._input = np.array(value, float)
        self._rate = np.array(rate, float)
        self._acceleration = np.zeros(self.space.tangent)

    @property
    def active(self) -> bool:
        return self.path is not None

    @property
    def value(self) -> np.ndarray:
        """The reference at the end of the last tick: (7,) or (J,)."""
        return self._value

    def finished(self, now: float) -> bool:
        """True when the last step is past and the reference has come to rest on it."""
        return self.path is None or (
            now > self.path.end
            and self._clock >= self.path.end
            and all(self._clock >= f.start + f.length for f in self._fades)
            and bool(np.abs(self._rate).max() < 1e-3)
        )

    def raw(self, clock: float) -> np.ndarray:
        """The path with its fades at playout time `clock`; without a path, the reference."""
        if self.path is None:
            return self._value
        value = self.path.at(clock)
        for fade in reversed(self._fades):  # the newest was measured against the bare path: innermost
            if fade.start <= clock < fade.start + fade.length:
                value = self.space.add(value, fade.at(clock))
        return value

    def committed_until(self, now: float) -> float:
        """Playout time up to which the path stands, whatever arrives: COMMITTED_S ahead of now, as far as steps are known."""
        if self.path is None:
            return now
        return max(self._clock, min(now + COMMITTED_S, self.path.end))

    def splice(self, times: np.ndarray, values: np.ndarray, period: float, now: float) -> None:
        """Take the steps `values` (T, size), due at rising `times` (T,), `period` apart, from the committed time on.

        The caller has checked them. Steps that are past are trimmed; if all of them are, the last is where to go.
        """
        if not self._value.size:
            raise RuntimeError("splice before restart: the reference has no start")
        if self.path is None:
            self._clock = now
            self.path = KnotPath(self.space, [now], self._value[None])
            if self._rate.any():
                self._fades = [Fade(now, MIN_BLEND_S, np.zeros(self.space.tangent), self._rate)]
        else:
            self._spare.append(self.path.end - self._clock)
        old = self.path
        if not old.rate(self._clock).any() and self._resting():
            self._pace = 0.0  # a movement begins; the next chunks of one that has just begun find the path on its way
        late = self._clock - (times[-1] - period)
        if late > 0 and self._clock >= old.end:  # what was known is played: the clock may be set back without a jump
            back = min(late, MAX_REWIND_S, self._clock - old.end)
            self._clock -= back
            for fade in self._fades:
                fade.start -= back
        self._join(old, self.committed_until(now), times, values)

    def _join(self, old: KnotPath, cut: float, times: np.ndarray, values: np.ndarray) -> None:
        first = max(0, bisect_right(old.times, self._clock) - 1)
        self._fades = [f for f in self._fades if f.start + f.length > self._clock]
        bridge = times[0] > cut - SAME_S and self._can_bridge(old, cut, times[0], values[0])
        keep = slice(first, max(first, bisect_left(old.times, times[0] if bridge else cut)))
        knots, points = old.times[keep], list(old.values[keep])
        at_cut = old.at(cut)
        if not bridge:
            new = KnotPath(self.space, times, values)
            start = new.at(cut)
            offset, rate = self.space.difference(at_cut, start), old.rate(cut) - new.rate(cut)
            if np.abs(offset).max() > 1e-9 or np.abs(rate).max() > 1e-9:
                self._fades.append(Fade(cut, self._fade_length(np.abs(offset), np.abs(rate)), offset, rate))
            # two knots at one time: the path jumps, the fade starts with the jump's opposite
            knots, points = [*knots, cut, cut], [*points, at_cut, start]
        elif not knots or knots[-1] < cut:
            knots, points = [*knots, cut], [*points, at_cut]
        ahead = times > cut + SAME_S
        self.path = KnotPath(self.space, [*knots, *times[ahead]], np.array([*points, *values[ahead]]))

    def _can_bridge(self, old: KnotPath, cut: float, due: float, value: np.ndarray) -> bool:
        """True if the straight way to a first step that is still to come is slow enough, and from rest also gentle enough."""
        before = bisect_left(old.times, due) - 1
        begin = max(cut, old.times[before]) if before >= 0 else cut
        way = np.abs(self.space.difference(value, old.at(begin)))
        if (way > self.speed * (due - begin)).any():
            return False
        return not self._resting() or due - begin >= sqrt((5.77 * way / self.acceleration).max())

    def _resting(self) -> bool:
        return bool((np.abs(self._rate) < RESTING_SHARE * self.speed).all())

    def _fade_length(self, offset: np.ndarray, rate: np.ndarray) -> float:
        """Seconds: the quintic's peaks are 1.875 offset / T in speed, 5.77 offset / T^2 and 3.94 rate / T in acceleration."""
        return max(
            MIN_BLEND_S,
            float((1.875 * offset / self.speed).max()),
            float((3.94 * rate / self.acceleration).max()),
            sqrt((5.77 * offset / self.fading()).max()),
        )

    def advance(self, now: float, dt: float) -> Reference:
        """The reference at now + dt. Call it once a tick, with the `dt` seconds until the next."""
        if self.path is None:
            return self._filter(self._value, self._value, dt)
        self._clock += dt * self._next_pace(self.path, now, dt)
        before, self._input = self._input, self.raw(self._clock)
        return self._filter(before, self._input, dt)

    def _next_pace(self, path: KnotPath, now: float, dt: float) -> float:
        """Seconds of playout time a second, for the coming tick."""
        left = path.end - self._clock
        if left <= 0:  # holding: nothing is skipped by running on
            return 1 + min(max((now + self.lag - self._clock) / 0.1, -0.5), MAX_CATCH_UP)
        spare = min(self._spare) if self._spare else left
        behind = now + self.lag - self._clock
        pace = 1 + min(max(min(behind, max(spare, 0.0)) / 0.1, -0.5), MAX_CATCH_UP)
        # the path's corners at its beginning and its end are taken as fast as the acceleration allows, by playing slower:
        # `stop` seconds to stop from the path's speed. A stream that lives from hand to mouth ends at every step: not there
        stop = float((np.abs(path.rate(self._clock)) / self.acceleration).max())
        if stop > 0:
            pace = min(pace, self._pace + dt / stop)
            if spare > 1e-3:
                pace = min(pace, max(sqrt(2 * left / stop), 1e-3))
        self._pace = pace
        return min(pace, left / dt) if pace * dt > left else pace

    def _filter(self, before: np.ndarray, after: np.ndarray, dt: float) -> Reference:
        """One exact step of jerk = w^3 (input - x) - 3 w^2 rate - 3 w acceleration, the input going straight from `before`
        to `after`. The pole is triple: exp(A dt) = exp(-w dt) (1 + N dt + N^2 dt^2 / 2) with N = A + w."""
        w = self.bandwidth
        if dt != self._step:
            n = np.array([[w, 1, 0], [0, w, 1], [-(w**3), -3 * w**2, -2 * w]])
            self._step, self._phi = dt, np.exp(-w * dt) * (np.eye(3) + n * dt + n @ n * (dt * dt / 2))
        slope = self.space.difference(after, before) / dt
        start = self.space.difference(self._value, before)
        behind = 3 / w * slope  # where a ramp is followed in the end: this far behind, as fast as it
        state = self._phi @ np.array([start + behind, self._rate - slope, self._acceleration])
        self._value = self.space.add(self._value, state[0] - behind + slope * dt - start)
        self._rate, self._acceleration = state[1] + slope, state[2]
        return Reference(self._value, self._rate, self._acceleration)
