"""Where cameras are fixed, as /tf_static has it."""

from collections.abc import Iterable

import numpy as np
from geometry_msgs.msg import Quaternion, TransformStamped, Vector3
from tf2_msgs.msg import TFMessage

from vipa.robot.cameras import CameraPoses
from vipa.robot.description import Camera
from vipa_ros.common.rotations import quaternion_from_euler


def mounts(cameras: Iterable[Camera]) -> TFMessage:
    """The optical frames of `cameras` in their parents."""
    transforms = []
    for camera in cameras:
        message = TransformStamped(child_frame_id=f"{camera.name}_color_optical_frame")
        message.header.frame_id = camera.parent
        x, y, z = map(float, camera.position)
        message.transform.translation = Vector3(x=x, y=y, z=z)
        x, y, z, w = map(float, quaternion_from_euler(*camera.rpy))
        message.transform.rotation = Quaternion(x=x, y=y, z=z, w=w)
        transforms.append(message)
    return TFMessage(transforms=transforms)


def hear(poses: CameraPoses, message: TFMessage) -> None:
    """Tells `poses` what a message of /tf_static says. Raises ValueError for a transform that is none; those before it count."""
    for transform in message.transforms:
        t, r = transform.transform.translation, transform.transform.rotation
        pose = np.array([t.x, t.y, t.z, r.x, r.y, r.z, r.w], float)
        poses.hear(transform.child_frame_id, transform.header.frame_id, pose)
