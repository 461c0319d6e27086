"""One run folder on its way into a dataset: what it says of itself, and its bag read at the ticks of one rate."""

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from vipa import config, documents
from vipa.dataset.frames import FrameReader
from vipa.dataset.readings import (
    JOINT_STATES,
    NO_SUCH_MESSAGE,
    color_topic,
    depth_topic,
    info_topic,
    joint_reader,
    readers,
    reading,
    reason,
)
from vipa.dataset.resample import Instant, Resampler
from vipa.dataset.spec import CameraSpec, DatasetSpec, robot_spec
from vipa.dataset.writer import DatasetWriter
from vipa.errors import VipaError
from vipa.recording.reader import BagReader
from vipa.recording.timeline import Timeline, read_timeline
from vipa.recording.topic_names import TF_STATIC
from vipa.robot.cameras import CameraPoses
from vipa.robot.description import Robot, load_robot
from vipa.tasks.task import Task, load_task

STOOD_STILL_RAD = 0.005  # radians that no joint of an arm went: an episode in which nothing moved
_TIME = re.compile(r"(\d{8}-\d{6})-")


class Run:
    """One run folder, open. A context manager. meta: what the dataset keeps of it. cut: why it ends before its end, or "".
    notes: what beside the bag's messages could not be used."""

    def __init__(self, folder: Path):
        """Raises VipaError if it has no readable bag with pictures, or its robot is not known."""
        self.folder = folder
        self.notes: list[str] = []
        self.bag = BagReader(folder / "bag")
        try:
            self._open()
        except BaseException:
            self.bag.close()
            raise

    def _open(self) -> None:
        folder = self.folder
        card, settings = _load(folder / "scorecard.json"), _load(folder / "config.yaml")
        self.timeline: Timeline = read_timeline(self.bag)
        self.states = [s for s in self.timeline.states if s.subtasks]
        if not self.states:
            raise VipaError(f"{folder}: no /vipa/episode_status in the bag; an episode wants its sub-tasks")
        last = self.timeline.states[-1]
        name = card.get("robot") or last.robot
        self.robot: Robot = (
            config.build(settings["robot"], Robot, f"{folder}/config.yaml: robot")
            if "robot" in settings
            else load_robot(name)
        )
        try:
            self.task = _task(settings, card.get("task") or last.task, folder)
        except VipaError as error:  # a task file of an earlier version, say: what happened is in the bag all the same
            self.task = None
            self.notes.append(f"without targets: {error}")
        self.key = str(card.get("episode_id") or self.bag.custom_data.get("episode_id") or folder.resolve().name)
        self.instruction = card.get("instruction") or last.instruction
        self.subtasks = [s.name for s in self.states[-1].subtasks]
        self.start_ns, self.end_ns = self.timeline.start_ns, self.timeline.end_ns
        self.cut = self._cut()
        outcome = card.get("outcome") or last.outcome or "unknown"
        self.meta: dict[str, Any] = {
            "task": card.get("task") or last.task,
            "commander": card.get("commander") or last.commander,
            "cell": card.get("cell") or last.cell,
            "seed": card.get("seed", last.seed),
            "variant": card.get("variant") or last.variant,
            "outcome": outcome,
            "success": outcome == "success" and not self.cut,
            "run_folder": folder.resolve().name,
            "recorded": recorded(folder),
        }
        if self.cut:
            self.meta["cut"] = self.cut

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.bag.close()

    def _cut(self) -> str:
        """Ends the episode where time jumps in it, and says so: what follows is no part of it."""
        jump = self.bag.jump
        stamps = self._joint_stamps(None if jump is None or jump.topic != JOINT_STATES else jump.at_ns)
        if jump is None or not stamps or (not jump.back and stamps[-1] <= self.start_ns):
            return ""
        if stamps[-1] >= self.end_ns:
            return ""  # the episode was over
        self.end_ns = stamps[-1]
        return str(jump)

    def _joint_stamps(self, until: int | None) -> list[int]:
        """Stamps of the joint states in the bag, in order, to `until`; [] if there is no jump to look for."""
        if self.bag.jump is None or JOINT_STATES not in self.bag.topics:
            return []
        read = joint_reader(self.robot)
        found = (reading(self.bag, m, read) for m in self.bag.messages([JOINT_STATES]))
        return sorted(r.stamp_ns for r in found if r is not None and (until is None or r.stamp_ns <= until))

    @cached_property
    def cameras(self) -> CameraPoses:
        """Where the cameras stood: TF says it where it can be used, else the robot file."""
        found, bag = CameraPoses(self.robot), self.bag
        for message in bag.messages([TF_STATIC]) if TF_STATIC in bag.topics else ():
            try:
                for t in message.data.transforms:
                    p, q = t.transform.translation, t.transform.rotation
                    pose = np.array([p.x, p.y, p.z, q.x, q.y, q.z, q.w], float)
                    found.hear(t.child_frame_id, t.header.frame_id, pose)
            except NO_SUCH_MESSAGE as error:
                bag.skipped.add(message.topic, message.log_time_ns, reason(error))
        return found

    @cached_property
    def wrench_topics(self) -> list[str]:
        """Of the arms whose wrench is in the bag."""
        topics = [g.wrench_topic for g in self.robot.arms if g.wrench_topic]
        return [t for t in topics if t in self.bag.topics and self.bag.topics[t].count]

    def spec(self, fps: int, action: str = "commanded", lerobot: str = "0.6") -> DatasetSpec:
        """Of a dataset that holds this run."""
        cameras = []
        for name in self.bag.camera_names():
            image = next((m.data for m in self.bag.messages([color_topic(name)])), None)
            if image is None:
                raise VipaError(f"{self.folder}: no readable picture of camera {name}")
            depth = self.bag.topics.get(depth_topic(name))
            cameras.append(CameraSpec(name, image.height, image.width, bool(depth and depth.count)))
        if not cameras:
            raise VipaError(f"{self.folder}: no colour pictures in the bag")
        known = [c.name for c in self.robot.cameras]
        if strange := [c.name for c in cameras if c.name not in known]:
            raise VipaError(
                f"{self.folder}: cameras {', '.join(strange)} are not the robot's; allowed: {', '.join(known)}"
            )
        carried = [c.name for c in cameras if self.cameras.carried(c.name)]
        wrenches = [g.name for g in self.robot.arms if g.wrench_topic in self.wrench_topics]
        return robot_spec(self.robot, cameras, fps, carried, wrenches, action, lerobot)

    def write(self, writer: DatasetWriter, progress: Callable[[float], None] | None = None) -> int:
        """Writes the episode, from the first tick at which everything has been seen to the episode's end; returns its frames.

        Raises VipaError if there is no such tick, or nothing moved.
        """
        frames = FrameReader(self, writer.spec)
        first, waiting, count = None, None, 0
        low, high = np.inf, -np.inf
        for tick in self.ticks(writer.spec):
            seen = frames.frame(tick)
            if waiting is None:
                first = tick.at_ns
            else:
                writer.add_frame(frames.whole(waiting, seen), self.key)
            waiting, count, state = seen, count + 1, seen.values["observation.state"]
            low, high = np.minimum(low, state), np.maximum(high, state)
            if progress:
                progress((tick.at_ns - self.start_ns) / max(self.end_ns - self.start_ns, 1))
        if waiting is None:
            raise VipaError(f"{self.folder}: no moment at which all cameras and joints had been seen")
        if np.max(high - low) < STOOD_STILL_RAD:
            raise VipaError(f"{self.folder}: nothing moved")
        writer.add_frame(frames.whole(waiting, waiting), self.key)
        drives = frames.drives
        told = [[round((d.start_ns - first) / 1e9, 3), d.driver, d.intervention] for d in drives.drives]
        meta = {"start_ns": first, "cameras": frames.geometry, "interventions": drives.interventions, "drives": told}
        writer.save_episode(self.instruction, self.subtasks, self.meta | meta)
        return count

    def ticks(self, spec: DatasetSpec) -> Iterable[Instant]:
        """Moments a period apart, from the first at which everything has been seen. Raises VipaError if the bag lacks a topic."""
        required = [JOINT_STATES]
        for camera in spec.cameras:
            required += [color_topic(camera.name), info_topic(camera.name)] + (
                [depth_topic(camera.name)] if camera.depth else []
            )
        missing = [t for t in required if t not in self.bag.topics]
        if missing:
            raise VipaError(f"{self.folder}: the bag lacks {', '.join(missing)}")
        period, read = round(1e9 / spec.fps), readers(self.robot, spec)
        return Resampler(self.bag, read, [*required, *self.wrench_topics], [], self.start_ns, self.end_ns, period)


def recorded(folder: Path) -> str:
    """When a run was recorded, local wall-clock time as YYYYMMDD-HHMMSS: its folder's name says so, else its bag's file."""
    if match := _TIME.match(folder.resolve().name):
        return match[1]
    try:
        return f"{datetime.fromtimestamp((folder / 'bag' / 'metadata.yaml').stat().st_mtime):%Y%m%d-%H%M%S}"
    except OSError:
        return ""


def _load(path: Path) -> dict[str, Any]:
    """A JSON or YAML mapping; empty if there is no such file."""
    if not path.exists():
        return {}
    data = documents.read_json(path) if path.suffix == ".json" else documents.read_yaml(path, finite=False)
    return config.build(data, dict[str, Any], str(path))


def _task(settings: dict[str, Any], name: str, folder: Path) -> Task | None:
    if "task" in settings and isinstance(settings["task"], dict):
        return config.build(settings["task"], Task, f"{folder}/config.yaml: task")
    try:
        return load_task(name)
    except VipaError:
        return None  # a task from elsewhere: its episodes have no targets
