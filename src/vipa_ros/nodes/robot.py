"""Node `robot`: what concerns the robot itself: its driver's state, hardware stops, recovery, controllers, homing, reset.

A robot that is not ready, or whose controllers are not those that motion can command, stops motion, and keeps it stopped, until it
is. Recovery and homing happen when asked for, never by themselves.

Parameters: robot (name or path); driver (none|franka|franky|ur); cell (sim|real): in a real one it answers the cell's reset by homing and
tells on /tf_static where the robot file's cameras are.
"""

import json

from controller_manager_msgs.srv import ListControllers, SwitchController
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from std_srvs.srv import Trigger
from tf2_msgs.msg import TFMessage
from vipa_msgs.msg import RobotStatus, SafetyStatus
from vipa_msgs.srv import EStop, ResetCell

from vipa.drivers.controllers import ACTIVE, Controller
from vipa.drivers.driver import with_controllers, with_parameters
from vipa.errors import VipaError
from vipa.recording import topics
from vipa.robot.description import load_robot
from vipa_ros.cameras.mounts import mounts
from vipa_ros.common import node
from vipa_ros.common.listening import Listener
from vipa_ros.common.qos import PROFILES
from vipa_ros.common.services import RETRY_S, Services
from vipa_ros.robot.controller_parameters import ControllerParameters, listed
from vipa_ros.robot.driver_wires import driver_wires
from vipa_ros.robot.homing import Homing

PERIOD_S = 0.05  # wall seconds between two looks at the robot
START_S = 20.0  # wall seconds from the start of this node that driver and controllers may take to answer
LIST, SWITCH = topics.LIST_CONTROLLERS, topics.SWITCH_CONTROLLER
CONTROLLERS_WAIT_S = 5.0  # wall seconds for the controller manager
CONTROLLERS_TIMEOUT_S = 3.0  # wall seconds without its answer after which controllers count as unknown
MAX_RECOVERY_STEPS = 8  # requests that one recovery may make
SETTLE_S = 1.0  # wall seconds for a request to show in what the robot says


class RobotNode(Node):
    """Single thread; services' callbacks await, they never block."""

    def __init__(self):
        super().__init__("robot")
        self.robot = load_robot(node.parameter(self, "robot", str))
        make, cell = node.parameter(self, "driver", "none"), node.parameter(self, "cell", "sim")
        self.services_ = Services(self, {topics.ESTOP: EStop, LIST: ListControllers, SWITCH: SwitchController})
        self.wires = driver_wires(make, self, self.services_, self.robot)
        # ros2_control's own; a hand behind a gripper action has none that this node could ask for
        self.wanted = {g.controller: g.joints for g in self.robot.groups} if self.wires.ros2_control else {}
        self.parameters = ControllerParameters(self.services_, self.wanted)
        self.homing = Homing(self, self.robot, self.services_)
        self.controllers: dict[str, Controller] | None = None if self.wanted else {}
        self.listing, self.since_list, self.since_status = None, CONTROLLERS_TIMEOUT_S, 0.0
        self.armed, self.sent, self.busy, self.since_start, self.answered = False, None, False, 0.0, False
        self.status = self.create_publisher(RobotStatus, topics.ROBOT_STATUS, PROFILES["latched"])
        Listener(self).on(SafetyStatus, topics.SAFETY_STATUS, self.on_safety, PROFILES["latched"])
        group = ReentrantCallbackGroup()
        self.create_service(Trigger, topics.RECOVER, self.on_recover, callback_group=group)
        self.create_service(Trigger, topics.HOME, self.on_home, callback_group=group)
        if cell == "real":
            self.create_service(ResetCell, topics.RESET_CELL, self.on_reset, callback_group=group)
            self.tf_static = self.create_publisher(TFMessage, topics.TF_STATIC, PROFILES["latched"])
            self.tf_static.publish(mounts(self.robot.cameras))
        self.create_timer(PERIOD_S, self.look, clock=node.steady_clock(), callback_group=group)
        self.get_logger().info(f"robot ready: {self.robot.name}, driver {make}")

    def on_safety(self, msg):
        self.armed = msg.armed

    def state(self):
        """The robot's state by the newest readings, with its controllers."""
        self.wires.read()
        state = with_controllers(self.wires.driver.state(), self.controllers, self.wanted)
        return with_parameters(state, self.parameters.known, self.wanted)

    def look(self):
        self.ask_controllers()
        self.parameters.look(self.controllers or {})
        self.answered |= (
            self.wires.spoken and self.controllers is not None and not self.parameters.asking(self.controllers)
        )
        state = self.state()
        self.since_status += PERIOD_S
        self.since_start += PERIOD_S
        if state != self.sent or self.since_status >= 0.5:
            if not state.ready and (self.sent is None or state != self.sent):
                self.get_logger().error(f"the robot is not ready: {state.message}")
            self.sent, self.since_status = state, 0.0
            msg = RobotStatus(ready=state.ready, estop=state.estop, mode=state.mode, message=state.message)
            msg.header.stamp = self.get_clock().now().to_msg()
            self.status.publish(msg)
        heard = self.services_.clients[topics.ESTOP].service_is_ready()
        if not state.ready and self.armed and heard and not self.starting():
            self.armed = False  # until motion says otherwise
            self.services_.send(topics.ESTOP, EStop.Request(reason=f"robot: {state.message}"))

    def starting(self):
        """Whether what has to answer has not yet, and may still. Nothing moves meanwhile: a driver of ours carries commands and joint
        states itself, and with ros2_control nobody has the authority, or this is over."""
        if self.answered or self.since_start >= START_S:
            return False
        motion = self.homing.moves.motion
        return not self.wires.ros2_control or motion is None or not motion.authority

    def ask_controllers(self):
        if not self.wanted:
            return
        self.since_list += PERIOD_S
        if self.listing is not None and self.listing.done():
            answer, self.listing, self.since_list = self.listing.result(), None, 0.0
            if answer is not None:
                self.controllers = listed(answer)
        elif self.listing is None and self.since_list >= 0.2 and self.services_.clients[LIST].service_is_ready():
            self.listing = self.services_.clients[LIST].call_async(ListControllers.Request())
        elif self.since_list > CONTROLLERS_TIMEOUT_S:
            self.controllers, self.listing = None, None
            self.since_list = 0.2

    async def on_recover(self, request, response):
        return await self.once(self.recover, response)

    async def on_home(self, request, response):
        return await self.once(self.homing.home, response)

    async def once(self, act, response):
        """One at a time; a VipaError is the answer."""
        try:
            if self.busy:
                raise VipaError("recovering or homing already")
            self.busy = True
            try:
                await act()
            finally:
                self.busy = False
            response.success = True
        except VipaError as error:
            response.message = str(error)
        return response

    async def recover(self):
        """Asks the driver for what leads to ready, one request after the other, then activates the controllers."""
        for _ in range(MAX_RECOVERY_STEPS):
            self.wires.read()
            request = self.wires.driver.recovery()
            if not request:
                break
            if why := await self.wires.request(request):
                raise VipaError(f"recovery: {why}")
            await self.changed(request)
        state = self.wires.driver.state()
        if not state.ready:
            raise VipaError(f"recovery: {state.message}")
        if not self.wanted:
            return
        listed = await self.services_.call(LIST, ListControllers.Request(), CONTROLLERS_WAIT_S, RETRY_S)
        active = {c.name for c in listed.controller if c.state == ACTIVE}
        idle = [name for name in self.wanted if name not in active]
        if idle:
            answer = await self.services_.call(
                SWITCH,
                SwitchController.Request(activate_controllers=idle, strictness=SwitchController.Request.STRICT),
                CONTROLLERS_WAIT_S,
            )
            if not answer.ok:
                raise VipaError(f"recovery: {SWITCH}: {', '.join(idle)}: {answer.message or 'refused'}")

    async def changed(self, request: str) -> None:
        """Until the robot shows what `request` has done, or SETTLE_S seconds."""
        for _ in range(round(SETTLE_S / PERIOD_S)):
            await self.services_.pause(PERIOD_S)
            self.wires.read()
            if self.wires.driver.recovery() != request:
                return

    async def on_reset(self, request, response):
        """A real cell is reset by homing; the objects are the operator's."""
        await self.services_.until(lambda: not self.starting(), START_S)
        if not (state := self.state()).ready:
            response.message = f"the robot is not ready: {state.message}"
            return response
        response = await self.once(self.homing.home, response)
        card = {"task": request.task, "seed": request.seed, "variant": request.variant}
        card |= {"poses": {}, "scalars": {}, "appearance": {}}
        response.scene_card = json.dumps(card) if response.success else ""
        return response

    def close(self):
        """On the way out, also of an interrupted homing."""
        self.homing.moves.leave()


def main():
    node.run(RobotNode)


if __name__ == "__main__":
    main()
