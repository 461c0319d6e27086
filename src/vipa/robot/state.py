"""What is measured and what is commanded, as numpy: the domain's side of sensor_msgs and trajectory_msgs.

Times named `*_ns` are integer nanoseconds of ROS time.
"""

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class JointState:
    """Joint positions (n,), velocities (n,) and efforts (n,) float64 of the joints `names` at `stamp_ns`."""

    stamp_ns: int
    names: tuple[str, ...]
    positions: np.ndarray
    velocities: np.ndarray
    efforts: np.ndarray | None = None


@dataclass(frozen=True)
class JointTrajectory:
    """A command for one controller: points at `times` (P,) seconds after `start_ns`, or after its arrival where that is 0
    (trajectory_msgs/JointTrajectory).

    positions, velocities: (P, J) float64. The last velocity is zero.
    """

    joint_names: tuple[str, ...]
    times: np.ndarray
    positions: np.ndarray
    velocities: np.ndarray
    start_ns: int = 0


@dataclass(frozen=True)
class CameraFrame:
    """One capture: color (H, W, 3) uint8 RGB, depth (H, W) uint16 millimetres aligned to it (0: none), K (3, 3),
    extrinsics (4, 4): pose of the optical frame in the world frame at `stamp_ns`."""

    name: str
    stamp_ns: int
    color: np.ndarray
    depth: np.ndarray
    intrinsics: np.ndarray
    extrinsics: np.ndarray


@dataclass(frozen=True)
class GroupState:
    """State of one group: joint positions and velocities (J,), tool pose (7,) xyz + xyzw in the base frame, its linear
    velocity (3,) m/s in the base frame, opening (H,) 0 closed .. 1 open, wrench (6,) force and torque on the tool in the tool frame, or None."""

    positions: np.ndarray
    velocities: np.ndarray
    tool_pose: np.ndarray
    tool_velocity: np.ndarray
    hand: np.ndarray
    wrench: np.ndarray | None = None


@dataclass(frozen=True)
class Observation:
    """Newest camera frames and group states whose stamps lie within the skew bound. `stamp_ns` is the oldest of them."""

    stamp_ns: int
    cameras: dict[str, CameraFrame]
    groups: dict[str, GroupState]
    instruction: str = ""


@dataclass(frozen=True)
class GroundTruth:
    """What a simulated cell knows: body poses (7,) xyz + xyzw in the world frame, scalars (joint openings, ink, …) and
    the set of touching pairs, each sorted by name."""

    stamp_ns: int
    poses: dict[str, np.ndarray]
    scalars: dict[str, float] = field(default_factory=dict)
    contacts: frozenset[tuple[str, str]] = frozenset()
