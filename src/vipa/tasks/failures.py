"""Why a sub-task failed, in the classes of the paper's failure analysis (supplement J) and those of a stack that runs for hours.

While a sub-task may be worked on, a trace is kept of it: of the tools' ways, of contacts, of the force on the tools. The graph and the
in-process loop both score with `EpisodeScorer`, which asks here, so that they give the same class. docs/tasks.md has the table.
"""

from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import numpy as np

from vipa.geometry import poses
from vipa.geometry.rotation import from_matrix
from vipa.robot.description import FINGERS, Robot
from vipa.robot.kinematics import Kinematics
from vipa.tasks.checks import CheckState, touching
from vipa.tasks.task import SubTask

NEAR_M = 0.06  # metres from the tool to a body, within which a hand that closes means that body
TALL_M = 0.20  # metres that a body is taken to stand over its origin, which is the foot of what stands
CLOSED_SHARE = 0.25  # of the hand's opening by which it closes when it acts
LIFTED_M = 0.02  # metres that a body must have come up, touched by a finger, to count as carried
LET_GO_SHARE = 0.10  # of the opening by which a hand that lets go has opened, within RECENT_S
RECENT_S = 0.5  # seconds
LOST_S = 0.1  # seconds without a finger on it after which a carried body counts as lost
EXCESSIVE_N = 30.0  # newtons on a tool: three quarters of the cap of the robots that ship, and no task wants half of it
TOUCH_N = 5.0  # newtons on a tool that touches something, whatever it is
PRESSED_S = 1.0  # seconds of contact after which too little pressure is to blame
STUCK_S = 5.0  # seconds in which no tool leaves a ball of STILL_M about where it is
STILL_M = 0.02  # metres
BESIDE_M = 0.30  # metres from a body to the place it is wanted, within which it was brought to a wrong spot there
PRESSING = "pressed_beyond", "ink_below"  # checks that want pressure


class FailureClass(StrEnum):
    """The value is what stands in scorecards; `words` is for people."""

    WRONG_REGION = "wrong_region"
    WRONG_DEPTH = "wrong_depth"
    GRASP_MISALIGNED = "grasp_misaligned"
    INSUFFICIENT_PRESSURE = "insufficient_pressure"
    DROPPED = "dropped"
    STUCK = "stuck"
    OUT_OF_TIME = "out_of_time"
    SAFETY_STOP = "safety_stop"
    COMMANDER_FAILURE = "commander_failure"
    CELL_FAULT = "cell_fault"

    @property
    def words(self) -> str:
        return "wrong depth or excessive force" if self is FailureClass.WRONG_DEPTH else self.value.replace("_", " ")


FailureName = Literal[
    "wrong_region", "wrong_depth", "grasp_misaligned", "insufficient_pressure", "dropped", "stuck", "out_of_time", "safety_stop",
    "commander_failure", "cell_fault",
]  # fmt: skip


def explained(evidence: str, failure_class: str | None) -> str:
    """A check's words with the class of the failure before them, where there is one."""
    return f"{FailureClass(failure_class).words}: {evidence}" if failure_class else evidence


def base_poses(robot: Robot) -> dict[str, np.ndarray]:
    """Arm → pose (7,) of its base frame in the world."""
    kinematics = Kinematics(robot)
    bases = {group.name: kinematics.group(group.name).base for group in robot.arms}
    return {name: poses.pose(base.translation, from_matrix(base.rotation)) for name, base in bases.items()}


@dataclass(frozen=True)
class Moment:
    """The arms at one look. time: seconds. tools: arm → (3,) metres in the world. hands: arm → opening 0..1. force: newtons, the
    greatest on a tool."""

    time: float
    tools: dict[str, np.ndarray]
    hands: dict[str, float]
    force: float


@dataclass
class Trace:
    """What happened while one sub-task might be worked on.

    acted: a hand closed or touched something. meant: it did so at the thing.
    carried; lost: how it was lost since, "dropped" or "released". peak: newtons on a tool. pressed_s: seconds of contact that should
    press. beside: metres from the thing to where it is wanted.
    """

    spec: SubTask
    acted: bool = False
    meant: bool = False
    carried: bool = False
    lost: str = ""
    peak: float = 0.0
    pressed_s: float = 0.0
    beside: float = np.inf

    def __post_init__(self):
        params, held = self.spec.params, self.spec.held
        grasped = [name for pair in self.spec.contacts if FINGERS in pair for name in pair if name != FINGERS]
        handled = [params.get(key) for key in ("held", "object", "body")] + [held.name if held else "", *grasped]
        self.thing = next((name for name in handled if isinstance(name, str) and name), "")
        self.place = next((params[key] for key in ("container", "target", "opening") if params.get(key)), "")
        pairs = (pair for pair in self.spec.contacts if self.thing in pair and FINGERS not in pair)
        self.partner = next((b if a == self.thing else a for a, b in pairs), "")  # what the thing is pressed on
        self._floor: float | None = None
        self._widest: dict[str, float] = {}
        self._off_since: float | None = None
        self._off_hands: dict[str, float] = {}

    def begin(self, first: CheckState) -> None:
        """The episode's first state: where the thing rests."""
        if first.truth is not None and self.thing in first.truth.poses:
            self._floor = float(first.truth.poses[self.thing][2])

    def look(self, state: CheckState, history: deque[Moment]) -> None:
        """One state while the sub-task is active; `history` ends with its moment."""
        moment, truth = history[-1], state.truth
        closed = [name for name, opening in moment.hands.items() if self._closed(name, opening)]
        self.peak = max(self.peak, moment.force)
        self.acted |= bool(closed) or moment.force > TOUCH_N
        if truth is None or self.thing not in truth.poses:
            return
        thing, touches = truth.poses[self.thing][:3], touching(truth, self.thing)
        away = {name: _away(tool, thing) for name, tool in moment.tools.items()}
        fingered = bool(touches & state.fingers)
        self.meant |= fingered or any(away[name] < NEAR_M for name in closed)
        self.acted |= any(set(pair) & state.fingers and not set(pair) <= state.fingers for pair in truth.contacts)
        if self.partner in touches if self.partner else fingered:
            self.pressed_s += moment.time - history[-2].time if len(history) > 1 else 0.0
        if self.place in truth.poses:
            self.beside = float(np.linalg.norm(truth.poses[self.place][:3] - thing))
        self._carrying(fingered, float(thing[2]), history)

    def _closed(self, name: str, opening: float) -> bool:
        self._widest[name] = max(self._widest.get(name, opening), opening)
        return opening < self._widest[name] - CLOSED_SHARE

    def _carrying(self, fingered: bool, height: float, history: deque[Moment]) -> None:
        if fingered:
            self._off_since = None
            if self._floor is not None and height > self._floor + LIFTED_M:
                self.carried, self.lost = True, ""
        elif self.carried and not self.lost:
            now = history[-1].time
            if self._off_since is None:
                self._off_since = now
            if now - self._off_since >= LOST_S - 1e-9:
                self.lost = "released" if _opened(history, self._off_since) else "dropped"


def _away(tool: np.ndarray, origin: np.ndarray) -> float:
    """Metres from the tool to what stands up from `origin`, TALL_M at most."""
    off = tool - origin
    off[2] -= np.clip(off[2], 0.0, TALL_M)
    return float(np.linalg.norm(off))


def _opened(history: deque[Moment], since: float) -> bool:
    """Whether a hand has opened in the time before `since`."""
    recent = [moment.hands for moment in history if since - RECENT_S <= moment.time <= since]
    return any(opening - min(hands[name] for hands in recent) > LET_GO_SHARE for name, opening in recent[-1].items())


class Witness:
    """The traces of an episode's sub-tasks. bases: arm → pose (7,) of its base frame in the world."""

    def __init__(self, subtasks: list[SubTask], bases: dict[str, np.ndarray]):
        self.bases = bases
        self.traces = {spec.name: Trace(spec) for spec in subtasks}
        self.history: deque[Moment] = deque()

    def begin(self, first: CheckState) -> None:
        for trace in self.traces.values():
            trace.begin(first)

    def look(self, state: CheckState, active: list[SubTask]) -> None:
        """One state, in which the sub-tasks `active` may be worked on."""
        now = state.stamp_ns / 1e9
        if self.history and now <= self.history[-1].time:  # the clock was set back
            self.history.clear()
        self.history.append(self._moment(now, state))
        while self.history[0].time < now - STUCK_S:
            self.history.popleft()
        for spec in active:
            self.traces[spec.name].look(state, self.history)

    def _moment(self, now: float, state: CheckState) -> Moment:
        arms = {name: state.groups[name] for name in self.bases if name in state.groups}
        tools = {name: poses.transform(self.bases[name], arm.tool_pose[:3]) for name, arm in arms.items()}
        hands = {name: float(np.mean(arm.hand)) for name, arm in arms.items() if len(arm.hand)}
        forces = [float(np.linalg.norm(arm.wrench[:3])) for arm in arms.values() if arm.wrench is not None]
        return Moment(now, tools, hands, max(forces, default=0.0))

    @property
    def still(self) -> bool:
        """No tool has moved for STUCK_S."""
        if not self.history or self.history[-1].time - self.history[0].time < STUCK_S - RECENT_S:
            return False
        last = self.history[-1].tools
        return all(np.linalg.norm(m.tools[name] - last[name]) < STILL_M for m in self.history for name in last)

    @property
    def pressing_hard(self) -> bool:
        """The force on a tool was excessive in the last moments."""
        return any(m.force >= EXCESSIVE_N for m in self.history if m.time >= self.history[-1].time - RECENT_S)

    def classify(self, subtask: str, outcome: str, type: str) -> FailureClass | None:
        """The class of a sub-task that failed in an episode that ended as `outcome`, by a stop of `type` (EpisodeScorer.stop) or by
        itself. None: a person ended it, which says nothing of it."""
        if outcome == "error":
            return FailureClass.COMMANDER_FAILURE if type == "commander" else FailureClass.CELL_FAULT
        if outcome == "stopped":
            if type != "safety stop":
                return None
            return FailureClass.WRONG_DEPTH if self.pressing_hard else FailureClass.SAFETY_STOP
        trace = self.traces[subtask]
        if trace.lost == "dropped":
            return FailureClass.DROPPED
        if trace.peak >= EXCESSIVE_N:
            return FailureClass.WRONG_DEPTH
        if trace.spec.check in PRESSING and trace.pressed_s >= PRESSED_S:
            return FailureClass.INSUFFICIENT_PRESSURE
        return self._by_what_was_handled(trace)

    def _by_what_was_handled(self, trace: Trace) -> FailureClass:
        if trace.lost or (trace.carried and self.still and trace.beside < BESIDE_M):
            return FailureClass.WRONG_REGION
        if trace.meant and not trace.carried:
            return FailureClass.GRASP_MISALIGNED
        if trace.acted and not trace.carried and trace.thing:
            return FailureClass.WRONG_REGION
        return FailureClass.STUCK if self.still else FailureClass.OUT_OF_TIME
