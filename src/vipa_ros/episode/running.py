"""One episode while the task manager runs it: what was asked, its run folder, and its message."""

import time
import uuid
from pathlib import Path

from rclpy.task import Future
from vipa_msgs.msg import EpisodeStatus, SubTaskStatus

from vipa.config import fingerprint
from vipa.tasks.failures import explained
from vipa.tasks.runner import EpisodePhase, EpisodeRunner
from vipa.tasks.task import load_task
from vipa_ros.common import convert


class Running(EpisodeRunner):
    """An EpisodeRunner for the goal of a client.

    Args:
        goal: vipa_msgs/RunEpisode goal.
        robot: whose episode it is.
        cell: "sim" or "real", where a person is every sub-task's evidence.
        executor: of the node, whose coroutine awaits `finished`.

    Raises:
        VipaError: the task cannot be read, or is not the client's.
    """

    def __init__(self, goal, robot, cell, executor):
        task = load_task(goal.task)
        task.check_robot(robot)
        super().__init__(
            task if cell == "sim" else task.judged(), robot, goal.commander, cell=cell,
            episode_id=goal.episode_id or str(uuid.uuid4()), seed=goal.seed, variant=goal.variant,
            time_limit=goal.time_limit or None,
        )  # fmt: skip
        self.task_sha256, self.robot_sha256 = fingerprint(task), fingerprint(robot)
        self.folder = Path(goal.run_folder) if goal.run_folder else None
        self.wall = time.monotonic()
        self.handle = None  # of the goal
        self.finished = Future(executor=executor)

    @property
    def under_way(self) -> bool:
        """The commander may move, and there is no outcome yet."""
        return self.phase is EpisodePhase.RUNNING and not self.finished.done()

    def cancel_if_asked(self) -> None:
        """Ends the episode if the client has cancelled its goal."""
        if self.handle.is_cancel_requested:
            self.cancel()

    def finish_if_over(self) -> None:
        """Lets the action's coroutine go on once the episode has an outcome."""
        if self.outcome and not self.finished.done():
            self.finished.set_result(None)


def status_msg(run: EpisodeRunner, stamp_ns: int) -> EpisodeStatus:
    """The vipa_msgs/EpisodeStatus of `run` at `stamp_ns`, over the graph or in-process."""
    scorer = run.scorer
    msg = EpisodeStatus(
        state=int(run.phase),
        episode_id=run.id,
        task=run.task.name,
        instruction=run.task.instruction,
        robot=run.robot.name,
        cell=run.cell,
        commander=run.commander,
        seed=run.seed,
        variant=run.variant,
        elapsed=float(scorer.elapsed),
        time_limit=float(scorer.time_limit),
        outcome=scorer.outcome or "",
        detail=scorer.failure.detail if scorer.failure else run.waits_for,
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
