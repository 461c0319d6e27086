"""The in-process loop: cell, commander, motion and scoring in one thread, stepped as fast as the machine allows.

The same ChunkBuffer, gate, checks and files as in the ROS graph, and commanders see and answer as late as there (`loop_view`);
deterministic: same seed, same episode, whatever the machine.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vipa import run_folder
from vipa.commanders.commander import Commander, EpisodeStart
from vipa.errors import NoChunk, VipaError
from vipa.motion.chunk import ActionChunk, MotionStatus
from vipa.motion.motion import Motion
from vipa.rates import Every
from vipa.robot.description import Robot
from vipa.robot.state import CameraFrame, GroundTruth, GroupState, JointState, JointTrajectory
from vipa.tasks.failures import base_poses
from vipa.tasks.runner import EpisodeRunner
from vipa.tasks.scorecard import PolicyId, Scorecard
from vipa.tasks.scorer import EpisodeScorer
from vipa.tasks.task import Task
from vipa_sim.cell import START_NS, SimCell
from vipa_sim.following import Following
from vipa_sim.loop_view import GRAPH, Captures, Latency, View
from vipa_sim.render import Renderer

TRUTH_RATE_HZ = 20.0  # Hz, as in the ROS graph
WRENCH_RATE_HZ = 50.0
STATUS_RATE_HZ = 25.0


class Tick:
    """What one tick of the loop saw, for commanders and recorders: read it before the next tick.

    frames, truth, chunk, wrenches, commands (by controller): only what was new at this tick. chunk: as the commander made
    it, before its delay. subtask: index of the current sub-task.
    """

    def __init__(
        self, stamp_ns: int, joints: JointState, motion: Motion, subtask: int, captured, truth, wrenches, commands
    ):
        self.stamp_ns, self.joints, self.subtask = stamp_ns, joints, subtask
        self.wrenches: dict[str, np.ndarray] = wrenches
        self.commands: dict[str, JointTrajectory] = commands
        self._captured: Callable[[], dict[str, CameraFrame]] = captured
        self.truth: GroundTruth | None = truth
        self.chunk: ActionChunk | None = None
        self._motion = motion

    # not every tick is looked at, and these cost as much as a tick of physics

    @cached_property
    def frames(self) -> dict[str, CameraFrame]:
        """Rendered when they are asked for."""
        return self._captured()

    @cached_property
    def groups(self) -> dict[str, GroupState]:
        """Measured."""
        return self._motion.groups()

    @cached_property
    def commanded(self) -> dict[str, GroupState]:
        """Last commanded."""
        return self._motion.commanded()

    @cached_property
    def status(self) -> MotionStatus:
        return self._motion.status(self.stamp_ns, self.stamp_ns / 1e9)


@dataclass(frozen=True)
class EpisodeRecord:
    """What an episode leaves. scene: the scene card as JSON values. chunks: as sent. refused: reasons of refused
    chunks. stops: reasons of the gate's safety stops."""

    scorecard: Scorecard
    scene: dict
    chunks: list[ActionChunk]
    refused: list[str]
    stops: list[str]


class Loop:
    """One cell with its motion, stepped tick by tick in one thread. Episodes and gymnasium environments stand on it. A context
    manager.

    Args:
        task, robot: what is played, by whom.
        cameras: names to render; empty: none.
        image_size: (width, height) pixels; None: as the robot file says.
        camera_rate: Hz; None: as the robot file says.
        following: how the arms follow their commands; None: as `late` says.
        fixed_cameras, camera_noise, late: see SimCell.

    Raises:
        VipaError: for what the cell does not have, or where no off-screen OpenGL works.
    """

    def __init__(
        self,
        task: Task,
        robot: Robot,
        cameras: Iterable[str] = (),
        image_size=None,
        camera_rate=None,
        following: Following | None = None,
        fixed_cameras: bool = False,
        camera_noise: bool = False,
        late: bool = True,
    ):
        self.task, self.robot, self.camera_rate = task, robot, camera_rate
        self.cameras = tuple(dict.fromkeys((*cameras, *task.watched)))
        self.cell = SimCell(robot, task, self.cameras, image_size, following, fixed_cameras, camera_noise, late)
        self.renderer = Renderer(self.cell) if self.cameras else None
        self.bases = base_poses(robot)

    def close(self) -> None:
        if self.renderer:
            self.renderer.close()
            self.renderer = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def reset(
        self, seed: int, variant: str, commander_id: str, time_limit: float | None = None, episode_id: str = ""
    ) -> dict:
        """A new episode: scene, motion at rest with `commander_id` in authority, runner. Returns the scene card."""
        self.cell.stamp_ns = START_NS  # restarts simulated time: episodes are bit-identical whatever ran before
        card = self.cell.reset(seed, variant)
        self.motion = Motion(self.robot, self.task.fixtures, watch_wrenches=True)
        self.motion.set_authority(commander_id)
        self.runner = EpisodeRunner(
            self.task, self.robot, commander_id, episode_id=episode_id, seed=seed, variant=card.variant,
            time_limit=time_limit, bases=self.bases,
        )  # fmt: skip
        self.captures = Captures(self.renderer, self.cameras)
        start = self.cell.stamp_ns
        rates = {c.name: self.camera_rate or c.rate for c in self.robot.cameras}
        self._camera_due = {name: Every(rates[name], start) for name in self.cameras}
        self._truth_due, self._wrench_due = Every(TRUTH_RATE_HZ, start), Every(WRENCH_RATE_HZ, start)
        self.runner.begin(start)
        self.truth: GroundTruth | None = None
        return card.as_dict()

    @property
    def scorer(self) -> EpisodeScorer:
        """The episode's."""
        return self.runner.scorer

    @property
    def now_ns(self) -> int:
        return self.cell.stamp_ns

    @property
    def monotonic(self) -> float:
        """Liveness runs on the same clock here: a simulated second is a second."""
        return self.cell.stamp_ns / 1e9

    def tick(self) -> Tick:
        """Motion's step at the cell's present time, and everything that is due: wrench, truth with scoring, frames.
        A safety stop ends the episode.

        Raises VipaError if a controller rejects what motion commands.
        """
        now, joints = self.now_ns, self.cell.joint_state()
        self.runner.advance(now)
        wrenches = {}
        if self._wrench_due(now):
            wrenches = {group.name: self.cell.wrench(group.name) for group in self.robot.arms}
            for name, wrench in wrenches.items():
                self.motion.wrench(name, wrench, now, self.monotonic)
        commands = self.motion.tick(joints, self.monotonic)
        for controller, trajectory in commands.items():
            if reason := self.cell.command(controller, trajectory):
                raise VipaError(f"{controller} rejected motion's command at {now / 1e9:.2f} s: {reason}")
        truth = None
        if self._truth_due(now):
            truth = self.truth = self.cell.truth()
            self._look(truth)
        due = [name for name, every in self._camera_due.items() if every(now)]
        if due:
            snapshot = self.cell.snapshot()
            for name in due:
                self.captures.add(name, snapshot)
        if self.motion.stop_reasons:
            self.runner.safety_stop(self.motion.stop_reasons)
        return Tick(
            now, joints, self.motion, self.scorer.current, lambda: self.captures.at(now), truth, wrenches, commands
        )

    def _look(self, truth: GroundTruth) -> None:
        watched = self.task.watched
        frames = self.captures.newest(self.now_ns, watched) if watched else None
        self.runner.look(self.motion.groups(), truth, frames)
        wants = self.runner.wants_changed()
        if wants is not None and (reason := self.motion.context(*wants.arguments)):
            self.runner.wants_refused(reason)

    @property
    def frames(self) -> dict[str, CameraFrame]:
        """The newest frame of each camera."""
        return self.captures.newest(self.now_ns)


def run_episode(
    task: Task, robot: Robot, commander: Commander, seed: int, variant: str = "", *,
    latency: Latency | None = GRAPH, delay_s: float | Callable[[], float] | None = None, cameras: Iterable[str] | None = None, image_size: tuple[int, int] | None = None,
    camera_rate: float | None = None, on_tick: Callable[[Tick], None] | None = None, time_limit: float | None = None,
    episode_id: str = "", policy: PolicyId | None = None, loop: Loop | None = None,
) -> EpisodeRecord:  # fmt: skip
    """Runs and scores one episode.

    latency: of what a commander sees; None: it sees the present tick. delay_s: simulated seconds from a commander's step to the
    arrival of its chunk, or what draws them, None: the latency's. A commander that looks steps anew when its last answer has arrived. cameras: names to render, None: the
    task's if the commander wants cameras, else none. on_tick: called after every tick. time_limit: seconds, None: the
    task's. loop: one to reuse (its cameras, size and rate then count); the caller closes it. Raises VipaError.
    """
    if cameras is None:
        cameras = task.cameras if commander.wants_cameras else ()
    own = loop or Loop(task, robot, cameras, image_size, camera_rate)
    try:
        return _run(own, commander, seed, variant, latency, delay_s, on_tick, time_limit, episode_id, policy)
    finally:
        if loop is None:
            own.close()


def _run(loop, commander, seed, variant, latency, delay_s, on_tick, time_limit, episode_id, policy) -> EpisodeRecord:
    wall = time.perf_counter()
    task, episode_id = loop.task, episode_id or run_folder.new_episode_id()
    scene = loop.reset(seed, variant, commander.commander_id, time_limit, episode_id)
    commander.reset(EpisodeStart(episode_id, task.name, task.instruction, seed, scene["variant"]))
    talk = _Talk(loop, commander, latency, delay_s)
    while loop.runner.outcome is None:
        tick = loop.tick()
        talk.tick(tick)
        if loop.runner.outcome is not None:
            loop.runner.end()
        if on_tick:
            on_tick(tick)
        loop.cell.step()
    card = loop.runner.scorecard(time.perf_counter() - wall, policy, dropped_frames=0)
    return EpisodeRecord(card, scene, talk.chunks, talk.refused, list(loop.motion.stop_reasons))


class _Talk:
    """Between a commander and a loop: what the commander sees, what it answers, and when that arrives."""

    def __init__(self, loop: Loop, commander: Commander, latency: Latency | None, delay_s: float | None):
        self.loop, self.commander, self.late = loop, commander, latency is not None
        if delay_s is None:
            delay_s = latency.answer if latency and commander.wants_cameras else 0.0
        self.delay = delay_s if callable(delay_s) else lambda: delay_s
        self.view = View(loop.robot, loop.captures, loop.cameras, loop.task.instruction, latency, loop.cell.delays_ns)
        self.chunks: list[ActionChunk] = []
        self.refused: list[str] = []
        self.under_way: deque[tuple[int, ActionChunk]] = deque()
        self.status_due = Every(STATUS_RATE_HZ, loop.now_ns)
        self.step_due: Every | None = None  # from the first time that it can see

    def tick(self, tick: Tick) -> None:
        """A step of the commander, if it is due, and the arrival of what it has answered."""
        if not self.late:
            self._hear(tick)
        seen = self._see(tick.stamp_ns) if self.loop.runner.outcome is None else None
        if seen is not None:
            self._step(seen, tick)
        if self.late:  # what this tick published is heard in the next one
            self._hear(tick)
        while self.under_way and self.under_way[0][0] <= tick.stamp_ns:
            chunk = self.under_way.popleft()[1]
            self.loop.runner.chunk_came(chunk.commander_id, chunk.start_ns, chunk.dt)
            if reason := self.loop.motion.chunk(chunk, tick.stamp_ns, self.loop.monotonic):
                self.refused.append(reason)

    def _hear(self, tick):
        status = None
        if self.status_due(tick.stamp_ns):
            status = tick.status
            self.loop.runner.motion_said(status.observation_age)
        self.view.hear(tick.joints, tick.wrenches, status, tick.truth)

    def _see(self, now_ns):
        """What the commander sees, if a step is due and it sees something."""
        if self.under_way and self.commander.wants_cameras:  # still at its last answer
            return None
        if self.step_due is not None and not self.step_due(now_ns):
            return None
        seen = self.view.see(now_ns, self.commander.wants_cameras and bool(self.loop.cameras))
        if isinstance(seen, str):
            self._silent(seen)
            return None
        if self.step_due is None:
            self.step_due = Every(1.0 / self.commander.period, now_ns)
            self.step_due(now_ns)
        return seen

    def _silent(self, reason):
        self.loop.runner.commander_said(reason)
        self.loop.runner.watch_commander()

    def _step(self, seen, tick):
        began = time.perf_counter()
        try:
            chunk = self.commander.step(seen)
        except NoChunk as reason:
            return self._silent(str(reason))
        self.loop.runner.commander_said("", chunk is not None, (time.perf_counter() - began) * 1e3)
        if chunk is not None:
            self.chunks.append(chunk)
            self.under_way.append((tick.stamp_ns + round(self.delay() * 1e9), chunk))
            tick.chunk = chunk
        return None
