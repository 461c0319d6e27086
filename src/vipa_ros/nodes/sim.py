"""Node `sim`: the simulated cell behind the topics of a real one, in lock-step with the motion node.

Parameters: robot, task (names or paths); seed (int), variant (string): initial scene; cameras (bool, default true);
image_width, image_height (pixels, 0: robot file); speed (simulated over wall time at most, 0: as fast as it goes, default
1); following (how the arms follow, see vipa_sim.following.parse; default: as late as the robot file's command_latency); fixed_cameras, camera_noise (bool, default false: see
vipa_sim.cell.SimCell); lockstep (bool, default true).
"""

import dataclasses
import json
import time

import rclpy
from geometry_msgs.msg import WrenchStamped
from rclpy.node import Node
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from tf2_msgs.msg import TFMessage
from trajectory_msgs.msg import JointTrajectory
from vipa_msgs.msg import GroundTruth, MotionStatus
from vipa_msgs.srv import ResetCell

from vipa.errors import VipaError, unknown
from vipa.rates import Every
from vipa.recording import topics
from vipa.robot import urdf
from vipa.robot.description import load_robot
from vipa.tasks.task import load_task
from vipa_ros.cameras.mounts import mounts
from vipa_ros.cameras.publisher import CameraPublisher
from vipa_ros.common import convert, lockstep, node
from vipa_ros.common.listening import Listener
from vipa_ros.common.qos import PROFILES
from vipa_sim import following
from vipa_sim.cell import SimCell

RATES_HZ = {"clock": 50.0, "truth": 20.0, "tf": 20.0, "wrench": 50.0}  # Hz of ROS time


class SimNode(Node):
    """Publishes a tick, waits for the commands that answer it, advances. Everything but rendering on the main thread."""

    def __init__(self):
        super().__init__("sim")
        self.robot = load_robot(node.parameter(self, "robot", str))
        self.task = load_task(node.parameter(self, "task", str))
        size = (node.parameter(self, "image_width", 0), node.parameter(self, "image_height", 0))
        cameras = None if node.parameter(self, "cameras", True) else ()
        self.speed = node.parameter(self, "speed", 1.0)
        self.lockstep = node.parameter(self, "lockstep", True)
        if self.speed < 0:
            raise VipaError("sim: speed must be >= 0")
        self.cell = SimCell(
            self.robot,
            self.task,
            cameras=cameras,
            image_size=size if all(size) else None,
            following=following.asked(node.parameter(self, "following", "")),
            fixed_cameras=node.parameter(self, "fixed_cameras", False),
            camera_noise=node.parameter(self, "camera_noise", False),
            late=True,
        )
        self.cell.reset(node.parameter(self, "seed", 0), node.parameter(self, "variant", ""))

        table = {t.name: t for t in topics.topic_table(self.robot)}

        def publisher(kind, name):
            return self.create_publisher(kind, name, PROFILES[table[name].qos])

        self.clock = publisher(Clock, topics.CLOCK)
        self.joints = publisher(JointState, topics.JOINT_STATES)
        self.truth = publisher(GroundTruth, topics.GROUND_TRUTH)
        self.tf = publisher(TFMessage, topics.TF)
        self.tf_static = publisher(TFMessage, topics.TF_STATIC)
        self.wrenches = {g.name: publisher(WrenchStamped, g.wrench_topic) for g in self.robot.arms}
        start = self.cell.stamp_ns
        self.every = {name: Every(rate, start) for name, rate in RATES_HZ.items()}

        self.controllers = [c for g in self.robot.groups for c in topics.controllers_of(g)]
        self.answered: set[str] = set()
        self.reset_ns = 0
        self.heard = False  # a command came since the last tick
        self.following = False  # commands come: ticks wait for theirs
        self.waiting = lockstep.Waiting()
        self.clock_ns = self.wrench_ns = 0  # of the last that were published
        listen = Listener(self).on
        for controller in self.controllers:
            command, take = topics.command_topic(controller), lambda msg, c=controller: self.on_command(c, msg)
            listen(JointTrajectory, command, take, PROFILES["stream"])
        past = lambda msg: self.waiting.status(convert.time_ns(msg.header.stamp))  # noqa: E731
        listen(MotionStatus, topics.MOTION_STATUS, past, PROFILES["stream"])
        self.create_service(ResetCell, topics.RESET_CELL, self.on_reset)
        self.cameras = CameraPublisher(self, self.cell) if self.cell.cameras else None
        self.tf_static.publish(mounts(self.cell.mounted.values()))
        self.description = publisher(String, topics.ROBOT_DESCRIPTION)  # a real cell has it from robot_state_publisher
        self.description.publish(String(data=urdf.read(self.robot)))
        self.get_logger().info(f"cell ready: {self.task.name}, {self.robot.name}")

    def on_command(self, controller, msg):
        """A command is effective when it comes; as an answer it counts for the tick that its frame_id names (or any)."""
        if msg.header.frame_id.isdigit() and int(msg.header.frame_id) < self.reset_ns:
            return  # for an arm that stands elsewhere since
        try:
            reason = self.cell.command(controller, convert.trajectory(msg))
        except ValueError as error:
            reason = str(error)
        if reason:
            self.get_logger().error(f"{controller}: rejected: {reason}", throttle_duration_sec=1.0)
            return
        self.heard = True
        if msg.header.frame_id in ("", str(self.cell.stamp_ns)):
            self.answered.add(controller)

    def on_reset(self, request, response):
        """A new scene of the task the cell was made for; ROS time goes on."""
        try:
            if request.task not in ("", self.task.name):
                raise VipaError(f"this cell was started for task '{self.task.name}', not '{request.task}'")
            if request.variant and request.variant not in self.task.variants:
                raise unknown("variant", request.variant, self.task.variants)
            card = self.cell.reset(request.seed, request.variant)
            self.reset_ns = self.cell.stamp_ns
            self.tf_static.publish(mounts(self.cell.mounted.values()))
            self.answered.update(self.controllers)  # nobody answers the tick that the reset came into
            response.success, response.scene_card = True, json.dumps(dataclasses.asdict(card))
        except VipaError as error:
            response.success, response.message = False, str(error)
        return response

    def publish_tick(self):
        now = self.cell.stamp_ns
        stamp = convert.time_msg(now)
        if self.every["clock"](now):
            self.clock_ns = now
            self.clock.publish(Clock(clock=stamp))
        if self.every["wrench"](now):
            self.wrench_ns = now
            for group in self.robot.arms:
                wrench = convert.wrench_msg(self.cell.wrench(group.name), stamp, group.tool_frame)
                self.wrenches[group.name].publish(wrench)
        if self.every["truth"](now):
            self.truth.publish(convert.truth_msg(self.cell.truth()))
        if self.every["tf"](now):
            self.tf.publish(convert.tf_msg(self.cell.link_poses(), stamp))
        if self.cameras:
            self.cameras.tick(now)
        self.answered.clear()
        joints = convert.joint_state_msg(self.cell.joint_state())
        if self.lockstep:
            joints.header.frame_id = lockstep.name(self.clock_ns, self.wrench_ns)
        self.waiting.begin(now)
        self.joints.publish(joints)

    def loop(self, executor):
        """Ticks until shutdown. Waits for commands while they come; without them it goes on in (at most) real time."""
        wall = time.monotonic()
        while rclpy.ok():
            self.publish_tick()
            if self.lockstep and self.following:
                self.wait(executor)
            self.following, self.heard = self.heard, False
            pace = self.cell.dt / self.speed if self.speed else 0.0 if self.following else self.cell.dt
            wall = max(wall + pace, time.monotonic() - self.cell.dt)
            while (remaining := wall - time.monotonic()) > 0:
                executor.spin_once(timeout_sec=remaining)
            executor.spin_once(timeout_sec=0)  # services get their turn also when the pace is never ahead
            self.cell.step()

    def wait(self, executor):
        """Until the tick is answered, or nobody will."""
        again = time.monotonic() + lockstep.TURN_S
        while len(self.answered) < len(self.controllers) and not self.waiting.in_vain():
            executor.spin_once(timeout_sec=lockstep.TURN_S)
            if time.monotonic() > again:  # /clock is read best-effort: one that was lost is said again
                again = time.monotonic() + lockstep.TURN_S
                self.clock.publish(Clock(clock=convert.time_msg(self.clock_ns)))

    def close(self):
        if self.cameras:
            self.cameras.close()


def main():
    def spin(sim):
        executor = rclpy.executors.SingleThreadedExecutor()
        executor.add_node(sim)
        sim.loop(executor)

    node.run(SimNode, spin)


if __name__ == "__main__":
    main()
