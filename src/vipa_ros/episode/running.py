"""One episode while the task manager runs it: what was asked, how far it is, and its message."""

import time
import uuid
from pathlib import Path

from rclpy.task import Future
from vipa_msgs.msg import EpisodeStatus, SubTaskStatus

from vipa.config import fingerprint
from vipa.tasks.checks import CheckState
from vipa.tasks.failures import base_poses, explained
from vipa.tasks.scorer import MAX_GAP, EpisodeScorer
from vipa.tasks.task import load_task
from vipa.tasks.timing_samples import Samples
from vipa.tasks.wants import Wants
from vipa_ros.common import convert


class Running:
    """One episode from goal to result. Raises VipaError for a task that cannot be read, or is not the client's."""

    def __init__(self, goal, robot, cell, executor):
        task = load_task(goal.task)
        self.task_sha256 = fingerprint(task)
        self.task = task if cell == "sim" else task.judged()
        self.id = goal.episode_id or str(uuid.uuid4())
        self.goal, self.robot, self.cell = goal, robot, cell
        self.robot_sha256 = fingerprint(robot)
        self.folder = Path(goal.run_folder) if goal.run_folder else None
        self.scorer = EpisodeScorer(self.task, goal.time_limit, base_poses(robot))
        self.variant = goal.variant
        self.state = EpisodeStatus.RESETTING
        self.wall = time.monotonic()
        self.samples = Samples()
        self.driver, self.operator, self.interventions = goal.commander, "", 0  # who has the authority, and by whom
        self.verdicts: dict[str, bool] = {}  # sub-task → what the operator said
        self.wants: Wants | None = None  # what motion was told
        self.handle = None
        self.finished = Future(executor=executor)

    def look(self, state: CheckState) -> None:
        """A look at the episode, the first one to set it up. Time that the commander does not drive does not count against it.
        Raises VipaError."""
        if self.wants is None:
            return self.scorer.setup(state)
        before = self.scorer.elapsed
        if self.driver != self.goal.commander:
            self.scorer.time_limit += MAX_GAP
        self.scorer.update(state)
        if self.driver != self.goal.commander:
            self.scorer.time_limit += self.scorer.elapsed - before - MAX_GAP

    def judge(self, subtask: str, done: bool) -> tuple[bool, str]:
        """Takes the operator's verdict on `subtask`, "": the first that may be worked on. Whether it was his to judge, and what
        was judged or why not."""
        active = [s.name for s in self.scorer.active if s.evidence == "operator"]
        if self.state != EpisodeStatus.RUNNING or subtask not in ("", *active) or not active:
            return False, f"sub-task '{subtask}' is not for a verdict now; allowed: {', '.join(active) or 'none'}"
        self.verdicts[subtask or active[0]] = done
        return True, f"{subtask or active[0]}: {'done' if done else 'failed'}"

    def message(self, stamp_ns) -> EpisodeStatus:
        """Its vipa_msgs/EpisodeStatus."""
        return status_msg(
            self.scorer,
            stamp_ns,
            state=self.state,
            episode_id=self.id,
            robot=self.robot.name,
            cell=self.cell,
            commander=self.goal.commander,
            seed=self.goal.seed,
            variant=self.variant,
        )


def status_msg(scorer: EpisodeScorer, stamp_ns: int, **fields) -> EpisodeStatus:
    """The vipa_msgs/EpisodeStatus of an episode that `scorer` scores; `fields` are the message's that it does not know."""
    msg = EpisodeStatus(
        task=scorer.task.name,
        instruction=scorer.task.instruction,
        elapsed=float(scorer.elapsed),
        time_limit=float(scorer.time_limit),
        outcome=scorer.outcome or "",
        detail=scorer.failure.detail if scorer.failure else "",
        **fields,
    )
    msg.header.stamp = convert.time_msg(stamp_ns)
    for s in scorer.subtasks:
        msg.subtasks.append(
            SubTaskStatus(
                name=s.name,
                status=int(s.status),
                t_done=float("nan") if s.t_done is None else s.t_done,
                progress=float(s.progress),
                evidence=explained(s.evidence, s.failure_class),
            )
        )
    return msg
