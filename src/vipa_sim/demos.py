"""Scripted demonstrations, recorded in-process at the policy's rate: what a policy is trained on before there is teleoperation.

An episode is drawn by its seed: scene, variant (from the task's seen ones) and the expert's disturbances. Only episodes with
every sub-task done are kept, unless a policy led.
"""

import dataclasses
import multiprocessing
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vipa.commanders.expert.commander import Expert
from vipa.commanders.expert.dagger import DaggerCommander
from vipa.commanders.expert.scripts import scripts_of
from vipa.commanders.policy.commander import PolicyCommander, load_policy
from vipa.errors import VipaError
from vipa.robot.description import Group, Robot, load_robot
from vipa.robot.kinematics import Kinematics
from vipa.tasks.task import Task, load_task
from vipa_model.configuration_vipa import GroupConfig
from vipa_model.data.frame_store import FrameStoreWriter
from vipa_model.processing.images import Crop, make_view
from vipa_sim.loop import Loop, Tick, run_episode

RATE_HZ = 10.0  # Hz, frames and labels
DAGGER_LIMIT_S = 20.0  # seconds of an episode in which a policy drives for stretches
DAGGER_MIN_FRAMES = 20  # that such an episode has at least


@dataclass(frozen=True)
class DemoConfig:
    """What to record. noise: metres, standard deviation of the expert's disturbances. image_size: pixels of the square views.
    crops: camera → [left, top, right, bottom] as fractions of its image; not named: the whole. policy: a checkpoint folder
    that drives for stretches (DAgger, see vipa.commanders.expert.dagger), or empty. fixed_cameras, camera_noise: see SimCell."""

    task: str
    out: str
    noise: float = 0.01
    image_size: int = 128
    crops: dict[str, list[float]] = dataclasses.field(default_factory=dict)
    policy: str = ""
    fixed_cameras: bool = False
    camera_noise: bool = False


class Recording:
    """Collects the frames of one episode; `on_tick` of the in-process loop."""

    def __init__(self, task: Task, robot: Robot, expert: Expert, config: DemoConfig):
        self.task, self.arms, self.expert = task, [g.name for g in moved(task, robot, "arm")], expert
        self.heads = [g.name for g in moved(task, robot, "head")]
        base = Kinematics(robot).group(self.arms[0]).base
        self.to_base = base.inverse().homogeneous
        self.size = config.image_size
        self.crops = {c: Crop(*config.crops[c]) if c in config.crops else None for c in task.cameras}
        self.rows: list[dict] = []

    def on_tick(self, tick: Tick) -> None:
        """A row for every tick at which the cameras delivered and the expert spoke."""
        label = self.expert.label
        if len(tick.frames) < len(self.task.cameras) or label is None or label.clean.start_ns != tick.stamp_ns:
            return
        states, commanded = ([groups[name] for name in self.arms] for groups in (tick.groups, tick.commanded))
        views = [self._view(tick.frames[c]) for c in self.task.cameras]
        said = {action.name: action for action in label.clean.groups}
        clean = [said[name] for name in self.arms]
        self.rows.append(
            self._heads(tick, said)
            | {
                "images": np.stack([v[0] for v in views]),
                "depth": np.stack([v[1] for v in views]),
                "intrinsics": np.stack([v[2] for v in views]),
                "extrinsics": np.stack([self.to_base @ tick.frames[c].extrinsics for c in self.task.cameras]),
                # arms side by side
                "tool_pose": np.concatenate([s.tool_pose for s in states]),
                "tool_velocity": np.concatenate([s.tool_velocity for s in states]),
                "commanded_tool_pose": np.concatenate([c.tool_pose for c in commanded]),
                "hand": np.concatenate([s.hand for s in states]),
                "commanded_hand": np.concatenate([c.hand for c in commanded]),
                "positions": np.concatenate([s.positions for s in states]),
                "subtask": label.subtask if label.subtask < len(self.task.subtasks) else -1,
                "target": label.target,
                "tip": label.tip,
                "stamps": tick.stamp_ns,
                # step 0 of the expert's chunk is due now, a frame's labels begin a step later
                "label_pose": np.concatenate([action.poses[1:] for action in clean], axis=1),
                "label_hand": np.concatenate([action.hand[1:] for action in clean], axis=1),
            }
        )

    def _heads(self, tick: Tick, said: dict) -> dict[str, np.ndarray]:
        """What heads did and are to do; nothing of a robot without one."""
        if not self.heads:
            return {}
        return {
            "head": np.concatenate([tick.groups[name].positions for name in self.heads]),
            "commanded_head": np.concatenate([tick.commanded[name].positions for name in self.heads]),
            "label_head": np.concatenate([said[name].joints[1:] for name in self.heads], axis=1),
        }

    def _view(self, frame):
        return make_view(frame.color, frame.depth, frame.intrinsics, self.size, self.crops[frame.name])

    def arrays(self) -> dict[str, np.ndarray]:
        """The episode in the layout of vipa_model.data.frame_store."""
        return {key: np.stack([row[key] for row in self.rows]) for key in self.rows[0]}


def moved(task: Task, robot: Robot, kind: str) -> list[Group]:
    """The groups of `kind` ("arm", "head") that the expert moves in `task`, in the robot's order. Raises VipaError if it plays no such
    task."""
    scripts = scripts_of(task, robot)
    return [group for group in robot.groups if group.kind == kind and group.name in scripts]


def writer(config: DemoConfig) -> FrameStoreWriter:
    """The store that demonstrations of `config` go to. Raises VipaError if it holds something else."""
    task = load_task(config.task)
    robot = load_robot(task.robot)
    unknown = set(config.crops) - set(task.cameras)
    if unknown:
        raise VipaError(f"crop of camera {', '.join(sorted(unknown))}; allowed: {', '.join(task.cameras)}")
    groups = [
        GroupConfig(name=arm.name, hand=len(arm.hand.joints) if arm.hand else 0, joints=len(arm.joints))
        for arm in moved(task, robot, "arm")
    ]
    heads = {head.name: len(head.joints) for head in moved(task, robot, "head")}
    crops = {c: Crop(*values) for c, values in config.crops.items()}
    names = [s.name for s in task.subtasks]
    try:
        return FrameStoreWriter(config.out, task.cameras, config.image_size, groups, names, RATE_HZ, crops, heads)
    except ValueError as error:
        raise VipaError(str(error)) from None


class Collector:
    """Records episodes in one process, reusing its cell."""

    def __init__(self, config: DemoConfig):
        self.config = config
        self.task = load_task(config.task)
        self.robot = load_robot(self.task.robot)
        self.store = writer(config)
        seen = {"fixed_cameras": config.fixed_cameras, "camera_noise": config.camera_noise}
        self.loop = Loop(self.task, self.robot, self.task.cameras, camera_rate=RATE_HZ, late=False, **seen)
        self.policy = PolicyCommander(self.robot, load_policy(config.policy)) if config.policy else None
        if self.policy:
            self.policy.check_instruction(self.task.instruction)

    def record(self, seed: int) -> tuple[int, bool, str]:
        """Records the episode of `seed` unless it is there: (seed, kept, what happened)."""
        name = f"{seed:06d}"
        if self.store.has(name):
            return seed, True, "already there"
        expert = Expert(self.robot, self.task, seed, self.config.noise)
        recording = Recording(self.task, self.robot, expert, self.config)
        commander = DaggerCommander(expert, self.policy) if self.policy else expert
        limit = DAGGER_LIMIT_S if self.policy else None
        card = run_episode(
            self.task,
            self.robot,
            commander,
            seed,
            loop=self.loop,
            on_tick=recording.on_tick,
            time_limit=limit,
            latency=None,
        ).scorecard
        # what a policy got itself into is worth learning from, however it ended
        if not card.success and not (self.policy and len(recording.rows) >= DAGGER_MIN_FRAMES):
            return seed, False, card.failure.detail if card.failure else card.outcome
        meta = {
            "seed": seed,
            "variant": card.variant,
            "duration_s": card.duration_s,
            "outcome": card.outcome,
            "noise": self.config.noise,
            "policy": self.config.policy,
            "fixed_cameras": self.config.fixed_cameras,
            "camera_noise": self.config.camera_noise,
        }
        self.store.add(name, recording.arrays(), self.task.instruction, meta)
        return seed, True, f"{len(recording.rows)} frames, {card.outcome}"


_collector: Collector | None = None


def _start(config):
    global _collector
    _collector = Collector(config)


def _record(seed):
    return _collector.record(seed)


def collect(config: DemoConfig, count: int, first_seed: int = 0, jobs: int = 1) -> Iterator[tuple[int, bool, str]]:
    """Records until `count` demonstrations are there, seeds upwards from `first_seed`; yields (seed, kept, what happened).

    Episodes that are there already count: an interrupted collection goes on. Raises VipaError if the expert fails so often
    that three times `count` seeds are not enough.
    """
    writer(config)  # refuse before processes are started
    seeds = iter(range(first_seed, first_seed + 3 * count))
    kept = 0
    context = multiprocessing.get_context("spawn")  # an OpenGL context does not survive a fork
    with context.Pool(jobs, _start, (config,)) as pool:
        for result in pool.imap(_record, seeds):
            kept += result[1]
            yield result
            if kept == count:
                pool.terminate()
                return
    raise VipaError(f"only {kept} of {3 * count} episodes succeeded; wanted {count}")


def default_out(task: str) -> Path:
    """Where demonstrations of `task` go if nothing else is said."""
    return Path("datasets") / f"{task}_demos"
