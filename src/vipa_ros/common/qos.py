"""The QoS profiles of the topic table."""

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from vipa.recording.metadata import Qos
from vipa.recording.topic_names import CAMERA_DEPTH


def _profile(reliability, durability, depth):
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=depth, reliability=reliability, durability=durability)


PROFILES = {
    # depth is how far a reader may lag behind before a reliable message is lost: a second
    "stream": _profile(ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE, 100),
    "latched": _profile(ReliabilityPolicy.RELIABLE, DurabilityPolicy.TRANSIENT_LOCAL, 1),
    "camera": _profile(ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE, CAMERA_DEPTH),
    # reliable for the recorder; rclpy's own clock and CLOCK_READER take whatever comes
    "clock": _profile(ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE, 100),
}

# How /clock is read, as by rclpy itself: the newest, of reliable writers and of others (a player's, another simulator's).
CLOCK_READER = _profile(ReliabilityPolicy.BEST_EFFORT, DurabilityPolicy.VOLATILE, 1)

# How the policy node reads a camera: the newest frame, never an old one waited for.
CAMERA_READER = _profile(ReliabilityPolicy.BEST_EFFORT, DurabilityPolicy.VOLATILE, 1)

# How /tf_static is read: every writer's last message, as tf2's listener does.
STATIC_READER = _profile(ReliabilityPolicy.RELIABLE, DurabilityPolicy.TRANSIENT_LOCAL, 100)

# What motion reads: a short queue, so that after a stall or in a flood it is soon at what is new.
MOTION_READER = _profile(ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE, 10)


def newest() -> QoSProfile:
    """Of a reliable stream only what came last: an answer to what is no longer asked is worth nothing."""
    return _profile(ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE, 1)


def recorder_profile(offered: QoSProfile) -> QoSProfile:
    """How the recorder reads what is offered so: as reliably as it is written, with room for a stall of a second."""
    return _profile(offered.reliability, offered.durability, max(offered.depth, 200))


def bag_profile(name: str) -> Qos:
    """The profile `name` as a bag's metadata has it."""
    offered = PROFILES[name]
    return Qos(offered.reliability.name.lower(), offered.durability.name.lower(), offered.depth)
