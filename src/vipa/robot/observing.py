"""What a policy sees, live and in a dataset: one function makes a capture, one makes the observation of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from vipa.robot.captures import capture_fault
from vipa.robot.state import CameraFrame, JointState, Observation

if TYPE_CHECKING:  # MoveIt's processes convert captures and want none of our kinematics
    from vipa.robot.measured import GroupReader


def capture(
    name: str,
    stamp_ns: int,
    pictures: tuple[np.ndarray, np.ndarray],
    k: np.ndarray,
    info_size: tuple[int, int],
    extrinsics: np.ndarray,
) -> CameraFrame:
    """A capture of camera `name`. pictures: colour (H, W, 3) uint8 RGB and aligned depth (H, W) uint16 millimetres. k: (9,) of a
    CameraInfo of `info_size` (width, height). extrinsics: (4, 4) world ← optical frame at its stamp.

    Raises ValueError for one that nothing can be concluded from: see `vipa.robot.captures`.
    """
    frame = CameraFrame(name, stamp_ns, *pictures, np.array(k).reshape(3, 3), extrinsics)
    if why := capture_fault(frame, info_size):
        raise ValueError(why)
    return frame


def observation(
    frames: Mapping[str, CameraFrame],
    joints_at: Callable[[int], JointState],
    reader: GroupReader,
    instruction: str = "",
) -> Observation:
    """The captures with the groups' states at the oldest of their stamps. joints_at: the joint state nearest to a stamp."""
    stamp = min(frame.stamp_ns for frame in frames.values())
    return Observation(stamp, dict(frames), reader.groups(joints_at(stamp)), instruction)
