"""Between a robot's own ROS driver and `vipa.drivers`: what it publishes goes in, what leads back to ready goes out."""

import time

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message
from std_msgs.msg import Bool
from std_srvs.srv import Trigger
from vipa_msgs.msg import RobotStatus

from vipa.drivers import franka, franky, ur
from vipa.drivers.driver import Driver, DriverState, NoDriver
from vipa.errors import VipaError, unknown
from vipa.recording import topics
from vipa.robot.description import Robot
from vipa_ros.common.listening import Listener
from vipa_ros.common.services import Services

DRIVER_WAIT_S = 10.0  # wall seconds for a driver to answer
FRANKA_STATE = "/franka_robot_state_broadcaster/robot_state"
FRANKA_RECOVERY = "/action_server/error_recovery"
UR_STATUS, UR_DASHBOARD = "/io_and_status_controller", "/dashboard_client"
NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
LATCHED = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class DriverWires:
    """A make's adapter. driver: with its newest readings after `read`. ros2_control: its controllers are asked for and activated.
    spoken: whether it has said its state."""

    ros2_control = spoken = True

    def __init__(self, driver: Driver):
        self.driver = driver

    def read(self) -> None:
        """Take what has come."""

    async def request(self, name: str) -> str:
        """Ask for what `driver.recovery` named. '' if it was done, else why not."""
        return f"nothing is known of '{name}'"


class FrankaWires(DriverWires):
    """franka_ros2: the state broadcaster's messages come with every control cycle, so only the newest is ever unpacked."""

    def __init__(self, node: Node, services: Services):
        from franka_msgs.action import ErrorRecovery
        from franka_msgs.msg import FrankaRobotState
        from rclpy.action import ActionClient

        super().__init__(franka.Franka())
        self.kind, self.recovery, self.services = FrankaRobotState, ErrorRecovery, services
        self.newest, self.heard = None, 0.0
        self.client = ActionClient(node, ErrorRecovery, FRANKA_RECOVERY)
        Listener(node).on(FrankaRobotState, FRANKA_STATE, self.on_state, NEWEST, raw=True)

    def on_state(self, data):
        self.newest, self.heard = data, time.monotonic()

    @property
    def spoken(self) -> bool:
        return self.driver.mode is not None

    def read(self) -> None:
        self.driver.now = time.monotonic()
        if self.newest is not None:
            msg, self.newest = deserialize_message(self.newest, self.kind), None
            fields = msg.current_errors.get_fields_and_field_types()
            self.driver.mode, self.driver.heard = msg.robot_mode, self.heard
            self.driver.errors = tuple(name for name in fields if getattr(msg.current_errors, name))

    async def request(self, name: str) -> str:
        if not self.client.server_is_ready():
            return f"no action server {FRANKA_RECOVERY}"
        handle = await self.services.within(self.client.send_goal_async(self.recovery.Goal()), DRIVER_WAIT_S)
        if handle is None or not handle.accepted:
            return f"{FRANKA_RECOVERY} refused"
        result = await self.services.within(handle.get_result_async(), DRIVER_WAIT_S)
        return "" if result is not None and result.status == 4 else f"{FRANKA_RECOVERY} failed"  # 4: STATUS_SUCCEEDED


class UrWires(DriverWires):
    """ur_robot_driver: its io_and_status_controller and its dashboard client."""

    def __init__(self, node: Node, services: Services):
        from ur_dashboard_msgs.msg import RobotMode, SafetyMode

        super().__init__(ur.Ur())
        self.services = services
        self.names = {name: f"{UR_DASHBOARD}/{name}" for name in (ur.UNLOCK, ur.RESTART_SAFETY, ur.POWER, ur.BRAKES)}
        self.names[ur.PROGRAM] = f"{UR_STATUS}/{ur.PROGRAM}"
        services.add(dict.fromkeys(self.names.values(), Trigger))
        for topic, kind, take in (("robot_mode", RobotMode, self.on_robot), ("safety_mode", SafetyMode, self.on_safety),
                                  ("robot_program_running", Bool, self.on_program)):  # fmt: skip
            Listener(node).on(kind, f"{UR_STATUS}/{topic}", take, LATCHED)

    def on_robot(self, msg):
        self.driver.robot_mode = msg.mode

    def on_safety(self, msg):
        self.driver.safety_mode = msg.mode

    def on_program(self, msg):
        self.driver.program = msg.data

    @property
    def spoken(self) -> bool:
        return None not in (self.driver.robot_mode, self.driver.safety_mode, self.driver.program)

    async def request(self, name: str) -> str:
        try:
            answer = await self.services.call(self.names[name], Trigger.Request(), DRIVER_WAIT_S)
        except VipaError as error:
            return str(error)
        return "" if answer.success else f"{self.names[name]}: {answer.message or 'refused'}"


class FrankyWires(DriverWires):
    """Our own node `franky`, one an arm, which is controller and driver in one."""

    ros2_control = False

    def __init__(self, node: Node, services: Services, robot: Robot):
        super().__init__(franky.Franky([group.name for group in robot.arms]))
        self.services = services
        services.add({topics.arm_recovery(arm): Trigger for arm in self.driver.arms})
        for arm in self.driver.arms:
            Listener(node).on(
                RobotStatus, topics.arm_status(arm), lambda msg, arm=arm: self.on_status(arm, msg), LATCHED
            )

    def on_status(self, arm, msg):
        said = DriverState(msg.ready, msg.estop, msg.mode, msg.message)
        self.driver.heard[arm] = said, time.monotonic()

    @property
    def spoken(self) -> bool:
        return len(self.driver.heard) == len(self.driver.arms)

    def read(self) -> None:
        self.driver.now = time.monotonic()

    async def request(self, name: str) -> str:
        for arm in self.driver.stopped():
            try:
                answer = await self.services.call(topics.arm_recovery(arm), Trigger.Request(), DRIVER_WAIT_S)
            except VipaError as error:
                return str(error)
            if not answer.success:
                return f"{arm}: {answer.message}"
        return ""


class NoWires(DriverWires):
    """A simulated robot."""

    ros2_control = False


def driver_wires(make: str, node: Node, services: Services, robot: Robot) -> DriverWires:
    """The adapter for robots of `make`. Raises VipaError for one that is unknown or whose messages are not installed."""
    makes = {
        "none": lambda: NoWires(NoDriver()),
        "franka": lambda: FrankaWires(node, services),
        "franky": lambda: FrankyWires(node, services, robot),
        "ur": lambda: UrWires(node, services),
    }
    if make not in makes:
        raise unknown("driver", make, makes)
    try:
        return makes[make]()
    except ImportError as error:
        raise VipaError(f"driver '{make}' wants its messages: {error}") from None
