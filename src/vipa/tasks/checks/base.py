"""What a sub-task check is: constructed without side effects, set up once, then asked again and again."""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Annotated

import numpy as np

from vipa.config import Range
from vipa.errors import VipaError, unknown
from vipa.robot.state import CameraFrame, GroundTruth, GroupState

Metres = Annotated[float, Range(-10, 10)]
Distance = Annotated[float, Range(0, 10)]  # metres
Size = Annotated[float, Range(above=0, high=10)]  # metres
Travel = Annotated[float, Range(-100, 100)]  # of a joint, metres or radians


class CheckStatus(IntEnum):
    """RUNNING: not (or no longer) fulfilled. MET: fulfilled now; the scorer adds the hold time. FAILED: can't be any more."""

    RUNNING = 0
    MET = 1
    FAILED = 2


@dataclass(frozen=True)
class CheckState:
    """What a check may look at, at `stamp_ns` of ROS time.

    truth: None in a real cell. groups: measured state by group name. fingers: names of the links that may touch what is
    grasped. operator: sub-task name → the operator's answer, done (True) or failed (False). frames: newest capture of each
    camera that a check looks through.
    """

    stamp_ns: int
    truth: GroundTruth | None = None
    groups: dict[str, GroupState] = field(default_factory=dict)
    fingers: frozenset[str] = frozenset()
    operator: dict[str, bool] = field(default_factory=dict)
    frames: dict[str, CameraFrame] = field(default_factory=dict)


@dataclass(frozen=True)
class CheckResult:
    """status, progress 0..1 and the measured value in words, with its unit and bound."""

    status: CheckStatus
    progress: float
    evidence: str


class Check:
    """Base of the checks. Subclasses name their parameters in a dataclass `Params` and answer `measure`.

    where: the place in the task file, for messages ("put_three_obj.yaml: sub-task 'open drawer'").
    """

    name = ""
    Params: type

    def __init__(self, params, where: str):
        self.params = params
        self.where = where

    def setup(self, first: CheckState) -> None:
        """Looks at the first state of the episode. Raises VipaError if what the parameters name is not in the scene."""

    def update(self, state: CheckState) -> CheckResult:
        """The result at `state`. Never blocks, never raises on data."""
        raise NotImplementedError


class SimCheck(Check):
    """A check on the ground truth of a simulated cell."""

    def setup(self, first: CheckState) -> None:
        if first.truth is None:
            raise VipaError(
                f"{self.where}: evidence 'sim' of check '{self.name}' needs a simulated cell's ground truth; "
                "allowed on a real cell: operator"
            )
        self.prepare(first, first.truth)

    def update(self, state: CheckState) -> CheckResult:
        if state.truth is None:
            return CheckResult(CheckStatus.RUNNING, 0.0, "no ground truth")
        try:
            return self.measure(state, state.truth)
        except KeyError as name:  # what `setup` found in the scene is not in this message
            return CheckResult(CheckStatus.RUNNING, 0.0, f"no ground truth of {name}")

    def prepare(self, first: CheckState, truth: GroundTruth) -> None:
        """Checks names against the scene and remembers the initial values."""

    def measure(self, state: CheckState, truth: GroundTruth) -> CheckResult:
        """The result at `state`, whose ground truth is `truth`."""
        raise NotImplementedError

    def need_body(self, truth: GroundTruth, key: str) -> None:
        """Raises VipaError if the parameter `key` does not name a body of the scene."""
        value = getattr(self.params, key)
        if value not in truth.poses:
            raise VipaError(f"{self.where}: params: {key}: {unknown('body', value, truth.poses)}")

    def need_scalar(self, truth: GroundTruth, key: str) -> None:
        """Raises VipaError if the parameter `key` does not name a scalar of the scene."""
        value = getattr(self.params, key)
        if value not in truth.scalars:
            raise VipaError(f"{self.where}: params: {key}: {unknown('scalar', value, truth.scalars)}")


def touching(truth: GroundTruth, name: str) -> frozenset[str]:
    """Names of what touches the body `name`."""
    return frozenset(b if a == name else a for a, b in truth.contacts if name in (a, b))


def held(state: CheckState, name: str) -> bool:
    """A finger touches the body `name`."""
    return state.truth is not None and bool(touching(state.truth, name) & state.fingers)


def fraction(value: float, start: float, goal: float) -> float:
    """How far `value` has come on the way from `start` to `goal`, clipped to 0..1."""
    if start == goal:
        return 1.0
    return float(np.clip((value - start) / (goal - start), 0.0, 1.0))


def result(met: bool, progress: float, evidence: str) -> CheckResult:
    """MET or RUNNING. Progress reaches 1 only when met."""
    return CheckResult(
        CheckStatus.MET if met else CheckStatus.RUNNING, 1.0 if met else min(float(progress), 0.99), evidence
    )


def need_vector(value: list[float], key: str) -> None:
    """ValueError if `value` is not three numbers."""
    if len(value) != 3:
        raise ValueError(f"{key}: wants three numbers, got {value}")
