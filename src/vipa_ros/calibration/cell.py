"""A running cell as calibration sees it: pictures, joints, commands, and moves through the gate."""

from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image, JointState

from vipa.calibration.bags import of_info
from vipa.calibration.view import Intrinsics
from vipa.errors import VipaError
from vipa.recording import topics
from vipa.robot.description import Robot
from vipa.robot.joint_states import JointStates
from vipa.robot.lateness import exposed_ns
from vipa_ros.common import convert, node
from vipa_ros.common.images import pixels
from vipa_ros.common.listening import Listener
from vipa_ros.common.qos import CAMERA_READER, PROFILES
from vipa_ros.common.services import Services
from vipa_ros.robot.moves import Moves

COMMANDER = "calibrate"
FIRST_MESSAGES_TIMEOUT_S = 10.0  # wall seconds for the first picture and the first joint states


class Cell(Node):
    """The running cell as calibration uses it: hears joints and pictures, and moves the robot to poses through the gate.

    Single thread. on_joints(stamp, q, v), on_picture(camera, stamp, RGB): called with what comes, may be replaced at any time.
    """

    def __init__(self, robot: Robot, cameras: list[str]):
        super().__init__("calibrate")
        self.robot, self.cameras = robot, cameras
        self.services_ = Services(self, {})
        self.moves = Moves(self, robot, self.services_, COMMANDER, "calibration")
        self.states, listen = JointStates(robot), Listener(self).on
        self.infos: dict[str, Intrinsics] = {}
        self.pictures: dict[str, np.ndarray] = {}
        self.joints: np.ndarray | None = None
        self.on_joints: Callable[[int, np.ndarray, np.ndarray], None] = lambda *_: None
        self.on_picture: Callable[[str, int, np.ndarray], None] = lambda *_: None
        listen(JointState, topics.JOINT_STATES, self._joint_state, PROFILES["stream"])
        for camera in cameras:
            names = topics.camera_topics(camera)
            listen(Image, names["color"], lambda msg, c=camera: self._picture(c, msg), CAMERA_READER)
            listen(CameraInfo, names["color_info"], lambda msg, c=camera: self._info(c, msg), CAMERA_READER)

    def _joint_state(self, msg):
        why = self.states.take(convert.joint_state(msg))
        merged = self.states.merged()
        if merged is not None:
            self.joints = merged.positions[: self.states.arms]
            self.on_joints(merged.stamp_ns, self.joints, merged.velocities[: self.states.arms])
        if why:
            raise ValueError(why)

    def _picture(self, camera, msg):
        self.pictures[camera] = pixels(msg)
        stamp = convert.time_ns(msg.header.stamp)
        self.on_picture(camera, exposed_ns(self.robot, camera, stamp), self.pictures[camera])

    def _info(self, camera, msg):
        self.infos[camera] = of_info(msg)

    async def heard(self) -> None:
        """Until every camera and all joints have been heard of. Raises VipaError that names what is silent."""

        def lacking() -> list[str]:
            silent = [f"camera {c}" for c in self.cameras if c not in self.pictures or c not in self.infos]
            return [*silent, *([topics.JOINT_STATES] if self.joints is None else [])]

        if not await self.services_.until(lambda: not lacking(), FIRST_MESSAGES_TIMEOUT_S):
            raise VipaError(
                f"nothing is heard of {', '.join(lacking())}; is a cell running in this ROS domain? vipa cell"
            )

    def close(self):
        """On the way out: an interrupted calibration leaves the robot to others; motion holds it."""
        self.moves.leave()


def run(make: Callable[[], Cell], act: Callable[[Cell], Coroutine[Any, Any, Any]]) -> Any:
    """What `act` gives, played on a cell node. Raises VipaError. Ctrl-C passes as KeyboardInterrupt. Main thread."""
    box: list[Any] = []

    def spin(cell: Cell) -> None:
        if (task := node.play(cell, act(cell))).done():
            box.append(_outcome(task))

    node.run(make, spin)
    if not box:
        raise KeyboardInterrupt
    if isinstance(box[0], VipaError):
        raise box[0]
    return box[0]


def _outcome(task):
    try:
        return task.result()
    except VipaError as error:
        return error
