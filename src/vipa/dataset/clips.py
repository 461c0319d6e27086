"""Clips of one's own bags, for alignment data: grippers and cameras by forward kinematics and TF, things by ground truth or, where there is
none, by the place at which a hand closed on them; what depth hides is not known.

A clip is one sub-task that was done, as one camera saw it; its words are the sub-task's.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vipa.dataset.frames import FrameReader
from vipa.dataset.readings import color_topic, depth_topic, joint_reader, reading
from vipa.dataset.run import Run
from vipa.errors import VipaError
from vipa.geometry.poses import transform
from vipa.human.clip import Clip, moved
from vipa.recording.reader import image_array, stamp_ns
from vipa.recording.topic_names import JOINT_STATES
from vipa.robot.lateness import exposed_ns
from vipa.robot.state import CameraFrame, GroupState

HAND = "gripper"
SHORTEST = 3  # ticks of a sub-task that is shown
HIDDEN_M = 0.12  # a thing whose middle lies further behind what the camera measures there is hidden
GRASPED_M = 0.06  # of a thing known by a grasp, likewise, in front and behind: it has been moved, or was never there
CLOSED = 0.15  # by how much a hand, 0 closed to 1 open, closes on something
LOOK_NS = 50_000_000  # between two looks at the hands
BEFORE_NS, AFTER_NS = 100_000_000, 1_500_000_000  # of a picture's stamp: when it was recorded


@dataclass
class _Track:
    """What one camera saw at the ticks, in the world. parts: number of the sub-task that was under way."""

    stamps: list[int] = field(default_factory=list)
    extrinsics: list[np.ndarray] = field(default_factory=list)
    tools: dict[str, list[np.ndarray]] = field(default_factory=dict)
    things: list[dict[str, np.ndarray]] = field(default_factory=list)
    parts: list[int] = field(default_factory=list)
    intrinsics: np.ndarray | None = None


def clips(
    folders: Iterable[Path], fps: int = 10, left_out: Callable[[Path, str], None] | None = None
) -> Iterator[Clip]:
    """The clips of run folders, a picture every 1 / fps seconds. left_out: told of a run that cannot be used, and why."""
    for folder in folders:
        try:
            with Run(Path(folder)) as run:
                found = 0
                for clip in of_run(run, fps):
                    found += 1
                    yield clip
                if not found:
                    raise VipaError(f"{folder}: no sub-task was done")
        except VipaError as error:
            if left_out is None:
                raise
            left_out(Path(folder), str(error))


def of_run(run: Run, fps: int) -> Iterator[Clip]:
    """Its clips. Raises VipaError if the bag lacks what they are made of. Valid while the run is open."""
    spec = run.spec(fps)
    reader = FrameReader(run, spec)
    bases = {g["name"]: np.asarray(g["base_in_world"], float) for g in spec.groups if g["kind"] == "arm"}
    names = {arm: HAND if len(bases) == 1 else f"{arm} {HAND}" for arm in bases}
    grasps = {} if reader.truth else _grasps(run, reader, bases)
    truth = _Truth(reader, run)
    tracks = {camera.name: _Track() for camera in spec.cameras}
    for tick in run.ticks(spec):
        seen = reader.observe(tick)
        for camera in spec.cameras:
            frame = seen.cameras[camera.name]
            groups = reader.groups.groups(tick.nearest(JOINT_STATES, frame.stamp_ns, ahead=True).value)
            tools = {names[arm]: transform(bases[arm], groups[arm].tool_pose[:3]) for arm in bases}
            if reader.truth:
                things, near = truth.at(frame.stamp_ns), (-np.inf, HIDDEN_M)
            else:
                at = {thing: place for thing, (place, until) in grasps.items() if frame.stamp_ns <= until}
                things, near = at, (-GRASPED_M, GRASPED_M)
            _add(tracks[camera.name], frame, camera.depth, tools, things, near, reader.subtask(frame.stamp_ns))
    done = {i for state in run.states for i, part in enumerate(state.subtasks) if part.status == "done"}
    for camera in spec.cameras:
        track = tracks[camera.name]
        whole = _clip(run, camera.name, camera.depth, track, fps)
        for number, begin, end in _parts(track.parts):
            if number in done and end - begin >= SHORTEST:
                yield whole.part(begin, end, run.subtasks[number])


def _add(track: _Track, frame: CameraFrame, deep: bool, tools, things, near: tuple[float, float], part: int) -> None:
    """One tick. near: how far behind the measured depth a thing that is seen may lie, metres."""
    track.stamps.append(frame.stamp_ns)
    track.extrinsics.append(frame.extrinsics)
    track.intrinsics = frame.intrinsics
    track.parts.append(part)
    for name, place in tools.items():
        track.tools.setdefault(name, []).append(place)
    depth = frame.depth if deep else None
    track.things.append({name: p for name, p in things.items() if _seen(frame, depth, p, near)})


def _seen(frame: CameraFrame, depth: np.ndarray | None, point: np.ndarray, near: tuple[float, float]) -> bool:
    """Whether a point of the world is in the picture, and nothing before it. A camera without depth hides nothing."""
    x, y, z = np.linalg.inv(frame.extrinsics)[:3] @ np.append(point, 1.0)
    if z <= 0:
        return False
    u, v, _ = frame.intrinsics @ np.array([x / z, y / z, 1.0])
    height, width = frame.color.shape[:2]
    if not (0 <= u < width and 0 <= v < height):
        return False
    if depth is None:
        return True
    measured = depth[int(v), int(u)] / 1000
    return (measured == 0 and near[0] == -np.inf) or bool(measured and near[0] <= z - measured <= near[1])


class _Truth:
    """Where the things of the task are by the simulation, by words, in the world."""

    def __init__(self, reader: FrameReader, run: Run):
        bodies = _bodies(run)
        self._stamps = [stamp for stamp, _ in reader.truth]
        self._things = [{words(n): p for n, p in places.items() if n in bodies} for _, places in reader.truth]

    def at(self, at_ns: int) -> dict[str, np.ndarray]:
        """By what was said nearest to `at_ns`."""
        place = bisect_left(self._stamps, at_ns)
        near = (i for i in (place - 1, place) if 0 <= i < len(self._stamps))
        return self._things[min(near, key=lambda i: abs(self._stamps[i] - at_ns))]


def words(body: str) -> str:
    """A body of a scene as questions name it."""
    return body.replace("_", " ")


def _bodies(run: Run) -> set[str]:
    """What the sub-tasks are about, in the task's words."""
    found = set()
    for subtask in run.task.subtasks if run.task else ():
        found |= {str(subtask.params[key]) for key in ("object", "target", "body") if key in subtask.params}
        found |= {body for pair in subtask.contacts for body in pair}
    return found


def _grasps(run: Run, reader: FrameReader, bases: dict[str, np.ndarray]) -> dict[str, tuple[np.ndarray, int]]:
    """Thing → the tool's place in the world as a hand began to close on it, and when: until then it stood there. Of each sub-task whose
    check names an object the last closing counts."""
    found: dict[str, tuple[np.ndarray, int]] = {}
    objects = {s.name: s.params.get("object") for s in run.task.subtasks} if run.task else {}
    hands = {g.name: g.hand for g in run.robot.arms if g.hand}
    closings = {arm: _Closings() for arm in hands}
    for at_ns, groups in _states(run, reader):
        name = objects.get(run.subtasks[reader.subtask(at_ns)])
        for arm, hand in hands.items():
            if closings[arm].begins(hand.opening_of(groups[arm].hand)) and name:
                found[words(str(name))] = transform(bases[arm], groups[arm].tool_pose[:3]), at_ns
    return found


class _Closings:
    """When a hand begins to close, of its openings one after another."""

    def __init__(self):
        self._extreme: float | None = None  # the widest since it was closed, or the narrowest since it was open
        self._closed = False

    def begins(self, opening: float) -> bool:
        """Whether it has just closed by CLOSED."""
        if self._extreme is None:
            self._extreme = opening
        self._extreme = min(self._extreme, opening) if self._closed else max(self._extreme, opening)
        if abs(opening - self._extreme) < CLOSED:
            return False
        self._closed, self._extreme = not self._closed, opening
        return self._closed


def _states(run: Run, reader: FrameReader) -> Iterator[tuple[int, dict[str, GroupState]]]:
    """The groups' states every LOOK_NS within the episode."""
    read, due = joint_reader(run.robot), run.start_ns
    for message in run.bag.messages([JOINT_STATES]):
        found = reading(run.bag, message, read)
        if found is not None and due <= found.stamp_ns <= run.end_ns:
            due = found.stamp_ns + LOOK_NS
            yield found.stamp_ns, reader.groups.groups(found.value)


def _parts(numbers: list[int]) -> Iterator[tuple[int, int, int]]:
    """(number, first, one past the last) of each stretch of equal numbers."""
    begin = 0
    for i in range(1, len(numbers) + 1):
        if i == len(numbers) or numbers[i] != numbers[begin]:
            yield numbers[begin], begin, i
            begin = i


def _clip(run: Run, camera: str, deep: bool, track: _Track, fps: int) -> Clip:
    """All that a camera saw. Points go from the world to the camera's frame."""
    cameras = np.stack(track.extrinsics)
    to_camera = np.linalg.inv(cameras)
    names = list(dict.fromkeys(name for seen in track.things for name in seen))
    nowhere, late = np.full(3, np.nan), -exposed_ns(run.robot, camera, 0)
    return Clip(
        f"{run.key}-{camera}",
        run.instruction,
        fps,
        {name: moved(to_camera, np.stack(places))[:, None] for name, places in track.tools.items()},
        {name: moved(to_camera, np.stack([s.get(name, nowhere) for s in track.things])) for name in names},
        cameras,
        track.intrinsics,
        lambda k: _picture(run, color_topic(camera), track.stamps[k] + late),
        (lambda k: _picture(run, depth_topic(camera), track.stamps[k] + late)) if deep else None,
    )


def _picture(run: Run, topic: str, at_ns: int) -> np.ndarray:
    """The picture of `topic` stamped nearest to `at_ns`. Raises VipaError if none is."""
    found = run.bag.messages([topic], at_ns - BEFORE_NS, at_ns + AFTER_NS)
    nearest = min(found, key=lambda m: abs(stamp_ns(m.data) - at_ns), default=None)
    if nearest is None or abs(stamp_ns(nearest.data) - at_ns) > BEFORE_NS:
        raise VipaError(f"{run.folder}: no picture of {topic} at {(at_ns - run.start_ns) / 1e9:.2f} s")
    return image_array(nearest.data)
