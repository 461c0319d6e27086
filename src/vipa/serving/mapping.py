"""What another policy's server wants to see and what its answers mean: a file in config/policies/, checked to the last key."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from vipa import config, resources
from vipa.config import Range
from vipa.errors import VipaError
from vipa.robot.description import Group, Robot

Positive = Annotated[float, Range(above=0, high=1000)]
End = Annotated[float, Range(-1000, 1000)]  # of a hand, in the server's unit
Angle = Annotated[float, Range(-10, 10)]  # radians
QUANTITIES = Literal[
    "positions", "velocities", "tool_position", "tool_pose", "tool_velocity", "quaternion_xyzw", "quaternion_wxyz",
    "rotation_vector", "axis_angle", "rpy", "six_columns", "six_rows", "hand", "wrench",
]  # fmt: skip
ROTATIONS = {
    "quaternion_xyzw": 4,
    "quaternion_wxyz": 4,
    "rotation_vector": 3,
    "rpy": 3,
    "six_columns": 6,
    "six_rows": 6,
}
WIDTHS = {"tool_position": 3, "tool_pose": 7, "tool_velocity": 3, "wrench": 6, "axis_angle": 3} | ROTATIONS


@dataclass(frozen=True)
class CameraKeys:
    """Under which keys a camera's frame is sent. color: (H, W, 3) uint8 RGB. size: (width, height) pixels it is resized to,
    without it as it comes; fit: "pad" keeps the proportions with black bars, "stretch" does not. mirror: left for right. depth (H, W) uint16 mm,
    intrinsics (3, 3), extrinsics (4, 4) base from optical: of the image as it comes, so not together with size."""

    color: str
    size: list[Annotated[int, Range(1, 8192)]] | None = None
    fit: Literal["pad", "stretch"] = "pad"
    mirror: bool = False
    depth: str = ""
    intrinsics: str = ""
    extrinsics: str = ""

    def __post_init__(self):
        if self.size is not None and len(self.size) != 2:
            raise ValueError(f"size {self.size}; allowed: [width, height] in pixels")
        if (self.size is not None or self.mirror) and (self.depth or self.intrinsics or self.extrinsics):
            raise ValueError("size or mirror together with depth, intrinsics or extrinsics; allowed: one of them")


@dataclass(frozen=True)
class StatePart:
    """A part of a state vector. Rotations are the tool's in the base frame, rpy about fixed axes x, y, z, radians.

    axis_angle: a rotation vector whose angle is from 0 to 2π, by the sign of the quaternion, as robosuite's quat2axisangle; rotation_vector: from 0
    to π. closed, open: what a closed and an open hand are to the server; between them it is linear. turn: rpy, radians, of the
    server's tool frame in ours. columns: numbers of the quantity's elements that are sent, from 0 on; without it all.
    """

    group: str
    quantity: QUANTITIES
    closed: End = 0.0
    open: End = 1.0
    turn: list[Angle] | None = None
    columns: list[Annotated[int, Range(0, 99)]] | None = None

    def __post_init__(self):
        width = WIDTHS.get(self.quantity, 100)
        if self.columns is not None and not (self.columns and max(self.columns) < width):
            raise ValueError(f"columns {self.columns} of {self.quantity}; allowed: at least one, 0 to {width - 1}")
        _check_ends(self.closed, self.open)
        _check_turn(self.turn, self.quantity in ROTATIONS or self.quantity == "tool_pose")


@dataclass(frozen=True)
class ActionPart:
    """Columns of the answer under `key`; parts with the same key take its columns in their order. keys: in its place, columns under several
    keys side by side, which no other part reads.

    what: "joints" (radians), "pose" (tool position and `rotation`), "hand" (opening), or "unused": `width` columns that mean
    nothing here. reference: "absolute"; "observation": each step is relative to the state at the observation; "previous": to
    the step before. axes: of relative poses: of the base or of the tool. scale: radians (joints) or metres (pose) that 1.0 is;
    turn_scale: radians that 1.0 of a rotation is. limit: values are cut to ± this before they are scaled. closed, open: as in a
    state; threshold: the server's value on whose open side a hand is wholly open and else wholly closed. turn: as in a state.
    """

    what: Literal["joints", "pose", "hand", "unused"]
    group: str = ""
    key: str = "actions"
    keys: list[str] = field(default_factory=list)
    reference: Literal["absolute", "observation", "previous"] = "absolute"
    rotation: Literal["quaternion_xyzw", "quaternion_wxyz", "rotation_vector", "rpy", "six_columns", "six_rows"] = (
        "quaternion_xyzw"
    )
    axes: Literal["base", "tool"] = "base"
    scale: Positive = 1.0
    turn_scale: Positive = 1.0
    limit: Positive | None = None
    closed: End = 0.0
    open: End = 1.0
    threshold: End | None = None
    turn: list[Angle] | None = None
    width: Annotated[int, Range(0, 1000)] = 0

    def __post_init__(self):
        if (self.what == "unused") != (self.width > 0) or (self.what == "unused") == bool(self.group):
            raise ValueError("'unused' wants a width and no group; joints, pose and hand want a group and no width")
        if self.what in ("hand", "unused") and self.reference != "absolute":
            raise ValueError(f"{self.what} with reference '{self.reference}'; allowed: absolute")
        if self.turn_scale != 1.0 and self.rotation not in ("rotation_vector", "rpy"):
            raise ValueError(f"turn_scale with rotation {self.rotation}; allowed: with rotation_vector and rpy")
        if self.keys and self.key != "actions":
            raise ValueError("key together with keys; allowed: one of them")
        _check_ends(self.closed, self.open)
        _check_turn(self.turn, self.what == "pose" and self.reference == "absolute")

    def read(self) -> list[str]:
        """Keys of the answer that it reads."""
        return self.keys or [self.key]


@dataclass(frozen=True)
class Mapping:
    """A policy behind a socket.

    rate: Hz of the steps of a chunk; step 0 is due 1 / rate after the observation. horizon: steps of an answer, without it any
    number. period: seconds of ROS time between requests. timeout: wall seconds for an answer. prompt: key of the instruction.
    dtype: of state vectors. prefix: keys <prefix>/<group>/poses and /hand carry what motion has committed to. history: seconds
    before the observation of the images that are sent with it, oldest first (groot alone).
    """

    protocol: Literal["openpi", "groot"]
    rate: Positive
    period: Annotated[float, Range(above=0, high=60)]
    prompt: str
    cameras: dict[str, CameraKeys]
    state: dict[str, list[StatePart]]
    actions: list[ActionPart]
    horizon: Annotated[int, Range(1, 1000)] | None = None
    timeout: Annotated[float, Range(above=0, high=600)] = 2.0
    dtype: Literal["float32", "float64"] = "float32"
    prefix: str = ""
    history: list[Annotated[float, Range(above=0, high=60)]] = field(default_factory=list)

    def __post_init__(self):
        if not self.cameras:
            raise ValueError("cameras is empty; allowed: at least one")
        if self.protocol == "groot" and (
            self.dtype != "float32" or self.prefix or any(_depth(c) for c in self.cameras.values())
        ):
            raise ValueError(
                "groot with dtype float64, a prefix, depth, intrinsics or extrinsics; allowed: colour and float32"
            )
        ordered = sorted(self.history, reverse=True) == self.history
        if self.history and (self.protocol != "groot" or not ordered):
            raise ValueError(f"history {self.history}; allowed: seconds above 0, oldest first, protocol groot alone")
        keys = [k for c in self.cameras.values() for k in (c.color, c.depth, c.intrinsics, c.extrinsics) if k]
        keys += [*self.state, self.prompt]
        if "" in keys or (self.protocol == "openpi" and len(set(keys)) < len(keys)):
            raise ValueError(f"an empty key or one that stands twice: {', '.join(keys)}")
        moved = [(p.group, p.what) for p in self.actions if p.group]
        if len(set(moved)) < len(moved) or any((g, "joints") in moved and (g, "pose") in moved for g, _ in moved):
            raise ValueError("actions: a group is moved twice; allowed: joints or pose once, and hand once")
        read = [key for part in self.actions for key in part.read()]
        if shared := [key for part in self.actions for key in part.keys if read.count(key) > 1]:
            raise ValueError(f"actions: keys: '{shared[0]}' is read twice; allowed: once, where it is one of several")
        if not any(what in ("joints", "pose") for _, what in moved):
            raise ValueError("actions move nothing; allowed: at least one part with what: joints or pose")

    def keys(self) -> list[str]:
        """What is sent with every observation, without a prefix."""
        cameras = [k for c in self.cameras.values() for k in (c.color, c.depth, c.intrinsics, c.extrinsics) if k]
        return [*cameras, *self.state, self.prompt]

    def check(self, robot: Robot) -> None:
        """Raises VipaError if `robot` lacks a group, hand or camera that is named."""
        groups, cameras = {g.name: g for g in robot.groups}, [c.name for c in robot.cameras]
        for camera in self.cameras:
            if camera not in cameras:
                raise VipaError(f"looks through camera '{camera}'; robot '{robot.name}' has: {', '.join(cameras)}")
        for part in [*(p for parts in self.state.values() for p in parts), *(p for p in self.actions if p.group)]:
            what = part.what if isinstance(part, ActionPart) else part.quantity
            if part.group not in groups:
                raise VipaError(f"{what} of group '{part.group}'; robot '{robot.name}' has: {', '.join(groups)}")
            group = groups[part.group]
            if what == "hand" and group.hand is None:
                raise VipaError(f"hand of group '{part.group}'; on robot '{robot.name}' it has none")
            if isinstance(part, StatePart) and part.columns is not None and what in ("positions", "velocities", "hand"):
                width = len(group.hand.joints if what == "hand" else group.joints)
                if max(part.columns) >= width:
                    raise VipaError(f"columns {part.columns} of {what} of '{part.group}'; allowed: 0 to {width - 1}")
            if what in ("pose", "wrench") and group.kind != "arm":
                raise VipaError(f"{what} of group '{part.group}', which is a {group.kind}; allowed: of an arm")


def action_width(part: ActionPart, group: Group | None) -> int:
    """Columns that `part` takes."""
    if part.what == "unused":
        return part.width
    if part.what == "pose":
        return 3 + ROTATIONS[part.rotation]
    return len(group.joints) if part.what == "joints" else len(group.hand.joints)


def load_mapping(name: str) -> Mapping:
    """The file `name` (a name in config/policies or a path). Raises VipaError."""
    return config.load(resources.find("config/policies", name), Mapping)


def _depth(camera: CameraKeys) -> bool:
    return bool(camera.depth or camera.intrinsics or camera.extrinsics)


def _check_ends(closed, opened):
    if closed == opened:
        raise ValueError(f"closed and open are both {closed:g}; allowed: two different values")


def _check_turn(turn, possible):
    if turn is not None and (len(turn) != 3 or not possible):
        raise ValueError("turn; allowed: [roll, pitch, yaw] with the rotation of an absolute pose")
