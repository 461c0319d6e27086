"""Sub-tasks that a fixed camera judges: the evidence source `vision`, from its pictures alone. "Cannot see" is an answer: the sub-task
then waits. An operator's verdict counts before the camera's."""

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import numpy as np

from vipa.config import Range
from vipa.tasks.checks.base import Check, CheckResult, CheckState, CheckStatus, fraction, result
from vipa.tasks.checks.ink_below import InkBelow
from vipa.tasks.checks.inside import Inside
from vipa.tasks.checks.joint import JointBeyond
from vipa.tasks.checks.operator import verdict
from vipa.vision.ink import Board, InkWatch
from vipa.vision.opening import Face, opening
from vipa.vision.region import Thing, outside
from vipa.vision.sight import Sight

MAX_PICTURE_AGE_S = 0.5  # seconds after which a picture shows nothing of the present
LET_GO_M = 0.10  # metres from a thing to the nearest tool at which the hand has let go

Metres = Annotated[float, Range(-10, 10)]


class VisionCheck(Check):
    """`params`: the check's own; `sight`: how it is seen, of the class `Sees`, which names the `camera`."""

    Sees: ClassVar[type]

    def __init__(self, params, sight, subtask: str, where: str):
        super().__init__(params, where)
        self.sight, self.subtask = sight, subtask
        self._judged: tuple[int, CheckResult] | None = None  # stamp of the picture that was judged, and the result

    def update(self, state: CheckState) -> CheckResult:
        if (answer := verdict(state, self.subtask)) is not None:
            return answer
        frame = state.frames.get(self.sight.camera)
        if frame is None or state.stamp_ns - frame.stamp_ns > MAX_PICTURE_AGE_S * 1e9:
            return CheckResult(CheckStatus.RUNNING, 0.0, f"cannot see: no new picture of camera {self.sight.camera}")
        if self._judged is None or self._judged[0] != frame.stamp_ns:
            self._judged = frame.stamp_ns, self.judge(Sight(frame), state)
        return self._judged[1]

    def judge(self, sight: Sight, state: CheckState) -> CheckResult:
        """The result by one picture."""
        raise NotImplementedError


def unseen(words: str) -> CheckResult:
    """What a camera that cannot see says: the sub-task waits."""
    return CheckResult(CheckStatus.RUNNING, 0.0, words)


@dataclass(frozen=True)
class FaceSeen(Face):
    """See Face. camera: of the robot file, a fixed one."""

    camera: str = "scene"


class JointBeyondSeen(VisionCheck):
    """A drawer stands open, or shut, beyond a bound in metres."""

    name, Params, Sees = JointBeyond.name, JointBeyond.Params, FaceSeen

    def judge(self, sight: Sight, state: CheckState) -> CheckResult:
        seen, p = opening(sight, self.sight), self.params
        if seen.value is None:
            return unseen(seen.words)
        bound, met = (p.above, seen.value > p.above) if p.above is not None else (p.below, seen.value < p.below)
        way = fraction(seen.value, 0.0 if p.above is not None else self.sight.reach, bound)
        return result(met, way, f"{seen.words} (wants {'>' if p.above is not None else '<'} {1e3 * bound:g} mm)")


@dataclass(frozen=True)
class InteriorSeen:
    """thing: how the object looks. low, high: (3,) metres in the world, the container's interior; of a drawer, when it is closed.
    drawer: its front, where it is one. camera: of the robot file, a fixed one."""

    thing: Thing
    low: list[Metres]
    high: list[Metres]
    drawer: Face | None = None
    camera: str = "scene"

    def __post_init__(self):
        if len(self.low) != 3 or len(self.high) != 3 or any(a >= b for a, b in zip(self.low, self.high, strict=True)):
            raise ValueError(f"low {self.low} must lie below high {self.high} on three axes")


class InsideSeen(VisionCheck):
    """An object lies in a container, and no tool is near it."""

    name, Params, Sees = Inside.name, Inside.Params, InteriorSeen

    def judge(self, sight: Sight, state: CheckState) -> CheckResult:
        low, high = np.array(self.sight.low), np.array(self.sight.high)
        if self.sight.drawer is not None:
            out = opening(sight, self.sight.drawer)
            if out.value is None:
                return unseen(out.words)
            shift = out.value * self.sight.drawer.axes()[2]
            low, high = low + shift, high + shift
        seen = outside(sight, self.sight.thing, low, high)
        if seen.value is None:
            return unseen(f"{self.params.object}: {seen.words}")
        words = f"{self.params.object} {seen.words}"
        if seen.value > 0:
            return result(False, 0.9 * (1.0 - min(seen.value, 1.0)), words)
        over = [g.tool_pose[2] - high[2] for g in state.groups.values() if len(g.hand)]
        if self.params.released and any(height < LET_GO_M for height in over):
            return result(False, 0.9, f"{words}, the hand is not clear of it")
        return result(True, 1.0, words)


@dataclass(frozen=True)
class BoardSeen(Board):
    """See Board. camera: of the robot file, a fixed one."""

    camera: str = field(default="scene")


class InkBelowSeen(VisionCheck):
    """Less than a share of the ink is left of what was there at first."""

    name, Params, Sees = InkBelow.name, InkBelow.Params, BoardSeen

    def __init__(self, *args):
        super().__init__(*args)
        self._watch = InkWatch(self.sight)

    def judge(self, sight: Sight, state: CheckState) -> CheckResult:
        seen, p = self._watch.look(sight), self.params
        if seen.value is None:
            return unseen(seen.words)
        wanted = f"{seen.words} (wants < {100 * p.below:g} %)"
        return result(seen.value < p.below, fraction(seen.value, 1.0, p.below), wanted)
