"""The robot file (config/robots/*.yaml): groups, limits, hands. Kinematics and position limits stand in its URDF."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np

from vipa import config, resources
from vipa.config import Match, Name, Range, Token
from vipa.errors import unknown
from vipa.robot import calibrated
from vipa.robot.quantities import Acceleration, Angle, Jerk, Latency, Point, Share, Velocity, check_vectors

DEPTH_FILTERS = ("spatial", "temporal", "hole_filling")
FINGERS, TOOL, FIXTURES = "fingers", "tool", "fixtures"  # in contacts: all finger links, what is held, the task's boxes


@dataclass(frozen=True)
class Grip:
    """How a hand of many joints is used as a gripper: openings of its joints, at 0 and at 1 of the gripper's."""

    closed: list[Share]
    open: list[Share]


@dataclass(frozen=True)
class Hand:
    """A gripper or a hand with fingers. Its *opening* is 0 at `closed` and 1 at `open`, one value for each joint of `joints`.

    Args:
        joints: driven joints; mimic joints of the URDF follow.
        closed, open: metres or radians, a value a joint.
        controller: ros2_control name; it takes `/<controller>/joint_trajectory`.
        max_velocity: full strokes a second.
        force: newtons (or newton metres) that a joint can press with.
        fingers: links that may touch what is grasped.
        sides: of those, the ones that press against each other; empty: every link for itself.
        grip: how one opening drives all of its joints, None: each goes all the way.
        holds: newton metres that a joint keeps against what presses on it from outside (a screw locks itself), None: force.
        kind: "parallel" has one joint, "six_joint" six.
        binary: a parallel gripper that is only ever sent to open or closed: wishes below `close_below` close it, above
            `open_above` open it, in between it stays as it was told last.
        close_below, open_above: openings, of a binary one.

    Raises:
        ValueError: for values that do not fit each other.
    """

    joints: list[str]
    closed: list[Point]
    open: list[Point]
    controller: Token
    max_velocity: Annotated[float, Range(above=0, high=100)]
    force: Annotated[float, Range(above=0, high=1000)]
    fingers: list[str]
    kind: Literal["parallel", "six_joint"] = "parallel"
    binary: bool = False
    close_below: Share = 0.4
    open_above: Share = 0.6
    sides: list[list[str]] = field(default_factory=list)
    grip: Grip | None = None
    holds: Annotated[float, Range(above=0, high=1000)] | None = None

    def __post_init__(self):
        if not len(self.joints) == len(self.closed) == len(self.open):
            raise ValueError(f"hand: joints, closed and open want {len(self.joints)} values each")
        wanted = {"parallel": 1, "six_joint": 6}[self.kind]
        if len(self.joints) != wanted:
            raise ValueError(f"hand: kind {self.kind} wants {wanted} joint(s), got {len(self.joints)}")
        if any(a == b for a, b in zip(self.closed, self.open)):
            raise ValueError("hand: closed and open must differ in every joint")
        if self.binary and self.kind != "parallel":
            raise ValueError("hand: binary is for kind parallel")
        if not 0 <= self.close_below < self.open_above <= 1:
            raise ValueError(
                f"hand: close_below {self.close_below} must lie below open_above {self.open_above}, both in 0 .. 1"
            )
        if stray := [link for side in self.sides for link in side if link not in self.fingers]:
            raise ValueError(f"hand: sides: {', '.join(stray)}; allowed: links of fingers, {', '.join(self.fingers)}")
        if self.grip and not len(self.grip.closed) == len(self.grip.open) == len(self.joints):
            raise ValueError(f"hand: grip: closed and open want {len(self.joints)} openings each")
        if self.grip and self.grip.closed == self.grip.open:
            raise ValueError("hand: grip: closed and open must differ")

    def gripping(self, opening: np.ndarray) -> np.ndarray:
        """Openings (..., H) of the joints for one `opening` (...) of the hand as a gripper, 0 .. 1."""
        closed, opened = self._grip
        return closed + np.asarray(opening)[..., None] * (opened - closed)

    def opening_of(self, joints: np.ndarray) -> float:
        """The opening as a gripper, 0 .. 1, whose `gripping` is nearest to the openings `joints` (H,)."""
        closed, opened = self._grip
        way = opened - closed
        return float(np.clip((joints - closed) @ way / (way @ way), 0.0, 1.0))

    @property
    def _grip(self) -> tuple[np.ndarray, np.ndarray]:
        grip = self.grip or Grip([0.0] * len(self.joints), [1.0] * len(self.joints))
        return np.asarray(grip.closed, float), np.asarray(grip.open, float)


@dataclass(frozen=True)
class Box:
    """An axis-aligned box, metres: `min` and `max` are (3,) corners."""

    min: list[Point]
    max: list[Point]

    def __post_init__(self):
        if len(self.min) != 3 or len(self.max) != 3 or not all(a < b for a, b in zip(self.min, self.max)):
            raise ValueError(f"box: min {self.min} must lie below max {self.max} on three axes")


@dataclass(frozen=True)
class EndLimits:
    """How fast an arm itself lets its joints near an end of their range: sqrt(2 deceleration room) - offset, where `room` is the way left
    to the URDF's limit. A Franka FR3 ends a motion that is faster.

    Args:
        deceleration: rad/s², a value a joint.
        offset: rad/s, a value a joint.
    """

    deceleration: list[Acceleration]
    offset: list[Annotated[float, Range(0, 5)]]


@dataclass(frozen=True)
class Franky:
    """How driver `franky` reaches and runs a Franka arm.

    Args:
        address: host name or IP address of the arm's control, as in Desk.
        realtime: a real-time kernel is required, as libfranka does by default; false: for a simulator.
        force_thresholds: newtons and newton metres on the tool (x, y, z, about them) beyond which the robot stops by a reflex.
        torque_thresholds: newton metres, a value a joint, likewise.

    Raises:
        ValueError: for lists of another length.
    """

    address: Annotated[str, Match(r"[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?", "a host name or an IP address")]
    realtime: bool = True
    force_thresholds: list[Annotated[float, Range(above=0, high=1000)]] = field(
        default_factory=lambda: [60.0, 60.0, 60.0, 15.0, 15.0, 15.0]
    )
    torque_thresholds: list[Annotated[float, Range(above=0, high=100)]] = field(
        default_factory=lambda: [50.0, 50.0, 50.0, 50.0, 12.0, 12.0, 12.0]
    )

    def __post_init__(self):
        for key, count in (("force_thresholds", 6), ("torque_thresholds", 7)):
            if len(getattr(self, key)) != count:
                raise ValueError(f"franky: {key} wants {count} values")


@dataclass(frozen=True)
class Group:
    """Joints that are commanded together: an arm with its hand, or a head.

    Args:
        name: as in topics and chunks.
        kind: "arm" takes POSE and JOINTS chunks, "head" JOINTS only.
        base_frame, tool_frame: links of the URDF; poses are of tool_frame in base_frame.
        joints: of the URDF, J of them.
        controller: ros2_control name; it takes `/<controller>/joint_trajectory`.
        home: radians, a value a joint.
        max_velocity, max_acceleration, max_jerk: rad/s, rad/s², rad/s³, a value a joint.
        position_margin: radians kept from the URDF's position limits.
        end_limits: what the arm allows near an end of a joint's range; None: max_velocity up to the end.
        workspace: box of the tool frame's origin in base_frame; None: everywhere.
        tool_speed, tool_angular_speed: m/s, rad/s, at most.
        payload: kg.
        force_cap, torque_cap: newtons, newton metres on the tool beyond which the arm stops and lets go.
        contact_speed: m/s of the tool, at most, where contact is expected.
        command_latency, hand_latency: seconds from a command to the motion of the arm, and of its hand, as `vipa calibrate
            latency` measures them.
        hand: None: the arm has none.
        franky: of an arm that driver `franky` runs.

    Raises:
        ValueError: for lists whose lengths do not fit `joints`.
    """

    name: Token
    kind: Literal["arm", "head"]
    base_frame: str
    tool_frame: str
    joints: list[str]
    controller: Token
    home: list[Annotated[float, Range(-20, 20)]]
    max_velocity: list[Velocity]
    max_acceleration: list[Acceleration]
    max_jerk: list[Jerk]
    position_margin: Annotated[float, Range(0, 1)] = 0.02
    end_limits: EndLimits | None = None
    workspace: Box | None = None
    tool_speed: Annotated[float, Range(above=0, high=5)] = 0.6
    tool_angular_speed: Annotated[float, Range(above=0, high=20)] = 2.0
    payload: Annotated[float, Range(0, 100)] = 0.0
    force_cap: Annotated[float, Range(above=0, high=500)] = 40.0
    torque_cap: Annotated[float, Range(above=0, high=200)] = 10.0
    contact_speed: Annotated[float, Range(above=0, high=5)] = 0.1
    command_latency: Latency = 0.0
    hand_latency: Latency = 0.0
    hand: Hand | None = None
    franky: Franky | None = None

    def __post_init__(self):
        if not self.joints:
            raise ValueError(f"group {self.name}: joints is empty; allowed: at least one")
        for key in ("home", "max_velocity", "max_acceleration", "max_jerk"):
            if len(getattr(self, key)) != len(self.joints):
                raise ValueError(f"group {self.name}: {key} wants {len(self.joints)} values, a value a joint")
        ends = self.end_limits
        if ends is not None and {len(ends.deceleration), len(ends.offset)} != {len(self.joints)}:
            raise ValueError(f"group {self.name}: end_limits wants {len(self.joints)} values of each, a value a joint")

    @property
    def wrench_topic(self) -> str:
        return f"/{self.name}/wrench"


@dataclass(frozen=True)
class RealSense:
    """How a real camera is run, by either camera driver.

    Args:
        exposure, white_balance: of the colour sensor, as librealsense has them (microseconds or 100 of them by model; kelvin); 0: automatic.
        lock_after: seconds of captures after which automatic exposure and white balance stay where they are; 0: never. Driver `realsense`.
        filters: of depth, of spatial, temporal, hole_filling, applied in the order that they stand in.
        sync: none, or hardware sync by cable: master or slave.
        emitter: the infrared pattern is projected.

    Raises:
        ValueError: for filters that are none.
    """

    exposure: Annotated[float, Range(0, 200_000)] = 0.0
    white_balance: Annotated[float, Range(0, 10_000)] = 0.0
    lock_after: Annotated[float, Range(0, 600)] = 0.0
    filters: list[str] = field(default_factory=list)
    sync: Literal["none", "master", "slave"] = "none"
    emitter: bool = True

    def __post_init__(self):
        for name in self.filters:
            if name not in DEPTH_FILTERS:
                raise ValueError(str(unknown("filter of depth", name, DEPTH_FILTERS)))


@dataclass(frozen=True)
class Camera:
    """A camera: where it is fixed and what it delivers.

    Args:
        name: `/camera/<name>/color/image_raw` and so on, as realsense-ros names them.
        parent: link it is fixed to: "world" or a URDF link.
        position, rpy: (3,) metres, (3,) radians: pose of its OPTICAL frame (z forward, x right, y down) in the parent.
        vertical_fov: degrees.
        width, height: pixels.
        rate: Hz.
        depth_range: metres, nearest and furthest depth that is measured.
        model: the RealSense whose noise a simulated one has where that is asked for.
        serial: of a real one; empty: the only one that is plugged in.
        latency: seconds from exposure to stamp, as `vipa calibrate latency` measures it.
        realsense: how a real one is run.
    """

    name: Token
    parent: str
    position: list[Point]
    rpy: list[Angle]
    vertical_fov: Annotated[float, Range(1, 170)] = 55.0
    width: Annotated[int, Range(16, 8192)] = 320
    height: Annotated[int, Range(16, 8192)] = 240
    rate: Annotated[float, Range(0.1, 240)] = 15.0
    depth_range: list[Annotated[float, Range(0, 65)]] = field(default_factory=lambda: [0.1, 3.0])
    serial: str = ""
    model: Literal["d435", "d405"] = "d435"
    latency: Latency = 0.0
    realsense: RealSense = field(default_factory=RealSense)

    def __post_init__(self):
        check_vectors(f"camera {self.name}", position=self.position, rpy=self.rpy)
        if len(self.depth_range) != 2 or not self.depth_range[0] < self.depth_range[1]:
            raise ValueError(
                f"camera {self.name}: depth_range {self.depth_range}; allowed: [near, far], near below far"
            )


@dataclass(frozen=True)
class Robot:
    """A robot file: groups, limits, hands and cameras. Kinematics and position limits stand in its URDF.

    Args:
        name: as in scorecards and `--robot`.
        urdf: path relative to `urdf/`.
        groups: arms and heads, in the order of every (n,) array of joints.
        cameras: of the robot and of its cell.
        control_rate: Hz of the motion step.
        margin: metres kept between collision pairs and from fixtures.
        ignore_pairs: link pairs that are never checked; neighbours are left out by themselves.
        may_touch: pairs that a task may allow to touch, each of "fingers", "tool" (what is held), "fixtures", or the name of a
            link or fixture.
        calibration: the file with what was calibrated, beside the robot file; it goes before what stands here; empty: none.

    Raises:
        ValueError: for names that are not there or stand twice. `load_robot` raises VipaError with the file's name instead.
    """

    name: Name
    urdf: str
    groups: list[Group]
    cameras: list[Camera]
    control_rate: Annotated[float, Range(10, 1000)] = 100.0
    margin: Annotated[float, Range(0, 0.2)] = 0.01
    ignore_pairs: list[list[str]] = field(default_factory=list)
    may_touch: list[list[str]] = field(default_factory=lambda: [[FINGERS, FIXTURES], [TOOL, FIXTURES]])
    calibration: str = ""

    def __post_init__(self):
        _distinct("groups", [g.name for g in self.groups])
        _distinct("cameras", [c.name for c in self.cameras])
        _distinct("joints", [j for g in self.groups for j in (*g.joints, *(g.hand.joints if g.hand else ()))])
        _distinct(
            "controllers", [c for g in self.groups for c in (g.controller, *((g.hand.controller,) if g.hand else ()))]
        )
        if not self.arms:
            raise ValueError("groups: none of kind arm; allowed: at least one")
        for key in ("ignore_pairs", "may_touch"):
            if any(len(pair) != 2 for pair in getattr(self, key)):
                raise ValueError(f"{key} wants two names a pair")

    @property
    def urdf_path(self) -> Path:
        return resources.root() / "urdf" / self.urdf

    def group(self, name: str) -> Group:
        """The group `name`. Raises VipaError if there is none."""
        found = next((g for g in self.groups if g.name == name), None)
        if found is None:
            raise unknown(f"group of robot {self.name}", name, [g.name for g in self.groups])
        return found

    @property
    def arms(self) -> list[Group]:
        return [g for g in self.groups if g.kind == "arm"]

    @property
    def fingers(self) -> frozenset[str]:
        """Names of the links of all hands that may touch what is grasped."""
        return frozenset(finger for g in self.arms if g.hand for finger in g.hand.fingers)


def _distinct(what, names) -> None:
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise ValueError(f"{what}: {', '.join(twice)} stands twice; allowed: distinct names")


def load_robot(name: str) -> Robot:
    """The robot file `name` (a name in config/robots or a path, pinned or not), with what its calibration file says. A URDF beside the
    file goes before one in urdf/. Raises VipaError."""
    bare, sha256 = config.unpinned(name)
    path = resources.find("config/robots", bare)
    robot = config.load(path, Robot)
    beside = path.parent / robot.urdf
    robot = replace(robot, urdf=str(beside.resolve())) if beside.is_file() else robot
    if robot.calibration:
        file = path.parent / robot.calibration
        robot = calibrated.apply(robot, calibrated.load(file), str(file))
    config.expect(robot, sha256, path)
    return robot
