"""What a running cell was heard to say during some seconds: the facts that the checks judge."""

from dataclasses import dataclass, field

import numpy as np

from vipa.drivers.controllers import Controller


@dataclass
class CameraHeard:
    """Of one camera. stamps: (stamp, arrival) ns of every colour picture, by ROS time and by this host's clock. size: (width, height) of
    the pictures; info_size, k: of its CameraInfo. depth_stamps: ns. facts: what its driver says on /diagnostics (serial, usb, firmware,
    lost, temperature). mean: of the colours, 0 to 255."""

    stamps: list[tuple[int, int]] = field(default_factory=list)
    depth_stamps: list[int] = field(default_factory=list)
    size: tuple[int, int] | None = None
    info_size: tuple[int, int] | None = None
    k: np.ndarray | None = None
    facts: dict[str, str] = field(default_factory=dict)
    mean: float = 255.0


@dataclass
class Heard:
    """seconds: how long was listened, of this host's clock. simulated: ROS time is not this host's.

    joints: stamps by joint, ns; joint_offsets: arrival less stamp, seconds. positions, velocities: newest, by joint. wrenches: number of
    messages by arm. controllers: ros2_control's by name, None: nobody answered. parameters: of an arm's controller, by its name and
    theirs, as far as it said. frames: child frame → parent, of /tf and /tf_static. robot_ready: "" or why the robot's
    driver says it is not; None: it says nothing. estop, stop_reasons: of motion's SafetyStatus; estop None: motion says nothing.
    nodes: names with namespaces. authority: who commands. servos: the move group that MoveIt's Servo node of an arm says it moves, by arm;
    "": it does not answer; {}: nobody was asked. servo_version: of the package, "" unknown.
    """

    seconds: float
    simulated: bool = False
    cameras: dict[str, CameraHeard] = field(default_factory=dict)
    joints: dict[str, list[int]] = field(default_factory=dict)
    joint_offsets: list[float] = field(default_factory=list)
    positions: dict[str, float] = field(default_factory=dict)
    velocities: dict[str, float] = field(default_factory=dict)
    wrenches: dict[str, int] = field(default_factory=dict)
    controllers: dict[str, Controller] | None = None
    parameters: dict[str, dict[str, object]] = field(default_factory=dict)
    frames: dict[str, str] = field(default_factory=dict)
    robot_ready: str | None = None
    estop: bool | None = None
    stop_reasons: tuple[str, ...] = ()
    authority: str = ""
    nodes: set[str] = field(default_factory=set)
    servos: dict[str, str] = field(default_factory=dict)
    servo_version: str = ""
