"""What a calibration needs, from a bag: pictures and joint states in order, intrinsics, commands."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vipa.calibration.collect import PictureViews, PoseViews
from vipa.calibration.latency import Track, answered_s, pictures_track, small
from vipa.calibration.view import Intrinsics
from vipa.errors import VipaError
from vipa.recording.reader import NOT_AS_EXPECTED, BagReader, image_array, stamp_ns
from vipa.recording.topic_names import JOINT_STATES, camera_topics, command_topic
from vipa.robot.description import Group, Robot
from vipa.robot.joint_states import JointStates
from vipa.robot.lateness import exposed_ns
from vipa.robot.state import JointState

MOST_PICTURES = 900  # of a camera, for latency


def opened(path: Path) -> BagReader:
    """The bag `path`, or that of the run folder `path`. Raises VipaError."""
    inside = Path(path) / "bag"
    return BagReader(inside if inside.is_dir() else Path(path))


def intrinsics(bag: BagReader, camera: str) -> Intrinsics:
    """What `camera` says of itself. Raises VipaError if it says nothing."""
    topic = camera_topics(camera)["color_info"]
    _wanted(bag, topic)
    for message in bag.messages([topic]):
        return of_info(message.data)
    raise VipaError(f"bag {bag.folder}: {topic} holds no message that can be read")


def of_info(info) -> Intrinsics:
    """Of a sensor_msgs/CameraInfo, a live one or one of a bag."""
    distortion = np.zeros(5)
    given = np.asarray(info.d, float)[:5]
    distortion[: len(given)] = given
    return Intrinsics(np.asarray(info.k, float).reshape(3, 3), distortion, (int(info.width), int(info.height)))


def read_poses(bag: BagReader, robot: Robot, camera: str, into: PoseViews) -> None:
    """Feeds `into` all of the bag. Raises VipaError for topics that the bag lacks."""
    states = JointStates(robot)
    for what, at, value in _stream(bag, camera, robot):
        if what == "picture":
            into.picture(exposed_ns(robot, camera, at), value)
        elif (merged := _taken(states, value)) is not None:
            into.joint_state(merged.stamp_ns, merged.positions[: states.arms], merged.velocities[: states.arms])


def read_pictures(bag: BagReader, camera: str, into: PictureViews) -> None:
    """Feeds `into` the pictures of `camera`. Raises VipaError."""
    for what, at, value in _stream(bag, camera, None):
        if what == "picture":
            into.picture(at, value)


def tracks(bag: BagReader, robot: Robot, cameras: list[str]) -> tuple[dict, dict, dict, dict]:
    """The arguments of `latency.measure` from a bag in which the robot moved to and fro."""
    measured_topics = [
        command_topic(c) for g in robot.arms for c in (g.controller, g.hand.controller if g.hand else "") if c
    ]
    states, joints, times = JointStates(robot), [], []
    commands: dict[str, list[tuple[float, np.ndarray, tuple[str, ...]]]] = {}
    _wanted(bag, JOINT_STATES)
    for message in bag.messages([t for t in (JOINT_STATES, *measured_topics) if t in bag.topics]):
        try:
            if message.topic != JOINT_STATES:
                first = message.data.points[0]
                row, at = (
                    np.asarray(first.positions, float),
                    answered_s(message.data.header.frame_id) or message.log_time_ns / 1e9,
                )
                due = at + first.time_from_start.sec + first.time_from_start.nanosec / 1e9
                commands.setdefault(message.topic, []).append((due, row, tuple(message.data.joint_names)))
            elif (merged := _taken(states, message.data)) is not None:
                times.append(merged.stamp_ns / 1e9)
                joints.append(merged.positions)
        except NOT_AS_EXPECTED as error:
            bag.skipped.add(message.topic, message.log_time_ns, str(error))
    if len(joints) < 50:
        raise VipaError(f"bag {bag.folder}: {len(joints)} joint states; wanted: 50 or more")
    table, names = np.array(joints), states.names
    commanded, measured, hands = {}, {}, {}
    for group in robot.arms:
        joint = max(group.joints, key=lambda name: float(np.ptp(table[:, names.index(name)])))
        measured[group.name] = Track(np.array(times), table[:, names.index(joint)])
        if given := _track(commands.get(command_topic(group.controller)), joint):
            commanded[group.name] = given
        if group.hand and np.ptp(table[:, names.index(group.hand.joints[0])]) > 0.3 * _stroke(group):
            given = _track(commands.get(command_topic(group.hand.controller)), group.hand.joints[0])
            if given:
                hands[group.name] = given, Track(np.array(times), table[:, names.index(group.hand.joints[0])])
    return commanded, measured, hands, {c: _pictures(bag, c) for c in cameras}


def _stroke(group: Group) -> float:
    return abs(group.hand.open[0] - group.hand.closed[0])


def _track(rows, joint: str) -> Track | None:
    usable = [(at, values[names.index(joint)]) for at, values, names in rows or () if joint in names]
    return Track(*map(np.array, zip(*usable, strict=True))) if len(usable) > 20 else None


def _pictures(bag: BagReader, camera: str) -> Track:
    times, pictures = [], []
    for what, at, value in _stream(bag, camera, None):
        if what == "picture" and len(pictures) < MOST_PICTURES:
            times.append(at / 1e9)
            pictures.append(small(value))
    if len(pictures) < 20:
        raise VipaError(f"bag {bag.folder}: {len(pictures)} pictures of camera {camera}; wanted: 20 or more")
    return pictures_track(times, pictures)


def _stream(bag: BagReader, camera: str, robot: Robot | None) -> Iterator[tuple[str, int, object]]:
    """("picture", stamp, RGB) and, with `robot`, ("joints", stamp, message), in the order of recording."""
    topic = camera_topics(camera)["color"]
    wanted = [topic, *([JOINT_STATES] if robot else [])]
    for name in wanted:
        _wanted(bag, name)
    for message in bag.messages(wanted):
        try:
            if message.topic == topic:
                yield "picture", stamp_ns(message.data), image_array(message.data)
            else:
                yield "joints", stamp_ns(message.data), message.data
        except NOT_AS_EXPECTED as error:
            bag.skipped.add(message.topic, message.log_time_ns, str(error))


def _wanted(bag: BagReader, topic: str) -> None:
    if topic not in bag.topics or not bag.topics[topic].count:
        raise VipaError(f"bag {bag.folder}: no {topic}; record it: vipa record")


def _taken(states: JointStates, message) -> JointState | None:
    names, positions = tuple(message.name), np.asarray(message.position, float)
    given = np.asarray(message.velocity, float)
    velocities = given if len(given) else np.full(len(names), np.nan)
    states.take(JointState(stamp_ns(message), names, positions, velocities))
    merged = states.merged()
    return merged if merged is not None and np.all(np.isfinite(merged.velocities[: states.arms])) else None
