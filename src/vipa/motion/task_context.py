"""What the running sub-task allows: contacts, and the shape of a held tool."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from math import pi

from vipa.robot.contacts import MAX_NAME, MAX_PAIRS, Contacts
from vipa.robot.description import Robot
from vipa.robot.fixture import Fixture

MAX_TOOL_M = 0.5  # metres of a held tool's edge, and of its distance from the tool frame
MAX_TOOL_CHARACTERS = MAX_NAME + 9 * 32  # characters of a held tool


@dataclass(frozen=True)
class TaskContext:
    """contacts: pairs of names that may touch. tools: group name to the box that it holds, in its tool frame."""

    contacts: tuple[tuple[str, str], ...] = ()
    tools: dict[str, Fixture] = field(default_factory=dict)

    @classmethod
    def make(
        cls,
        robot: Robot,
        known: Contacts,
        fixtures: Collection[str],
        contacts: Iterable[Sequence[str]],
        held_group: str,
        held_tool: str,
    ) -> tuple["TaskContext", str]:
        """The context and '', or an empty one and why it is refused. fixtures: names of the task's boxes."""
        tools, why = _held(robot, held_group, held_tool)
        if why:
            return cls(), why
        names = [tool.name for tool in tools.values()]
        for name in names:
            if why := known.taken(name, fixtures):
                return cls(), f"held_tool: {why}"
        try:
            pairs = tuple(tuple(map(str, pair)) for pair in islice(contacts, MAX_PAIRS + 1))
        except TypeError as error:
            return cls(), f"allowed_contacts: {error}"
        why = known.refusal(pairs, fixtures, names)
        return (cls(), why) if why else (cls(tuple((a, b) for a, b in pairs), tools), "")


def _held(robot: Robot, group: str, tool: str) -> tuple[dict[str, Fixture], str]:
    if not group and not tool:
        return {}, ""
    arms = [g.name for g in robot.arms]
    group = group or (arms[0] if len(arms) == 1 else "")
    if group not in arms:
        return {}, f"held_group '{group[:MAX_NAME]}'; allowed: {', '.join(arms)}"
    try:
        return {group: parse_tool(tool)}, ""
    except ValueError as error:
        return {}, f"held_tool: {error}"


def parse_tool(text: str) -> Fixture:
    """A held tool's enclosing box: "name sx sy sz [x y z [roll pitch yaw]]", edges and pose in the tool frame, metres, radians.

    Raises ValueError that says what is allowed.
    """
    if len(text) > MAX_TOOL_CHARACTERS:
        raise ValueError(f"{len(text)} characters; allowed: {MAX_TOOL_CHARACTERS}")
    parts = text.split()
    try:
        values = [float(n) for n in parts[1:]]
    except ValueError:
        values = []
    if len(values) not in (3, 6, 9):
        raise ValueError(f"'{text}'; allowed: name sx sy sz [x y z [roll pitch yaw]]")
    size, position, rpy = values[:3], values[3:6] or [0.0] * 3, values[6:9] or [0.0] * 3
    if not all(0 < s <= MAX_TOOL_M for s in size) or not all(abs(p) <= MAX_TOOL_M for p in position):
        raise ValueError(f"'{text}'; allowed: edges above 0, edges and position up to {MAX_TOOL_M} m")
    if not all(abs(angle) <= 2 * pi for angle in rpy):  # also what is no number
        raise ValueError(f"'{text}'; allowed: roll, pitch and yaw within two pi")
    return Fixture(parts[0], position, size, rpy)
