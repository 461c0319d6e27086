"""What crosses from the simulation to the render thread, and what describes a scene to people and files."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vipa.robot.description import Camera
from vipa_sim.camera_noise import CameraNoise

SCHEMA = "vipa/scene/1"


@dataclass(frozen=True)
class Appearance:
    """How a scene looks, as far as it changes between episodes. Never edited in place: a new look is a new object.

    materials: material name → RGBA (4,) 0..1. textures: texture name → (H, W, 3) uint8. light: factor on all lights.
    """

    materials: dict[str, tuple[float, float, float, float]] = field(default_factory=dict)
    textures: dict[str, np.ndarray] = field(default_factory=dict)
    light: float = 1.0


@dataclass(frozen=True)
class Snapshot:
    """The state of a cell at `stamp_ns` (ROS time), enough to draw it: generalised positions qpos (nq,), the look, and the cameras
    as they stand; the same dictionary all episode long. noise: the cameras', None: perfect pictures. delays_ns: nanoseconds from exposure
    to stamp, by camera; one that is left out has none."""

    stamp_ns: int
    qpos: np.ndarray
    appearance: Appearance
    cameras: dict[str, Camera]
    noise: CameraNoise | None = None
    delays_ns: dict[str, int] = field(default_factory=dict)

    def stamp_of(self, camera: str) -> int:
        """What the picture of `camera` is stamped, nanoseconds of ROS time: when it comes, too, unless that is before its exposure."""
        return self.stamp_ns + self.delays_ns.get(camera, 0)


@dataclass(frozen=True)
class SceneCard:
    """How an episode began. Same card, same scene. task_sha256, robot_sha256: fingerprints of what the cell was made for.

    poses: body → (7,) list, xyz + xyzw, world frame, metres. appearance: material → RGBA, and `light`. scalars: truth
    scalars at the start, among them the constants of the scene. cameras: fixed camera → `position` (3,) metres and `rpy` (3,) radians
    of its optical frame in the world. camera_noise: the cameras see as a RealSense does.
    """

    task: str
    task_sha256: str
    robot_sha256: str
    seed: int
    variant: str
    poses: dict[str, list[float]]
    scalars: dict[str, float]
    appearance: dict[str, Any]
    cameras: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    camera_noise: bool = False
    schema: str = SCHEMA

    def as_dict(self) -> dict[str, Any]:
        """Everything as JSON types."""
        return {
            "schema": self.schema,
            "task": self.task,
            "task_sha256": self.task_sha256,
            "robot_sha256": self.robot_sha256,
            "seed": self.seed,
            "variant": self.variant,
            "poses": self.poses,
            "scalars": self.scalars,
            "appearance": self.appearance,
            "cameras": self.cameras,
            "camera_noise": self.camera_noise,
        }
