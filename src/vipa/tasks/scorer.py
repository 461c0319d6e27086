"""Scores an episode: which sub-tasks are done, which may be worked on, and when and how the episode ends."""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal, get_args

import numpy as np

from vipa.tasks import checks, wants
from vipa.tasks.checks import CheckState, CheckStatus
from vipa.tasks.failures import FailureClass, Witness
from vipa.tasks.task import SubTask, Task
from vipa.tasks.wants import Wants

# Seconds between two looks. A longer step, or one back in time, is a jump of the clock and counts for nothing.
MAX_GAP_S = 0.5
Outcome = Literal["success", "timeout", "failure", "stopped", "error"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


class SubTaskStatus(IntEnum):
    """vipa_msgs/SubTaskStatus.status. ACTIVE: what it comes after is done. DONE and FAILED are final."""

    PENDING = 0
    ACTIVE = 1
    DONE = 2
    FAILED = 3


@dataclass
class SubTaskState:
    """State of one sub-task. failure_class: why it failed, None: it did not, or that says nothing of it. t_done: seconds of ROS time since the episode began, None: not done. progress 0..1."""

    name: str
    status: SubTaskStatus = SubTaskStatus.PENDING
    t_done: float | None = None
    progress: float = 0.0
    evidence: str = ""
    failure_class: FailureClass | None = None


@dataclass(frozen=True)
class Failure:
    """Why an episode did not succeed. type: the outcome, or what the stopper named; subtask: empty if none is to blame."""

    type: str
    subtask: str
    detail: str


@dataclass
class _Progress:
    """A sub-task while it is scored. met_for: seconds for which the check has held without a break; None: it does not."""

    spec: SubTask
    check: checks.Check
    state: SubTaskState
    met_for: float | None = None


@dataclass
class EpisodeScorer:
    """Scores one episode of a task. Call `update` at every tick, in ROS time, until `outcome` is set. One thread.

    Args:
        task: with its checks.
        time_limit: seconds; 0: the task's own.
        bases: arm → pose (7,) of its base frame in the world (`failures.base_poses`), for the classes of failures; without it they
            go without the arms' ways.

    Raises:
        VipaError: checks that the task file may not name.
    """

    task: Task
    time_limit: float = 0.0
    bases: dict[str, np.ndarray] = field(default_factory=dict)
    elapsed: float = 0.0
    outcome: Outcome | None = None
    failure: Failure | None = None
    _items: list[_Progress] = field(init=False)
    _last_ns: int | None = None

    def __post_init__(self):
        self.time_limit = self.time_limit or self.task.time_limit
        self._witness = Witness(self.task.subtasks, self.bases)
        self._items = [
            _Progress(spec, checks.build(spec, self.task.name), SubTaskState(spec.name)) for spec in self.task.subtasks
        ]

    @property
    def subtasks(self) -> list[SubTaskState]:
        """States in the task file's order."""
        return [item.state for item in self._items]

    @property
    def statuses(self) -> list[SubTaskStatus]:
        """In the task file's order."""
        return [item.state.status for item in self._items]

    @property
    def active(self) -> list[SubTask]:
        """Sub-tasks that may be worked on now, in the task file's order."""
        return [item.spec for item in self._items if item.state.status is SubTaskStatus.ACTIVE]

    @property
    def current(self) -> int:
        """Index of the first active sub-task; the number of sub-tasks if none is active."""
        states = self.statuses
        return states.index(SubTaskStatus.ACTIVE) if SubTaskStatus.ACTIVE in states else len(states)

    @property
    def wants(self) -> Wants:
        """What the active sub-tasks want of motion; nothing when none is active."""
        return wants.of(self.active)

    @property
    def score(self) -> float:
        """Share of the sub-tasks that are done."""
        return sum(item.state.status is SubTaskStatus.DONE for item in self._items) / len(self._items)

    def setup(self, first: CheckState) -> None:
        """The episode begins at `first`. Raises VipaError if a check asks for what the scene does not have."""
        for item in self._items:
            item.check.setup(first)
        self._witness.begin(first)
        self._last_ns = first.stamp_ns
        self._activate()

    def update(self, state: CheckState) -> None:
        """Looks at `state`. Does nothing once the episode has ended."""
        if self.outcome is not None:
            return
        step = 0.0 if self._last_ns is None else (state.stamp_ns - self._last_ns) / 1e9
        self._last_ns = state.stamp_ns
        jumped = not 0.0 <= step <= MAX_GAP_S
        if not jumped:
            self.elapsed += step
        self._witness.look(state, self.active)
        for item in self._items:
            if item.state.status is SubTaskStatus.ACTIVE:
                self._look(item, state, step, jumped)
        self._activate()
        self._finish()

    def stop(self, outcome: Outcome, type: str, detail: str) -> None:
        """Ends the episode from outside: outcome "stopped" (a person, the gate, a cancel) or "error" (a part broke).

        The first end counts. Raises ValueError for another outcome.
        """
        if outcome not in ("stopped", "error"):
            raise ValueError(f"outcome '{outcome}' is not for a caller; allowed: stopped, error")
        if self.outcome is None:
            self._end(outcome, type, detail)

    def _look(self, item: _Progress, state: CheckState, step: float, jumped: bool) -> None:
        found = item.check.update(state)
        item.state.progress, item.state.evidence = found.progress, found.evidence
        if found.status is CheckStatus.FAILED:
            item.state.status = SubTaskStatus.FAILED
            item.state.failure_class = self._witness.classify(item.spec.name, "failure", "failure")
        if found.status is not CheckStatus.MET:
            item.met_for = None
            return
        # what lies between two looks counts as held only if the check held at both of them and the clock did not jump
        item.met_for = 0.0 if item.met_for is None or jumped else item.met_for + step
        if item.met_for >= item.spec.hold - 1e-9:
            item.state.status, item.state.progress, item.state.t_done = SubTaskStatus.DONE, 1.0, round(self.elapsed, 3)

    def _activate(self) -> None:
        done = {item.spec.name for item in self._items if item.state.status is SubTaskStatus.DONE}
        for item in self._items:
            if item.state.status is SubTaskStatus.PENDING and done.issuperset(item.spec.after):
                item.state.status = SubTaskStatus.ACTIVE

    def _finish(self) -> None:
        if all(item.state.status is SubTaskStatus.DONE for item in self._items):
            self.outcome = "success"
        elif not self.active:
            self._end("failure", "failure", "nothing is left that could be done")
        elif self.elapsed >= self.time_limit - 1e-9:
            self._end("timeout", "timeout", f"time limit of {self.time_limit:g} s")

    def _end(self, outcome: Outcome, type: str, detail: str) -> None:
        """What was active and is not done has failed; what was never reached stays pending."""
        open_items = [item.state for item in self._items if item.state.status is not SubTaskStatus.DONE]
        for state in open_items:
            if state.status is SubTaskStatus.ACTIVE:
                state.status = SubTaskStatus.FAILED
                state.failure_class = self._witness.classify(state.name, outcome, type)
        blamed = next((state for state in open_items if state.status is SubTaskStatus.FAILED), None)
        if blamed is not None and blamed.evidence:
            detail = f"{detail}; {blamed.evidence}"
        self.outcome = outcome
        self.failure = Failure(type, blamed.name if blamed else "", detail)
