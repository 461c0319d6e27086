"""The robot's URDF as text whose numbers have been checked: every reader of it (Pinocchio, MuJoCo, MoveIt) gets the same."""

from xml.etree import ElementTree

from vipa import documents
from vipa.config import FINITE
from vipa.errors import VipaError
from vipa.robot.description import Robot

# attributes that hold numbers, by element
NUMBERS = {
    "origin": ("xyz", "rpy"), "axis": ("xyz",), "mass": ("value",), "inertia": ("ixx", "ixy", "ixz", "iyy", "iyz", "izz"),
    "limit": ("lower", "upper", "effort", "velocity"), "mimic": ("multiplier", "offset"), "box": ("size",),
    "cylinder": ("radius", "length"), "sphere": ("radius",), "capsule": ("radius", "length"), "mesh": ("scale",),
    "dynamics": ("damping", "friction"), "color": ("rgba",),
}  # fmt: skip
POSITIVE = {("mass", "value"), ("box", "size"), ("cylinder", "radius"), ("cylinder", "length"), ("sphere", "radius"),
            ("capsule", "radius"), ("capsule", "length"), ("inertia", "ixx"), ("inertia", "iyy"), ("inertia", "izz")}  # fmt: skip
NOT_NEGATIVE = {
    ("limit", "effort"),
    ("limit", "velocity"),
    ("dynamics", "damping"),
    ("dynamics", "friction"),
    ("color", "rgba"),
}


def read(robot: Robot) -> str:
    """The text of the URDF of `robot`. Raises VipaError for what is no URDF, a number that is not finite or has a sign it may
    not have, and limits whose lower end does not lie below the upper one."""
    path = robot.urdf_path
    text = documents.read_text(path)
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        raise VipaError(f"{path}: not a readable URDF: {error}") from None
    if root.tag != "robot":
        raise VipaError(f"{path}: not a URDF: its root is <{root.tag}>; allowed: <robot>")
    for part in root:
        if part.tag in ("link", "joint", "material"):
            _check_part(part, f"{path}: {part.tag} '{part.get('name')}'")
    return text


def _check_part(part: ElementTree.Element, where: str) -> None:
    for element in part.iter():
        for key in NUMBERS.get(element.tag, ()):
            if key in element.attrib:
                _check_numbers(element, key, f"{where}: {element.tag} {key}")
    limit = part.find("limit")
    if limit is not None and part.get("type") in ("revolute", "prismatic"):
        lower, upper = float(limit.get("lower", 0)), float(limit.get("upper", 0))
        if not lower < upper:
            raise VipaError(f"{where}: limit lower {lower:g}, upper {upper:g}; allowed: lower below upper")


def _check_numbers(element: ElementTree.Element, key: str, where: str) -> None:
    kind = (element.tag, key)
    for text in element.attrib[key].split() or [""]:
        try:
            value = float(text)
        except ValueError:
            raise VipaError(f"{where}: '{text}' is no number") from None
        FINITE.check(value, where)
        if (value < 0 and kind in NOT_NEGATIVE) or (value <= 0 and kind in POSITIVE):
            raise VipaError(f"{where}: {value:g}; allowed: {'above 0' if kind in POSITIVE else '0 or more'}")
