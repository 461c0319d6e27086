"""Parameters of nodes: read once, of the right type, and not to be set afterwards."""

import pytest

from helpers.ended_node import ended

pytest.importorskip("rclpy")

import rclpy
from rclpy.parameter import Parameter

from vipa.errors import VipaError
from vipa_ros.bringup.process import ProcessSpec
from vipa_ros.common import node


@pytest.fixture
def made():
    """make(arguments) → a node that was started with them."""
    contexts = []

    def make(*arguments):
        context = rclpy.Context()
        rclpy.init(args=["--ros-args", *arguments], context=context)
        contexts.append(context)
        return rclpy.create_node("subject", context=context)

    yield make
    for context in contexts:
        context.try_shutdown()


def test_a_parameter_cannot_be_set_while_the_node_runs(made):
    subject = made("-p", "robot:='fr3_single'")
    assert node.parameter(subject, "robot", str) == "fr3_single" and node.parameter(subject, "seed", 0) == 0
    for name, value in (("robot", "nonsense"), ("seed", 3)):
        (result,) = subject.set_parameters([Parameter(name, value=value)])
        assert not result.successful and "read-only" in result.reason
    assert subject.get_parameter("robot").value == "fr3_single"


@pytest.mark.parametrize("kind", [str, float, int])
def test_one_that_must_be_set_is_named(made, kind):
    with pytest.raises(VipaError, match=rf"subject: parameter 'needed' must be set \({kind.__name__}\)"):
        node.parameter(made(), "needed", kind)


def test_one_of_another_type_is_named(made):
    with pytest.raises(VipaError, match="subject: parameter 'robot': "):
        node.parameter(made("-p", "robot:=3"), "robot", str)
    with pytest.raises(VipaError, match="subject: parameter 'seed': "):
        node.parameter(made("-p", "seed:=text"), "seed", 0)


@pytest.mark.parametrize(
    "executable", ["motion", "sim", "planner", "robot", "gripper", "recorder", "task_manager", "expert", "policy"]
)
def test_every_node_without_a_robot_says_so(executable):
    done = ended(ProcessSpec(executable, executable), 60)
    assert done.returncode == 2
    assert [line for line in done.stderr.splitlines() if line.startswith("error:")] == [
        f"error: {executable}: parameter 'robot' must be set (str)"
    ], done.stderr
    assert "Traceback" not in done.stderr
