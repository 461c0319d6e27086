"""The calibration file: where a robot's cameras were found to be, and how late cameras, arms and hands are. `vipa calibrate` writes it; the
robot file names it by its key `calibration`."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from vipa import config
from vipa.config import Name, Range
from vipa.errors import VipaError, unknown
from vipa.robot.quantities import Angle, Latency, Point, check_vectors

if TYPE_CHECKING:  # which imports this
    from vipa.robot.description import Robot


@dataclass(frozen=True)
class Mount:
    """Where a camera is: the pose of its optical frame in the link `parent` ("world": none moves it), metres and radians. rms_px,
    sigma_mm, sigma_deg, poses, date: how well it is known, from how many poses, since when."""

    parent: str
    position: list[Point]
    rpy: list[Angle]
    rms_px: Annotated[float, Range(0, 1000)] = 0.0
    sigma_mm: Annotated[float, Range(0, 1000)] = 0.0
    sigma_deg: Annotated[float, Range(0, 180)] = 0.0
    poses: Annotated[int, Range(0, 10_000)] = 0
    date: str = ""

    def __post_init__(self):
        check_vectors("", position=self.position, rpy=self.rpy)


@dataclass(frozen=True)
class Calibration:
    """robot: whose. mounts: by camera. camera_latency: seconds from exposure to stamp, by camera. command_latency, hand_latency: from a
    command to motion, by group."""

    robot: Name
    mounts: dict[str, Mount] = field(default_factory=dict)
    camera_latency: dict[str, Latency] = field(default_factory=dict)
    command_latency: dict[str, Latency] = field(default_factory=dict)
    hand_latency: dict[str, Latency] = field(default_factory=dict)


def load(path: Path) -> Calibration:
    """The calibration file `path`. Raises VipaError."""
    return config.load(path, Calibration)


def apply(robot: Robot, calibration: Calibration, where: str) -> Robot:
    """`robot` with what `calibration`, which was read from `where`, says. Raises VipaError if it is another robot's, or names a camera or
    group that there is not."""
    if calibration.robot != robot.name:
        raise VipaError(f"{where}: is of robot '{calibration.robot}'; allowed: {robot.name}")
    cameras, groups = {c.name: c for c in robot.cameras}, {g.name: g for g in robot.groups}
    for name in (*calibration.mounts, *calibration.camera_latency):
        if name not in cameras:
            raise VipaError(f"{where}: {unknown(f'camera of robot {robot.name}', name, cameras)}")
    for name in (*calibration.command_latency, *calibration.hand_latency):
        if name not in groups:
            raise VipaError(f"{where}: {unknown(f'group of robot {robot.name}', name, groups)}")
    for name, mount in calibration.mounts.items():
        cameras[name] = replace(cameras[name], parent=mount.parent, position=mount.position, rpy=mount.rpy)
    for name, seconds in calibration.camera_latency.items():
        cameras[name] = replace(cameras[name], latency=seconds)
    for name, group in groups.items():
        groups[name] = replace(
            group,
            command_latency=calibration.command_latency.get(name, group.command_latency),
            hand_latency=calibration.hand_latency.get(name, group.hand_latency),
        )
    return replace(robot, cameras=list(cameras.values()), groups=list(groups.values()))
