"""Which contacts a task may open: bounded by the robot's file, whatever the names that are asked for."""

from collections.abc import Collection, Iterable, Sequence
from itertools import islice
from xml.etree import ElementTree

from vipa.robot import urdf
from vipa.robot.description import FINGERS, FIXTURES, TOOL, Robot

MAX_PAIRS = 32  # contacts that are open at once
MAX_NAME = 64  # characters of a name
KINDS = (FINGERS, TOOL, FIXTURES)


class Contacts:
    """What the names in allowed contacts stand for on one robot, and what of it the robot's file lets a task open.

    Raises VipaError for a URDF that cannot be read.
    """

    def __init__(self, robot: Robot):
        self.links = frozenset(link.get("name") for link in ElementTree.fromstring(urdf.read(robot)).iter("link"))
        self.fingers = frozenset(link for g in robot.groups if g.hand for link in g.hand.fingers)
        self._may = [tuple(pair) for pair in robot.may_touch]

    def taken(self, name: str, fixtures: Collection[str] = ()) -> str:
        """'' if a box may be called `name`, else why not: a name that stands for something else would open that."""
        if not name or len(name) > MAX_NAME or "|" in name or not name.isprintable() or name != name.strip():
            return f"name '{name[:MAX_NAME]}'; allowed: 1 to {MAX_NAME} printable characters, no |"
        if name in KINDS or name in self.links or name in fixtures:
            kind = "a link" if name in self.links else "a fixture" if name in fixtures else "a kind of things"
            return f"name '{name}' is that of {kind}; allowed: one of its own"
        return ""

    def refusal(self, pairs: Iterable[Sequence[str]], fixtures: Collection[str], tools: Collection[str]) -> str:
        """'' if a task may open the `pairs` of names, else which it may not and what is allowed. What is neither link, fixture
        nor tool is an object of the scene: nobody keeps clear of those."""
        for count, pair in enumerate(islice(pairs, MAX_PAIRS + 1), 1):
            if count > MAX_PAIRS:
                return f"more than {MAX_PAIRS} contacts; allowed: {MAX_PAIRS}"
            if len(pair) != 2 or any(len(name) > MAX_NAME for name in pair):
                return f"contact {'|'.join(pair)[: 2 * MAX_NAME]}; allowed: two names of up to {MAX_NAME} characters"
            first, second = (self._kinds(name, fixtures, tools) for name in pair)
            if not any((a in first and b in second) or (a in second and b in first) for a, b in self._may):
                may = ", ".join("|".join(p) for p in self._may) or "none"
                return (
                    f"contact {'|'.join(pair)}; allowed by the robot's file: {may} (and objects in place of fixtures)"
                )
        return ""

    def _kinds(self, name: str, fixtures: Collection[str], tools: Collection[str]) -> set[str]:
        """What `may_touch` may call the thing `name`."""
        if name == FINGERS or name in self.fingers:
            return {FINGERS, name}
        if name in self.links:
            return {name}
        return {TOOL, name} if name in tools else {FIXTURES, name}
