"""From bags to a dataset: every recorded topic is read at the ticks of one rate."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vipa_ros import config, documents
from vipa_ros.dataset.frames import JOINT_STATES, FrameReader, color_topic, depth_topic, info_topic
from vipa_ros.dataset.spec import CameraSpec, DatasetSpec, robot_spec
from vipa_ros.dataset.ticks import Tick, Ticks
from vipa_ros.dataset.writer import DatasetWriter
from vipa_ros.errors import VipaError
from vipa_ros.evaluation.timeline import Timeline, read_timeline
from vipa_ros.recording.reader import BagReader
from vipa_ros.robot.description import Robot, load_robot
from vipa_ros.tasks.task import Task, load_task


@dataclass
class BuildReport:
    """added: keys of the episodes that were added. skipped: why, by run folder."""

    added: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        lines = [f"{len(self.added)} episodes added, {len(self.skipped)} run folders skipped"]
        return "\n".join(lines + [f"  {folder}: {why}" for folder, why in self.skipped.items()])


def build_from_bags(
    run_folders: Iterable[Path],
    out: Path,
    fps: int = 10,
    only_success: bool = False,
    progress: Callable[[float], None] | None = None,
) -> BuildReport:
    """Adds an episode of each run folder (bag/, with scorecard.json and config.yaml where there are such) to the dataset
    `out`, which is made if it is not there; run folders that are in it already are skipped, so that a killed build goes on.

    A run folder that cannot be used (cut-off bag, no pictures, no robot) is skipped and named in the report. Raises
    VipaError if none could be used and none was there before, or `out` holds something else.
    """
    report = BuildReport()
    folders = [Path(f) for f in run_folders]
    writer: DatasetWriter | None = None
    keys: set[str] = set()
    for number, folder in enumerate(folders):
        run: Run | None = None
        try:
            with Run(folder) as run:
                if only_success and not run.meta.get("success"):
                    report.skipped[str(folder)] = "not a success"
                    continue
                if writer is None:
                    writer = DatasetWriter(out, run.spec(fps))
                    keys = writer.keys()
                if run.key in keys:
                    report.skipped[str(folder)] = "is in the dataset"
                    continue
                run.write(writer)
                keys.add(run.key)
                report.added.append(run.key)
        except VipaError as error:
            if writer is not None:
                writer.discard_episode()
            # another build of the same dataset may have been faster
            here = writer is not None and run is not None and run.key in writer.keys()
            report.skipped[str(folder)] = "is in the dataset" if here else str(error)
        if progress:
            progress((number + 1) / (len(folders) + 1))
    if writer is None:
        raise VipaError(f"{out}: no run folder can be used\n{report}")
    writer.finalize()
    if progress:
        progress(1.0)
    return report


class Run:
    """One run folder, open. A context manager. meta: what the dataset keeps of it."""

    def __init__(self, folder: Path):
        """Raises VipaError if it has no readable bag with pictures, or its robot is not known."""
        self.folder = folder
        self.bag = BagReader(folder / "bag")
        card, settings = _load(folder / "scorecard.json"), _load(folder / "config.yaml")
        self.timeline: Timeline = read_timeline(self.bag)
        self.states = [s for s in self.timeline.states if s.subtasks]
        if not self.states:
            self.bag.close()
            raise VipaError(f"{folder}: no /vipa/episode_status in the bag; an episode wants its sub-tasks")
        last = self.timeline.states[-1]
        name = card.get("robot") or last.robot
        self.robot: Robot = (
            config.build(settings["robot"], Robot, f"{folder}/config.yaml: robot")
            if "robot" in settings
            else load_robot(name)
        )
        self.task = _task(settings, card.get("task") or last.task, folder)
        self.key = str(card.get("episode_id") or self.bag.custom_data.get("episode_id") or folder.resolve().name)
        self.instruction = card.get("instruction") or last.instruction
        self.subtasks = [s.name for s in self.states[-1].subtasks]
        outcome = card.get("outcome") or last.outcome
        self.meta: dict[str, Any] = {
            "task": card.get("task") or last.task,
            "commander": card.get("commander") or last.commander,
            "cell": card.get("cell") or last.cell,
            "seed": card.get("seed", last.seed),
            "variant": card.get("variant") or last.variant,
            "outcome": outcome,
            "success": outcome == "success",
            "run_folder": folder.resolve().name,
        }

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.bag.close()

    def spec(self, fps: int) -> DatasetSpec:
        """Of a dataset that holds this run."""
        cameras = []
        for name in self.bag.camera_names():
            image = next(self.bag.messages([color_topic(name)])).data
            depth = self.bag.topics.get(depth_topic(name))
            cameras.append(CameraSpec(name, image.height, image.width, bool(depth and depth.count)))
        if not cameras:
            raise VipaError(f"{self.folder}: no colour pictures in the bag")
        return robot_spec(self.robot, cameras, fps)

    def write(self, writer: DatasetWriter) -> None:
        """Writes the episode, from the first tick at which everything has been seen to the episode's end."""
        frames = FrameReader(self, writer.spec)
        first, waiting = None, None
        for tick in self._ticks(writer.spec):
            frame, command, command_after = frames.frame(tick)
            if waiting is None:
                first = tick.at_ns
            else:
                writer.add_frame(waiting | {"action": command}, self.key)
            waiting = frame | {"action": command_after}
        if waiting is None:
            raise VipaError(f"{self.folder}: no moment at which all cameras and joints had been seen")
        writer.add_frame(waiting, self.key)
        writer.save_episode(self.instruction, self.subtasks, self.meta | {"start_ns": first})

    def _ticks(self, spec: DatasetSpec) -> Iterable[Tick]:
        required = [JOINT_STATES]
        for camera in spec.cameras:
            required += [color_topic(camera.name), info_topic(camera.name)] + (
                [depth_topic(camera.name)] if camera.depth else []
            )
        missing = [t for t in required if t not in self.bag.topics]
        if missing:
            raise VipaError(f"{self.folder}: the bag lacks {', '.join(missing)}")
        optional = [g.wrench_topic for g in self.robot.arms if g.wrench_topic in self.bag.topics]
        period = round(1e9 / spec.fps)
        return Ticks(self.bag, required, optional, self.timeline.start_ns, self.timeline.end_ns, period)


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
