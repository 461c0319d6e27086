"""What preflight counts as heard is what motion would hear."""

import pytest

pytest.importorskip("rclpy")

import rclpy
from geometry_msgs.msg import WrenchStamped
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState
from vipa_msgs.msg import SafetyStatus

from vipa.recording import topics
from vipa.robot.description import load_robot
from vipa_ros.bringup.environment import Domain
from vipa_ros.common.qos import PROFILES
from vipa_ros.preflight.listening import Ear

ROBOT = load_robot("fr3_single")
ROUNDS = 1000  # of 10 ms at most, after which a message counts as not coming
AFTER = 50  # rounds with writers that have been met


@pytest.fixture
def ear():
    domain, context = Domain(), rclpy.Context()
    rclpy.init(context=context, domain_id=domain.id)
    node = rclpy.create_node("ear", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        made = Ear(node, ROBOT, [], False)
        made.executor = executor
        yield made
    finally:
        context.shutdown()
        domain.release()


def test_a_writer_that_motion_cannot_hear_is_not_heard(ear):
    """Motion reads joint states and wrenches reliably: a writer that is not reliable is none to it."""
    heard, make = ear.heard, ear.node.create_publisher
    careless = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
    wrench, topic = WrenchStamped(), ROBOT.groups[0].wrench_topic
    states = JointState(name=["fr3_joint1"], position=[0.1])
    states.header.stamp.sec = 1
    for how, expected in ((careless, False), (10, True)):
        writers = make(WrenchStamped, topic, how), make(JointState, topics.JOINT_STATES, how)
        # the ear meets writers in the order in which they were made: what is made after them tells that it has met them
        heard.estop = None
        told = make(SafetyStatus, topics.SAFETY_STATUS, PROFILES["latched"])
        met = 0
        for _ in range(ROUNDS):
            for publisher, message in zip((*writers, told), (wrench, states, SafetyStatus()), strict=True):
                publisher.publish(message)
            ear.executor.spin_once(timeout_sec=0.01)
            met += heard.estop is not None
            if heard.wrenches and heard.joints if expected else met > AFTER:
                break
        assert heard.estop is not None
        assert (bool(heard.wrenches), bool(heard.joints)) == (expected, expected)
