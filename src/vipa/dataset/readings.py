"""What a dataset takes from the messages of a bag: each is looked at as it is read; one that cannot be used is left out, named."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from vipa.dataset.spec import CameraSpec, DatasetSpec
from vipa.errors import VipaError
from vipa.recording.reader import BagReader, Message, image_array, stamp_ns
from vipa.recording.topic_names import JOINT_STATES, camera_topics
from vipa.robot.captures import intrinsics_fault
from vipa.robot.description import Robot
from vipa.robot.joint_states import History, JointStates
from vipa.robot.state import JointState

# what code that expects a whole message of its type raises at another one
NO_SUCH_MESSAGE = (VipaError, AttributeError, IndexError, KeyError, TypeError, ValueError)


class Reading(NamedTuple):
    """What a message says. stamp_ns: of its header, nanoseconds of ROS time."""

    stamp_ns: int
    value: Any


Reader = Callable[[Any], Any]


def reading(bag: BagReader, message: Message, read: Reader) -> Reading | None:
    """`message` through `read`; None where something is still unknown, and, with a line in `bag.skipped`, where it has no stamp
    or `read` raises."""
    try:
        stamp = stamp_ns(message.data)
        if stamp <= 0:
            raise VipaError(f"stamp {stamp}; allowed: above 0")
        value = read(message.data)
        return Reading(value.stamp_ns if isinstance(value, JointState) else stamp, value)
    except Incomplete:
        return None
    except NO_SUCH_MESSAGE as error:
        bag.skipped.add(message.topic, message.log_time_ns, reason(error))
        return None


def reason(error: Exception) -> str:
    """One line for an error; a VipaError's own."""
    text = " ".join(str(error).split())
    return text if isinstance(error, VipaError) else f"{type(error).__name__}: {text[:200]}"


def readers(robot: Robot, spec: DatasetSpec) -> dict[str, Reader]:
    """A reader for each topic that frames are made of."""
    found: dict[str, Reader] = {JOINT_STATES: joint_reader(robot)}
    for camera in spec.cameras:
        found[color_topic(camera.name)] = color_reader(camera)
        found[info_topic(camera.name)] = intrinsics_reader(camera)
        if camera.depth:
            found[depth_topic(camera.name)] = depth_reader(camera)
    return found | {g.wrench_topic: wrench for g in robot.arms if g.wrench_topic}


class Incomplete(Exception):
    """A message that is sound, and after which something is still unknown."""


def joint_reader(robot: Robot) -> Reader:
    """Joint states merged by joint, as motion merges them: arm and gripper may come in messages of their own."""
    known, kept = JointStates(robot), History(robot.control_rate, 0.0)

    def read(message) -> JointState:
        names, positions = tuple(message.name), np.asarray(message.position, float)
        given = np.asarray(message.velocity, float)
        velocities = given if len(given) else np.full(len(names), np.nan)
        if fault := known.take(JointState(stamp_ns(message), names, positions, velocities)):
            raise VipaError(fault)
        merged = known.merged()
        if merged is None or not kept.add(merged):  # a live reader keeps no more of them either
            raise Incomplete
        return merged

    return read


def color_reader(camera: CameraSpec) -> Reader:
    """Reads a colour image as (height, width, 3) uint8."""

    def read(message) -> np.ndarray:
        return _of_size(image_array(message), (camera.height, camera.width, 3), np.uint8)

    return read


def depth_reader(camera: CameraSpec) -> Reader:
    """Reads a depth image as (height, width) uint16, millimetres."""

    def read(message) -> np.ndarray:
        return _of_size(image_array(message), (camera.height, camera.width), np.uint16)

    return read


def intrinsics_reader(camera: CameraSpec) -> Reader:
    """Reads a CameraInfo as its intrinsics; refuses those of another size of image."""

    def read(message) -> np.ndarray:
        k, size = np.asarray(message.k, float), (camera.width, camera.height)
        if fault := intrinsics_fault(k.reshape(3, 3), size, (message.width, message.height)):
            raise VipaError(fault)
        return k

    return read


def wrench(message) -> np.ndarray:
    """(6,) newtons and newton metres."""
    f, t = message.wrench.force, message.wrench.torque
    values = np.array([f.x, f.y, f.z, t.x, t.y, t.z], float)
    if not np.isfinite(values).all():
        raise VipaError(f"wrench {values.tolist()}; allowed: finite numbers")
    return values


def _of_size(image: np.ndarray, shape: tuple[int, ...], dtype) -> np.ndarray:
    if image.shape != shape or image.dtype != dtype:
        raise VipaError(f"picture is {image.dtype} {image.shape}; the dataset's are {np.dtype(dtype)} {shape}")
    return image


def color_topic(camera: str) -> str:
    """Topic of the colour images of `camera`."""
    return camera_topics(camera)["color"]


def depth_topic(camera: str) -> str:
    """Topic of the depth images of `camera`, aligned to colour."""
    return camera_topics(camera)["depth"]


def info_topic(camera: str) -> str:
    """Topic of the CameraInfo of the colour images of `camera`."""
    return camera_topics(camera)["color_info"]
