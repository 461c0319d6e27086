"""The nodes around a robot's own driver, as processes, against stand-ins that behave as franka_ros2's, ur_robot_driver's and
ros2_control's sources say; and homing in the simulated cell."""

import itertools
import signal
import threading

import numpy as np
import pytest
from control_msgs.action import GripperCommand
from controller_manager_msgs.msg import ControllerState
from controller_manager_msgs.srv import ListControllers, SwitchController
from franka_msgs.action import ErrorRecovery
from franka_msgs.msg import FrankaRobotState
from rcl_interfaces.msg import ParameterValue
from rcl_interfaces.srv import GetParameters
from rclpy.action import ActionServer
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint
from ur_dashboard_msgs.msg import RobotMode, SafetyMode
from vipa_msgs.msg import ActionChunk, MotionStatus, RobotStatus, SafetyStatus
from vipa_msgs.srv import EStop, SetAuthority

from helpers.graph_world import WALL, World
from helpers.meeting import meet
from vipa.drivers.controllers import TYPE
from vipa.motion.chunk import GroupAction
from vipa.recording import topics
from vipa.robot.description import load_robot
from vipa_ros.bringup.process import ProcessSpec
from vipa_ros.common import convert
from vipa_ros.common.qos import PROFILES
from vipa_ros.robot.driver_wires import LATCHED

pytestmark = pytest.mark.graph
ARM, JOINTS = "arm_controller", load_robot("fr3_single").groups[0].joints


class ControllerManager:
    """ros2_control's services: lists and, strictly, activates. Nothing is activated while the hardware is in error. And its
    controllers' own: their parameters, of which one that does not exist is answered with nothing, as rclcpp does. joints: of every
    one of its trajectory controllers."""

    def __init__(self, world, controllers, joints, **parameters):
        self.states, self.healthy, self.joints = dict.fromkeys(controllers, "active"), True, joints
        self.parameters = parameters or {"interpolate_from_desired_state": True}
        for name in controllers:
            world.node.create_service(GetParameters, f"/{name}/get_parameters", self.get)
        world.node.create_service(ListControllers, "/controller_manager/list_controllers", self.list)
        world.node.create_service(SwitchController, "/controller_manager/switch_controller", self.switch)

    def list(self, request, response):
        interfaces = [f"{joint}/position" for joint in self.joints]
        response.controller = [
            ControllerState(name=name, state=state, type=TYPE, required_command_interfaces=interfaces)
            for name, state in self.states.items()
        ]
        return response

    def get(self, request, response):
        if set(request.names) <= set(self.parameters):
            response.values = [
                ParameterValue(type=1, bool_value=value)
                if isinstance(value, bool)
                else ParameterValue(type=3, double_value=value)
                for value in map(self.parameters.__getitem__, request.names)
            ]
        return response

    def switch(self, request, response):
        known = set(request.activate_controllers) <= set(self.states)
        response.ok = self.healthy and known and request.strictness == request.STRICT
        if response.ok:
            self.states |= dict.fromkeys(request.activate_controllers, "active")
        return response


class Safety:
    """What the robot node sees of motion: armed, until it is stopped, said again and again."""

    def __init__(self, world):
        self.reasons = []
        self.status = world.node.create_publisher(SafetyStatus, topics.SAFETY_STATUS, PROFILES["latched"])
        world.node.create_service(EStop, topics.ESTOP, self.stop)
        self.arm()
        world.node.create_timer(0.04, lambda: self.status.publish(SafetyStatus(armed=self.armed)))

    def arm(self):
        self.armed = True

    def stop(self, request, response):
        self.reasons.append(request.reason)
        self.armed = False
        response.stopped = True
        return response


class Franka:
    """franka_ros2: the broadcaster's stream; error recovery, which fails while the stop button is pressed, leaves the mode idle,
    and the controllers inactive since the reflex."""

    def __init__(self, world, manager):
        self.manager, self.mode, self.recovered = manager, FrankaRobotState.ROBOT_MODE_IDLE, 0
        self.states = world.node.create_publisher(FrankaRobotState, "/franka_robot_state_broadcaster/robot_state", 10)
        world.node.create_timer(0.01, self.publish)
        self.server = ActionServer(world.node, ErrorRecovery, "/action_server/error_recovery", self.recover)

    def publish(self):
        msg = FrankaRobotState(robot_mode=self.mode)
        msg.current_errors.cartesian_reflex = self.mode == FrankaRobotState.ROBOT_MODE_REFLEX
        self.states.publish(msg)

    def fall(self, mode):
        self.mode, self.manager.healthy = mode, False
        self.manager.states[ARM] = "inactive"

    def recover(self, handle):
        self.recovered += 1
        if self.mode == FrankaRobotState.ROBOT_MODE_USER_STOPPED:
            handle.abort()
        else:
            self.mode, self.manager.healthy = FrankaRobotState.ROBOT_MODE_IDLE, True
            handle.succeed()
        return ErrorRecovery.Result()


@pytest.fixture
def world(tmp_path, request):
    with pytest.MonkeyPatch.context() as patch, World(tmp_path, request.param, patch) as world:
        yield world


def robot_node(driver):
    return [ProcessSpec("robot", "robot", {"robot": "fr3_single", "driver": driver})]


@pytest.mark.parametrize("world", [robot_node("franka")], indirect=True)
def test_a_franka_reflex_stops_motion_until_it_is_recovered_and_its_controller_is_active(world):
    manager = ControllerManager(world, [ARM], JOINTS)
    robot, safety = Franka(world, manager), Safety(world)
    status = world.newest(RobotStatus, topics.ROBOT_STATUS, PROFILES["latched"])
    world.wait(lambda: status and status[0].ready, "ready")
    safety.arm()
    robot.fall(FrankaRobotState.ROBOT_MODE_REFLEX)
    count = len(safety.reasons)
    world.wait(lambda: len(safety.reasons) > count and "cartesian_reflex" in safety.reasons[-1], "a stop of motion")
    count = len(safety.reasons)
    safety.arm()  # somebody re-arms motion although the robot is not ready
    world.wait(lambda: len(safety.reasons) > count, "another stop")
    assert robot.recovered == 0  # never by itself
    answer = world.call(Trigger, topics.RECOVER, Trigger.Request())
    assert answer.success and robot.recovered == 1 and manager.states[ARM] == "active", answer.message
    world.wait(lambda: status[0].ready, "ready")
    robot.fall(FrankaRobotState.ROBOT_MODE_USER_STOPPED)
    world.wait(lambda: status[0].estop, "the hardware stop")
    answer = world.call(Trigger, topics.RECOVER, Trigger.Request())
    assert not answer.success and "release it" in answer.message


@pytest.mark.parametrize("world", [robot_node("franka")], indirect=True)
def test_motion_is_refused_with_controllers_that_it_cannot_command(world):
    manager = ControllerManager(world, [ARM], JOINTS, interpolate_from_desired_state=False, open_loop_control=False)
    robot, safety = Franka(world, manager), Safety(world)
    wrong = f"{ARM}: interpolate_from_desired_state is false; allowed: true"
    status = world.newest(RobotStatus, topics.ROBOT_STATUS, PROFILES["latched"])
    world.wait(lambda: status and status[0].message == wrong, "the reason")
    count = len(safety.reasons)
    safety.arm()
    world.wait(lambda: len(safety.reasons) > count and wrong in safety.reasons[-1], "a stop of motion")
    # loaded again as it must be, in the way of an elder controller
    manager.states[ARM] = "inactive"
    world.wait(lambda: status and "is inactive" in status[0].message, "an inactive controller")
    manager.parameters = {"open_loop_control": True, "constraints.fr3_joint2.trajectory": 0.05}
    manager.states[ARM] = "active"
    tight = f"{ARM}: constraints.fr3_joint2.trajectory is 0.05; allowed: 0, or 0.15 and more"
    world.wait(lambda: status[0].message == tight, "a tight tolerance")
    manager.states[ARM] = "inactive"
    world.wait(lambda: "is inactive" in status[0].message, "an inactive controller")
    manager.parameters = {"open_loop_control": True, "constraints.fr3_joint2.trajectory": 0.2}
    manager.states[ARM] = "active"
    world.wait(lambda: status[0].ready, "ready")
    manager.joints = JOINTS[:-1]
    world.wait(
        lambda: status[0].message == f"{ARM} does not command fr3_joint7; allowed: all joints of the robot file",
        "another arm's",
    )
    manager.joints = JOINTS
    world.wait(lambda: status[0].ready, "ready")
    assert robot.recovered == 0


def seconds(status):
    return status.header.stamp.sec + status.header.stamp.nanosec / 1e9


@pytest.mark.parametrize("world", [robot_node("franka")], indirect=True)
def test_motion_is_not_stopped_while_the_robot_has_not_been_asked_yet(world):
    safety = Safety(world)
    status = world.newest(RobotStatus, topics.ROBOT_STATUS, PROFILES["latched"])
    world.wait(lambda: status and not status[0].ready, "its first word")
    first = seconds(status[0])
    world.wait(lambda: seconds(status[0]) > first + 2.0, "more of them")
    manager = ControllerManager(world, [ARM], JOINTS)
    robot = Franka(world, manager)
    world.wait(lambda: status[0].ready, "ready")
    assert not safety.reasons
    robot.fall(FrankaRobotState.ROBOT_MODE_REFLEX)
    world.wait(lambda: safety.reasons, "a stop of motion")


@pytest.mark.parametrize("world", [robot_node("franka")], indirect=True)
def test_a_commander_is_stopped_at_once_where_the_robot_has_not_answered_yet(world):
    safety = Safety(world)
    motion = world.node.create_publisher(MotionStatus, topics.MOTION_STATUS, PROFILES["stream"])
    world.node.create_timer(0.05, lambda: motion.publish(MotionStatus(authority="teleop")))
    world.wait(lambda: safety.reasons and "no state of the Franka robot" in safety.reasons[-1], "a stop of motion")


class UrRobot:
    """ur_robot_driver: latched modes on change; dashboard services that refuse where the robot would."""

    def __init__(self, world):
        node = world.node
        self.robot, self.safety, self.program = RobotMode.POWER_OFF, SafetyMode.NORMAL, False
        self.asked = []
        name = "/io_and_status_controller"
        self.publishers = (node.create_publisher(RobotMode, f"{name}/robot_mode", LATCHED),
                           node.create_publisher(SafetyMode, f"{name}/safety_mode", LATCHED),
                           node.create_publisher(Bool, f"{name}/robot_program_running", LATCHED))  # fmt: skip
        for service in ("power_on", "brake_release", "unlock_protective_stop", "restart_safety"):
            node.create_service(Trigger, f"/dashboard_client/{service}", lambda q, a, s=service: self.act(s, a))
        node.create_service(Trigger, f"{name}/resend_robot_program", lambda q, a: self.act("resend_robot_program", a))
        self.tell()

    def tell(self):
        for publisher, msg in zip(
            self.publishers, (RobotMode(mode=self.robot), SafetyMode(mode=self.safety), Bool(data=self.program))
        ):
            publisher.publish(msg)

    def fall(self, safety):
        self.safety, self.program = safety, False
        self.tell()

    def act(self, service, answer):
        self.asked.append(service)
        answer.success = True
        if service == "power_on" and self.robot == RobotMode.POWER_OFF:
            self.robot = RobotMode.IDLE
        elif service == "brake_release" and self.robot == RobotMode.IDLE:
            self.robot = RobotMode.RUNNING
        elif service == "unlock_protective_stop" and self.safety == SafetyMode.PROTECTIVE_STOP:
            self.safety = SafetyMode.NORMAL
        elif service == "resend_robot_program" and self.robot == RobotMode.RUNNING:
            self.program = True
        else:
            answer.success, answer.message = False, "not allowed in this state"
        self.tell()
        return answer


@pytest.mark.parametrize("world", [robot_node("ur")], indirect=True)
def test_a_ur_is_powered_and_its_protective_stop_unlocked_and_its_button_is_a_persons(world):
    ControllerManager(world, [ARM], JOINTS)
    robot, safety = UrRobot(world), Safety(world)
    status = world.newest(RobotStatus, topics.ROBOT_STATUS, PROFILES["latched"])
    world.wait(lambda: status and "power off" in status[0].mode and not status[0].ready, "its state")
    answer = world.call(Trigger, topics.RECOVER, Trigger.Request())
    assert answer.success, answer.message
    assert robot.asked == ["power_on", "brake_release", "resend_robot_program"]
    world.wait(lambda: status[0].ready, "ready")
    safety.arm()
    robot.fall(SafetyMode.PROTECTIVE_STOP)
    world.wait(lambda: status[0].estop and "protective stop" in (safety.reasons or [""])[-1], "a stop of motion")
    assert world.call(Trigger, topics.RECOVER, Trigger.Request()).success
    assert robot.asked[3:] == ["unlock_protective_stop", "resend_robot_program"]
    robot.fall(SafetyMode.ROBOT_EMERGENCY_STOP)
    world.wait(lambda: status[0].estop, "the hardware stop")
    answer = world.call(Trigger, topics.RECOVER, Trigger.Request())
    assert not answer.success and "release it by hand" in answer.message and len(robot.asked) == 5


@pytest.mark.parametrize("world", [[ProcessSpec("gripper", "gripper", {"robot": "fr3_single"})]], indirect=True)
def test_a_gripper_behind_an_action_gets_the_last_target(world):
    goals, release = [], threading.Event()

    def grip(handle):
        goals.append((handle.request.command.position, handle.request.command.max_effort))
        release.wait(WALL)
        handle.succeed()
        return GripperCommand.Result(reached_goal=True)

    server = ActionServer(world.node, GripperCommand, "/franka_gripper/gripper_action", grip)
    commands = world.node.create_publisher(JointTrajectory, topics.command_topic("hand_controller"), PROFILES["stream"])

    def command(position):
        commands.publish(
            JointTrajectory(joint_names=["fr3_finger_joint1"], points=[JointTrajectoryPoint(positions=[position])])
        )

    def until(condition, position, what):
        world.wait(lambda: command(position) or condition(), what)

    positions = itertools.cycle([0.04, 0.03])  # the first that arrives is where the gripper is
    world.wait(lambda: command(next(positions)) or goals, "a goal")
    for position in (0.02, 0.01, 0.0):
        command(position)
    release.set()
    until(lambda: len(goals) > 1 and goals[-1][0] == 0.0, 0.0, "the last target")
    assert all(effort == 40.0 for _, effort in goals)
    server.destroy()


CELL = {"robot": "fr3_single", "task": "put_three_obj", "use_sim_time": True}
HOME_GRAPH = [ProcessSpec("sim", "sim", {**CELL, "cameras": False, "speed": 0.0}), ProcessSpec("motion", "motion", CELL),
              ProcessSpec("planner", "planner", CELL), ProcessSpec("robot", "robot", {"robot": "fr3_single", "use_sim_time": True})]  # fmt: skip


def sent_away(world):
    """The arm is away from home, by commander `test`, who has the authority: newest motion status, and a function: how far from home it is."""
    robot = load_robot("fr3_single")
    status = world.newest(MotionStatus, topics.MOTION_STATUS, PROFILES["stream"])
    states = world.newest(JointState, topics.JOINT_STATES, PROFILES["stream"])
    chunks = world.node.create_publisher(ActionChunk, topics.ACTION_CHUNK, PROFILES["stream"])
    world.wait(lambda: status and status[0].joint_state_age >= 0 and status[0].mode == 0, "motion")
    taken = SetAuthority.Request(commander_id="test", requester_id="test")
    assert world.call(SetAuthority, topics.SET_AUTHORITY, taken).granted
    home, joints = np.array(robot.groups[0].home), tuple(robot.groups[0].joints)
    away = home + [1.1, 0.3, 0.2, 0.3, 0.0, 0.2, 0.5]
    world.wait(
        lambda: chunks.get_subscription_count() == 1,
        lambda: f"one to hear chunks: {chunks.get_subscription_count()} do",
    )
    world.wait(lambda: states, "joint states")
    world.wait(lambda: status[0].authority == "test", lambda: f"the authority: {status[0]}")
    sent = itertools.count(1)

    def position():
        state = dict(zip(states[0].name, states[0].position))
        return np.array([state[j] for j in joints])

    def distance():
        return np.abs(position() - home).max()

    def gone():
        """Whether the arm is away. At rest before that it is sent on: a hold has made the chunk before void."""
        at_rest = status[0].mode == MotionStatus.HOLDING and status[0].executing_step < 0
        if at_rest and distance() <= 1.0:
            now, here = convert.time_ns(status[0].header.stamp), position()
            steps = np.linspace(here, away, 2 + round(60 * np.abs(away - here).max()))[1:]
            action = GroupAction("arm", joint_names=joints, joints=steps)
            asked = convert.ActionChunk("test", status[0].epoch, next(sent), now, now, 0.05, (action,))
            chunks.publish(convert.chunk_msg(asked))
        return at_rest and distance() > 1.0

    world.wait(gone, "the arm to be away")
    return status, distance


def let_go(world, status):
    world.call(SetAuthority, topics.SET_AUTHORITY, SetAuthority.Request(requester_id="test"))
    world.wait(lambda: status[0].authority == "", "the authority to be free")


@pytest.mark.parametrize("world", [HOME_GRAPH], indirect=True)
def test_home_brings_the_arm_home_around_what_stands_there(world):
    status, distance = sent_away(world)
    refused = world.call(Trigger, topics.HOME, Trigger.Request())
    assert not refused.success and "'test' has the authority" in refused.message
    let_go(world, status)
    answer = world.call(Trigger, topics.HOME, Trigger.Request())
    assert answer.success, answer.message
    assert distance() < 0.02
    world.wait(lambda: status[0].authority == "", "the authority to be free again")


def going_home(world, status):
    """The answer to come of a homing that moves."""
    let_go(world, status)
    home = world.node.create_client(Trigger, topics.HOME)
    world.wait(home.service_is_ready, topics.HOME)
    meet(world.node, "robot", world.wait)
    answer = home.call_async(Trigger.Request())
    moving = lambda: status[0].authority == "home" and status[0].mode == MotionStatus.EXECUTING  # noqa: E731
    world.wait(lambda: moving() or answer.done(), "the arm to go home")
    assert not answer.done(), answer.result()
    return answer


@pytest.mark.parametrize("world", [HOME_GRAPH], indirect=True)
def test_homing_says_that_motion_fell_silent_and_leaves_it_the_authority_s_end(world):
    status, _ = sent_away(world)
    answer = going_home(world, status)
    motion = world.supervisor.processes["motion"]
    motion.send_signal(signal.SIGSTOP)
    try:
        world.wait(answer.done, "an answer")
    finally:
        motion.send_signal(signal.SIGCONT)
    assert answer.result().message.startswith("homing: nothing heard from motion for 4."), answer.result()
    world.wait(lambda: status[0].authority == "", "the authority to be free")


@pytest.mark.parametrize("world", [HOME_GRAPH], indirect=True)
def test_a_robot_node_that_ends_in_the_middle_of_homing_gives_the_authority_back(world):
    status, _ = sent_away(world)
    going_home(world, status)
    node = world.supervisor.processes.pop("robot")
    node.send_signal(signal.SIGINT)
    world.wait(lambda: status[0].authority == "", "the authority to be free")
    assert node.wait(WALL) == 0
    said = world.supervisor.last_lines("robot")
    assert not [line for line in said if "Traceback" in line or "GeneratorExit" in line], said
