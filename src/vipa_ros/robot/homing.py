"""Homing: every arm goes home around what stands there, as a commander whose joint chunks were planned."""

from rclpy.node import Node
from vipa_msgs.srv import PlanMotion

from vipa.robot.description import Robot
from vipa_ros.common.services import Services
from vipa_ros.robot.moves import AT_GOAL_RAD, Moves


class Homing:
    """Coroutines on the node's executor."""

    def __init__(self, node: Node, robot: Robot, services: Services):
        self.robot, self.moves = robot, Moves(node, robot, services, "home", "homing")

    async def home(self) -> None:
        """One arm after the other. Refused while a commander holds the authority. Raises VipaError: what stands in the way."""
        await self.moves.held(self._home)

    async def _home(self) -> None:
        for group in self.robot.groups:
            if self.moves.distance(group, group.home) >= AT_GOAL_RAD / 4:
                await self.moves.to(PlanMotion.Request(group=group.name, named="home"))
