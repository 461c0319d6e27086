"""The robot file (config/robots/*.yaml): groups, limits, hands. Kinematics and position limits stand in its URDF."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from vipa_ros import config, resources


@dataclass(frozen=True)
class Hand:
    """A gripper or hand. Its normalised opening is 0 at `closed` and 1 at `open`, a value for every joint of `joints`.

    joints: driven joints (mimic joints of the URDF follow). closed, open: metres or radians, a value a joint.
    max_velocity: full strokes a second. force: newtons (or newton metres) a joint can press with.
    fingers: links that may touch what is grasped.
    binary: a parallel gripper that is only ever sent to open or closed: wishes below `close_below` close it, above `open_above`
    open it, in between it stays as it was told last.
    """

    joints: list[str]
    closed: list[float]
    open: list[float]
    controller: str
    max_velocity: float
    force: float
    fingers: list[str]
    kind: Literal["parallel", "six_joint"] = "parallel"
    binary: bool = False
    close_below: float = 0.4
    open_above: float = 0.6

    def __post_init__(self):
        if not len(self.joints) == len(self.closed) == len(self.open):
            raise ValueError(f"hand: joints, closed and open want {len(self.joints)} values each")
        wanted = {"parallel": 1, "six_joint": 6}[self.kind]
        if len(self.joints) != wanted:
            raise ValueError(f"hand: kind {self.kind} wants {wanted} joint(s), got {len(self.joints)}")
        if any(a == b for a, b in zip(self.closed, self.open)):
            raise ValueError("hand: closed and open must differ in every joint")
        if self.max_velocity <= 0 or self.force <= 0:
            raise ValueError("hand: max_velocity and force must be positive")
        if self.binary and self.kind != "parallel":
            raise ValueError("hand: binary is for kind parallel")
        if not 0 <= self.close_below < self.open_above <= 1:
            raise ValueError(f"hand: close_below {self.close_below} must lie below open_above {self.open_above}, both in 0 .. 1")


@dataclass(frozen=True)
class Box:
    """An axis-aligned box, metres: `min` and `max` are (3,) corners."""

    min: list[float]
    max: list[float]

    def __post_init__(self):
        if len(self.min) != 3 or len(self.max) != 3 or any(a >= b for a, b in zip(self.min, self.max)):
            raise ValueError(f"box: min {self.min} must lie below max {self.max} on three axes")


@dataclass(frozen=True)
class Group:
    """Joints that are commanded together: an arm with its hand, or a head.

    kind: "arm" takes POSE and JOINTS chunks, "head" JOINTS only. base_frame, tool_frame: links of the URDF; poses are of
    tool_frame in base_frame. controller: ros2_control name; it takes `/<controller>/joint_trajectory`.
    home: radians, a value a joint. max_velocity, max_acceleration, max_jerk: rad/s, rad/s², rad/s³, a value a joint.
    position_margin: radians kept from the URDF's position limits. workspace: box of the tool frame's origin in base_frame.
    tool_speed, tool_angular_speed: m/s, rad/s. wrench_topic carries the wrist wrench in tool_frame. payload: kg.
    """

    name: str
    kind: Literal["arm", "head"]
    base_frame: str
    tool_frame: str
    joints: list[str]
    controller: str
    home: list[float]
    max_velocity: list[float]
    max_acceleration: list[float]
    max_jerk: list[float]
    position_margin: float = 0.02
    workspace: Box | None = None
    tool_speed: float = 0.6
    tool_angular_speed: float = 2.0
    payload: float = 0.0
    force_cap: float = 40.0
    hand: Hand | None = None

    def __post_init__(self):
        for key in ("home", "max_velocity", "max_acceleration", "max_jerk"):
            if len(getattr(self, key)) != len(self.joints):
                raise ValueError(f"group {self.name}: {key} wants {len(self.joints)} values, a value a joint")
        if any(v <= 0 for v in self.max_velocity + self.max_acceleration + self.max_jerk):
            raise ValueError(f"group {self.name}: limits must be positive")

    @property
    def wrench_topic(self) -> str:
        return f"/{self.name}/wrench"


@dataclass(frozen=True)
class Camera:
    """A camera: where it is fixed and what it delivers.

    name: `/camera/<name>/color/image_raw` and so on, as realsense-ros names them. parent: link it is fixed to ("world" or
    a URDF link). position (3,) metres and rpy (3,) radians: pose of its OPTICAL frame (z forward, x right, y down) in the
    parent. vertical_fov: degrees. width, height: pixels. rate: Hz. depth_range: metres.
    """

    name: str
    parent: str
    position: list[float]
    rpy: list[float]
    vertical_fov: float = 55.0
    width: int = 320
    height: int = 240
    rate: float = 15.0
    depth_range: list[float] = field(default_factory=lambda: [0.1, 3.0])
    serial: str = ""


@dataclass(frozen=True)
class Robot:
    """A robot: its URDF (relative to urdf/), groups and cameras.

    control_rate: Hz of the motion step. margin: metres kept between collision pairs and from fixtures.
    ignore_pairs: link pairs that are never checked (neighbours are left out by themselves).
    """

    name: str
    urdf: str
    groups: list[Group]
    cameras: list[Camera]
    control_rate: float = 100.0
    margin: float = 0.01
    ignore_pairs: list[list[str]] = field(default_factory=list)

    @property
    def urdf_path(self) -> Path:
        return resources.root() / "urdf" / self.urdf

    def group(self, name: str) -> Group:
        """The group `name`; KeyError if there is none."""
        return next(g for g in self.groups if g.name == name)

    @property
    def arms(self) -> list[Group]:
        return [g for g in self.groups if g.kind == "arm"]


def load_robot(name: str) -> Robot:
    """The robot file `name` (a name in config/robots or a path). Raises VipaError."""
    return config.load(resources.find("config/robots", name), Robot)
