"""One episode from its reset to its score, whoever steps it: the clock and what happens go in, decisions come out.

The graph's task manager and the in-process loop run their episodes by this. No ROS, no wall clock.
"""

import math
from collections.abc import Sequence
from enum import IntEnum
from typing import Literal

import numpy as np

from vipa.errors import VipaError
from vipa.robot.description import Robot
from vipa.robot.state import CameraFrame, GroundTruth, GroupState
from vipa.tasks import scorecard
from vipa.tasks.checks import CheckState
from vipa.tasks.failures import base_poses
from vipa.tasks.scorecard import PolicyId, Scorecard
from vipa.tasks.scorer import MAX_GAP_S, EpisodeScorer
from vipa.tasks.silence import Silence
from vipa.tasks.task import Task
from vipa.tasks.timing_samples import TimingSamples
from vipa.tasks.wants import Wants

SILENT_S = 1.5  # seconds of ROS time without a step of the commander, after which the episode says so
COMMANDER_TIMEOUT_S = 5.0  # seconds of ROS time that a commander may be silent, or only say why it sends nothing
CLOCK_JUMP_S = 1.0  # seconds of ROS time between two looks that count as a jump of the clock


class EpisodePhase(IntEnum):
    """vipa_msgs/EpisodeStatus.state."""

    IDLE = 0
    RESETTING = 1
    RUNNING = 2
    FINISHED = 3


class EpisodeRunner:
    """Runs one episode of `task`. Single thread.

    Call `begin` when the commander may move, then `advance` and `look` with what is measured, and tell it what the others say:
    `commander_said`, `motion_said`, `chunk_came`. `wants_changed` says what motion has to be told. When `outcome` is set the episode
    is over, and `scorecard` scores it.

    Args:
        task: with the evidence that its cell has.
        robot: who plays.
        commander: its commander_id.
        cell: "sim" or "real".
        episode_id: of run folder, bag and scorecard.
        seed, variant: of the scene; an empty variant is filled in once the scene is drawn.
        time_limit: seconds of ROS time, None: the task's.
        bases: arm → pose (7,) of its base frame in the world, None: worked out here.

    Raises:
        VipaError: for a check that the task file may not name.
    """

    def __init__(
        self, task: Task, robot: Robot, commander: str, *, cell: Literal["sim", "real"] = "sim", episode_id: str = "", seed: int = 0,
        variant: str = "", time_limit: float | None = None, bases: dict[str, np.ndarray] | None = None,
    ):  # fmt: skip
        self.task, self.robot, self.commander, self.cell = task, robot, commander, cell
        self.id, self.seed, self.variant = episode_id, seed, variant
        self.scorer = EpisodeScorer(task, time_limit or 0.0, base_poses(robot) if bases is None else bases)
        self.samples = TimingSamples()
        self.phase = EpisodePhase.RESETTING
        self.now_ns = 0
        self.silence = Silence(0)  # the commander's
        self.verdicts: dict[str, bool] = {}  # sub-task → what the operator said
        self.driver, self.operator, self.interventions = commander, "", 0  # who has the authority, and by whom
        self.wants: Wants | None = None  # what motion was told last
        self._set_up = False

    # what happens

    def begin(self, now_ns: int) -> None:
        """The commander may move from now on."""
        self.phase, self.now_ns, self.silence = EpisodePhase.RUNNING, now_ns, Silence(now_ns)

    def advance(self, now_ns: int) -> None:
        """ROS time has come to `now_ns`. After a jump of the clock the commander's silence counts anew."""
        before, self.now_ns = self.now_ns, now_ns
        if not 0 <= now_ns - before < CLOCK_JUMP_S * 1e9:
            self.silence = Silence(now_ns)

    def look(
        self, groups: dict[str, GroupState], truth: GroundTruth | None, frames: dict[str, CameraFrame] | None = None
    ) -> bool:
        """Scores what is so now. A check that asks for what the scene does not have ends the episode as an error.

        Args:
            groups: measured state by group.
            truth: None in a real cell.
            frames: newest captures of the cameras `task.watched`.

        Returns:
            Whether a sub-task has changed its status.
        """
        state = CheckState(self.now_ns, truth, groups, self.robot.fingers, self.verdicts, frames or {})
        before = self.scorer.statuses
        try:
            self._update(state) if self._set_up else self.scorer.setup(state)
            self._set_up = True
        except VipaError as error:
            self.scorer.stop("error", "task", str(error))
        return before != self.scorer.statuses

    def _update(self, state: CheckState) -> None:
        """Time in which the commander does not drive does not count against it."""
        if self.commander_drives:
            return self.scorer.update(state)
        before = self.scorer.elapsed
        self.scorer.time_limit += MAX_GAP_S  # longer than an update may take
        self.scorer.update(state)
        self.scorer.time_limit += self.scorer.elapsed - before - MAX_GAP_S
        return None

    def commander_said(self, reason: str, sent: bool = False, step_ms: float = math.nan) -> None:
        """The commander took a step.

        Args:
            reason: why it sends nothing, "" if it works.
            sent: it has sent a chunk.
            step_ms: wall milliseconds that the step took.
        """
        self.silence.heard(reason, self.now_ns)
        if self.phase is EpisodePhase.RUNNING and sent and math.isfinite(step_ms):
            self.samples.policy_ms.append(step_ms)

    def watch_commander(self) -> None:
        """Ends the episode if the commander has driven in silence for COMMANDER_TIMEOUT_S."""
        if not self.commander_drives:
            self.silence = Silence(self.now_ns)
        if self.silence.seconds(self.now_ns) > COMMANDER_TIMEOUT_S:
            why = self.silence.longest(self.now_ns) or "nothing heard from it"
            self.scorer.stop("error", "commander", f"{why}, for {COMMANDER_TIMEOUT_S:g} s of ROS time")

    @property
    def waits_for(self) -> str:
        """What a running episode waits for, in one line; '' while its commander works."""
        silent = self.silence.seconds(self.now_ns)
        if self.phase is not EpisodePhase.RUNNING or self.outcome or not self.commander_drives or silent < SILENT_S:
            return ""
        why = self.silence.longest(self.now_ns) or "nothing heard from it"
        return f"commander {self.commander}: {why}, for {silent:.1f} s"

    def motion_said(self, observation_age: float, jitter_ms: float = math.nan) -> None:
        """A MotionStatus came. observation_age: seconds, negative: none. jitter_ms: of motion's steps."""
        if self.phase is EpisodePhase.RUNNING:
            self.samples.motion(observation_age, jitter_ms)

    def chunk_came(self, commander: str, start_ns: int, dt: float) -> None:
        """A chunk of `commander` came whose first step is due at `start_ns`, `dt` seconds a step."""
        if self.phase is EpisodePhase.RUNNING and commander == self.commander:
            self.samples.chunk(self.now_ns, start_ns, dt)

    def judge(self, subtask: str, done: bool) -> tuple[bool, str]:
        """Takes the operator's verdict on `subtask`, "": the first that may be worked on. The same verdict again changes nothing and
        is granted: who did not get the answer asks twice.

        Returns:
            (whether it was his to judge, what was judged or why not).
        """
        active = [s.name for s in self.scorer.active if s.evidence in ("operator", "vision")]
        if subtask not in ("", *active) and self.verdicts.get(subtask) is done:
            return True, f"{subtask}: {'done' if done else 'failed'}"
        if self.phase is not EpisodePhase.RUNNING or subtask not in ("", *active) or not active:
            return False, f"sub-task '{subtask}' is not for a verdict now; allowed: {', '.join(active) or 'none'}"
        self.verdicts[subtask or active[0]] = done
        return True, f"{subtask or active[0]}: {'done' if done else 'failed'}"

    def drive(self, driver: str, operator: str) -> None:
        """The authority changes hands.

        Args:
            driver: commander_id of who has it now, "" if nobody has: the episode is paused.
            operator: name of the person who asked.
        """
        self.interventions += self.commander_drives and driver != self.commander
        self.driver, self.operator, self.silence = driver, operator, Silence(self.now_ns)

    @property
    def commander_drives(self) -> bool:
        """Whether the episode's own commander has the authority, not a person who took over."""
        return self.driver == self.commander

    # what ends it from outside

    def safety_stop(self, reasons: Sequence[str]) -> None:
        """Motion is stopped for `reasons`."""
        self.scorer.stop("stopped", "safety stop", "; ".join(reasons))

    def cancel(self) -> None:
        """The client wants it to end."""
        self.scorer.stop("stopped", "cancelled", "cancelled by the client")

    def wants_refused(self, reason: str) -> None:
        """Motion refuses what `wants_changed` gave."""
        self.scorer.stop("error", "motion", f"it refuses what the sub-task wants: {reason}")

    def fail(self, part: str, detail: str) -> None:
        """`part` of the stack is broken."""
        self.scorer.stop("error", part, detail)

    def end(self) -> None:
        """The commander may move no longer."""
        self.phase = EpisodePhase.FINISHED

    # decisions

    @property
    def outcome(self) -> str | None:
        """How it ended; None: it goes on."""
        return self.scorer.outcome

    def wants_changed(self) -> Wants | None:
        """What motion has to be told of the present sub-tasks; None: it knows."""
        if self.wants == self.scorer.wants:
            return None
        self.wants = self.scorer.wants
        return self.wants

    def scorecard(self, wall_s: float, policy: PolicyId | None = None, dropped_frames: int | None = None) -> Scorecard:
        """The scorecard of the episode that has ended.

        Args:
            wall_s: seconds that it took.
            policy: the checkpoint that drove.
            dropped_frames: that the recorder lost, None: not known.

        Raises:
            ValueError: it has not ended.
        """
        return scorecard.score(
            self.scorer, episode_id=self.id, robot=self.robot.name, cell=self.cell, commander=self.commander,
            seed=self.seed, variant=self.variant, wall_s=wall_s, policy=policy, timing=self.samples.timing(dropped_frames),
        )  # fmt: skip
