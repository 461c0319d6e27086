"""What the columns of another's LeRobot dataset mean: a YAML file, as those in config/imports/, checked to the last key."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from vipa import config, resources
from vipa.config import Name, Range
from vipa.errors import VipaError, unknown
from vipa.robot.quantities import Point

Place = Annotated[int, Range(0, 10_000)]
End = Annotated[float, Range(-1000, 1000)]  # of a hand, in the dataset's unit
Positive = Annotated[float, Range(above=0, high=1000)]
Rotation = Literal["rotation_vector", "rpy", "quaternion_xyzw", "quaternion_wxyz"]
WIDTHS = {"rotation_vector": 3, "rpy": 3, "quaternion_xyzw": 4, "quaternion_wxyz": 4}
IDENTITY = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]


@dataclass(frozen=True)
class CameraColumn:
    """A camera's pictures. column: a feature of kind video or image. turn: degrees that the pictures are turned by, 0 or 180. intrinsics:
    of the pictures as they are stored, 9 numbers in pixels, row by row; without them they are not known."""

    column: str
    turn: Literal[0, 180] = 0
    intrinsics: list[Annotated[float, Range(-100_000, 100_000)]] | None = None

    def __post_init__(self):
        if self.intrinsics is not None and len(self.intrinsics) != 9:
            raise ValueError(f"intrinsics of {len(self.intrinsics)} numbers; allowed: 9")
        if self.intrinsics is not None and self.turn:
            raise ValueError("intrinsics together with turn; allowed: one of them")


@dataclass(frozen=True)
class Columns:
    """Elements of a vector column, in order; without `elements` all of them."""

    column: str
    elements: list[Place] | None = None


@dataclass(frozen=True)
class PoseColumns(Columns):
    """A pose: position in metres, then a rotation in radians; rpy about fixed axes x, y, z."""

    rotation: Rotation = "rotation_vector"


@dataclass(frozen=True)
class HandColumn:
    """The opening of a hand: `element` of `column`. closed, open: the dataset's numbers for a closed and for an open hand; linear between."""

    column: str
    element: Place = 0
    closed: End = 0.0
    open: End = 1.0

    def __post_init__(self):
        if self.closed == self.open:
            raise ValueError(f"closed and open are both {self.open:g}; allowed: different numbers")


@dataclass(frozen=True)
class ActionColumns(Columns):
    """What an arm was told. kind: "pose" (where the tool goes), "pose_step" (from where it is measured), "joints" (radians, where the
    joints go), "joint_step" (from where they are measured), "next" (no column: what was measured a frame later). rotation: of poses.
    axes: of steps of poses, of the base or of the tool. scale: metres or radians (joints) that 1.0 is; turn_scale: radians that 1.0
    of a rotation is. limit: numbers are cut to ± this before they are scaled."""

    column: str = ""
    kind: Literal["pose", "pose_step", "joints", "joint_step", "next"] = "pose"
    rotation: Rotation = "rotation_vector"
    axes: Literal["base", "tool"] = "base"
    scale: Positive = 1.0
    turn_scale: Positive = 1.0
    limit: Positive | None = None

    def __post_init__(self):
        if (self.kind == "next") == bool(self.column):
            raise ValueError("kind 'next' has no column, and every other kind has one")
        if self.kind == "pose_step" and WIDTHS[self.rotation] == 4:
            raise ValueError(f"steps with rotation {self.rotation}; allowed: rotation_vector, rpy")
        if self.turn_scale != 1.0 and WIDTHS[self.rotation] == 4:
            raise ValueError(f"turn_scale with rotation {self.rotation}; allowed: with rotation_vector and rpy")


@dataclass(frozen=True)
class ArmColumns:
    """An arm. joints: positions in radians. tool_pose: measured; without it forward kinematics of `joints` (then the file names a
    `robot`). hand, hand_action: measured opening, and what was commanded (without it what is measured a frame later). frame: pose
    (xyz, xyzw) of the dataset's frame of poses in the arm's base frame. tool: pose of our tool frame in the dataset's."""

    action: ActionColumns
    name: Name = "arm"
    joints: Columns | None = None
    tool_pose: PoseColumns | None = None
    hand: HandColumn | None = None
    hand_action: HandColumn | None = None
    frame: list[Point] = field(default_factory=lambda: list(IDENTITY))
    tool: list[Point] = field(default_factory=lambda: list(IDENTITY))

    def __post_init__(self):
        if self.joints is None and (self.tool_pose is None or self.action.kind.startswith("joint")):
            raise ValueError("no joints; allowed: with tool_pose, and actions of kind pose, pose_step or next")
        if self.hand is None and self.hand_action is not None:
            raise ValueError("hand_action without hand; allowed: both, or neither")
        for key, pose in (("frame", self.frame), ("tool", self.tool)):
            if len(pose) != 7 or abs(sum(v * v for v in pose[3:]) - 1) > 1e-3:
                raise ValueError(f"{key} {pose}; allowed: x y z qx qy qz qw, the last four of norm 1")


@dataclass(frozen=True)
class ImportMapping:
    """A dataset without our section. cameras: by the name that they get here. robot: one of config/robots/, whose joints, frames and speeds
    are taken and which `vipa dataset check` judges by; without it `robot_type` is but a name. instruction: columns of text, the first
    that is not empty counts; `task` is LeRobot's own. success: a column of 0 and 1; where it is 0 the episode is no success."""

    cameras: dict[str, CameraColumn]
    arms: list[ArmColumns]
    robot: Name | None = None
    robot_type: str = ""
    instruction: list[str] = field(default_factory=lambda: ["task"])
    success: str = ""

    def __post_init__(self):
        names = [arm.name for arm in self.arms]
        if not self.cameras or not names or len(set(names)) != len(names):
            raise ValueError("no camera, no arm, or two arms of one name; allowed: at least one of each, names once")
        if bad := [name for name in self.cameras if not name or "/" in name or "." in name]:
            raise ValueError(f"camera {bad[0]!r}; allowed: a name without '/' and '.'")
        if not self.instruction:
            raise ValueError("instruction is empty; allowed: names of columns, or task")
        if self.robot is None:
            if not self.robot_type:
                raise ValueError("neither robot nor robot_type; allowed: one of them")
            if any(arm.tool_pose is None or arm.action.kind.startswith("joint") for arm in self.arms):
                raise ValueError("poses from joints, and no robot; allowed: with a robot, whose kinematics give them")


def load_mapping(name: str) -> ImportMapping:
    """The mapping in the file `name`, or of that name in config/imports/. Raises VipaError."""
    folder = resources.root() / "config" / "imports"
    there = folder / f"{name}.yaml"
    path = Path(name) if Path(name).suffix else there
    if path == there and not there.is_file():
        raise unknown("mapping", name, [p.stem for p in sorted(folder.glob("*.yaml"))])
    return config.load(path, ImportMapping)


def columns_of(mapping: ImportMapping) -> list[str]:
    """The names of all columns of numbers that the mapping reads."""
    found = [mapping.success]
    for arm in mapping.arms:
        parts = (arm.joints, arm.tool_pose, arm.hand, arm.hand_action, arm.action)
        found += [part.column for part in parts if part is not None]
    return [name for name in dict.fromkeys(found) if name]


def picked(values, part: Columns, width: int | None, where: str):
    """The elements of `part` in its column (T, n). width: how many they must be, None: any. Raises VipaError."""
    elements = list(range(values.shape[1])) if part.elements is None else part.elements
    if beyond := [e for e in elements if e >= values.shape[1]]:
        raise VipaError(f"{where}: {part.column} has no element {beyond[0]}; allowed: 0 to {values.shape[1] - 1}")
    if width is not None and len(elements) != width:
        raise VipaError(f"{where}: {part.column}: {len(elements)} elements; allowed: {width}")
    return values[:, elements].astype(float)
