"""ContactSpeed: the tool is slow where contact is expected: while a force is wanted, and near what the task lets an arm touch."""

from collections.abc import Iterable
from dataclasses import replace

from vipa.robot.description import Robot

CONTACT_NEAR_M = 0.05  # metres of an opened pair within which contact is expected
CONTACT_LEAVE_M = 0.02  # metres beyond CONTACT_NEAR_M until it is not any more


class ContactSpeed:
    """arms: those whose tool is bounded by its contact_speed now. A pair that is opened and near bounds all of them."""

    def __init__(self, robot: Robot):
        self._all = frozenset(g.name for g in robot.arms)
        self.arms: frozenset[str] = frozenset()
        self._near = False

    def take(self, pressing: Iterable[str], distance: float) -> bool:
        """Brings `arms` up to date; returns whether they have changed. pressing: arms of which a force is wanted. distance: metres, of
        the nearest pair that the task opened; inf: there is none."""
        self._near = distance < CONTACT_NEAR_M + (CONTACT_LEAVE_M if self._near else 0.0)
        before, self.arms = self.arms, self._all if self._near else frozenset(pressing)
        return self.arms != before

    def apply(self, robot: Robot) -> Robot:
        """`robot` with the speeds of now."""
        slow = [
            replace(g, tool_speed=min(g.tool_speed, g.contact_speed)) if g.name in self.arms else g
            for g in robot.groups
        ]
        return replace(robot, groups=slow)
