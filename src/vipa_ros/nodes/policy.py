"""Node `policy`: a VIPA-VLA checkpoint, or a policy that somebody serves, as commander.

Parameters: robot, task (names or paths); checkpoint (folder) or remote (NAME@HOST[:PORT]); of a checkpoint: runtime
(onnxruntime|torch), precision (fp32|int8|bf16, empty: the best fit), device (auto|cpu|cuda), period (seconds of ROS time
between steps, default 0.8); delay (seconds of ROS time from what it sees until its answer is sent, at least; default 0); compressed (bool: looks at the pictures of node
`compressor`).
"""

from vipa.commanders.inference import InferenceOptions
from vipa.commanders.policy.commander import PolicyCommander, load_policy
from vipa.commanders.policy.first_answer import ask_once
from vipa.commanders.policy.remote import connect
from vipa.errors import VipaError
from vipa.robot.description import load_robot
from vipa.tasks.task import load_task
from vipa_ros.cameras.reader import CameraReader
from vipa_ros.commanders.async_commander_node import AsyncCommanderNode
from vipa_ros.common import node


def make(self: AsyncCommanderNode):
    """The policy for the node's robot and task, and how it looks."""
    robot = load_robot(node.parameter(self, "robot", str))
    task = load_task(node.parameter(self, "task", str))
    checkpoint, remote = node.parameter(self, "checkpoint", ""), node.parameter(self, "remote", "")
    runtime, precision = node.parameter(self, "runtime", "onnxruntime"), node.parameter(self, "precision", "")
    device, period = node.parameter(self, "device", "auto"), node.parameter(self, "period", 0.8)
    self.delay_ns = round(1e9 * node.parameter(self, "delay", 0.0))
    if bool(checkpoint) == bool(remote):
        raise VipaError("policy: parameters 'checkpoint' and 'remote'; allowed: one of them")
    if remote:
        commander = connect(robot, remote, task.instruction)
    else:
        commander = PolicyCommander(
            robot, load_policy(checkpoint, InferenceOptions(runtime, precision, device)), period
        )
        commander.check_instruction(task.instruction)
        ask_once(commander, robot, task.instruction)
    simulated = self.get_parameter("use_sim_time").value
    compressed = node.parameter(self, "compressed", False)
    return (
        robot,
        commander,
        CameraReader(self, robot, commander.cameras, task.instruction, simulated, compressed).observe,
    )


def main():
    node.run(lambda: AsyncCommanderNode("policy", make))


if __name__ == "__main__":
    main()
