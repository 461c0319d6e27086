"""Node `motion`: the only one that commands a controller. Driven by /joint_states; a shell over `vipa.motion.Motion`.

Parameters: robot (name or path); task (name or path, may be empty): its fixtures are kept clear of; require_wrench (bool,
default true): nothing moves while an arm's wrench does not come; motion_backend: embedded (default) or moveit, for end-effector poses;
dated_commands (bool, default false): the arms' commands say when they begin, as ros2_control's controllers want it.
"""

import time
from collections import deque

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import WrenchStamped
from rclpy.node import Node
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory
from vipa_msgs.msg import ActionChunk, MotionStatus, SafetyStatus
from vipa_msgs.srv import EStop, ReArm, SetAuthority, SetTaskContext, TightenLimits

from vipa.motion import permission
from vipa.motion.motion import Motion
from vipa.moveit.backend import MoveItBackend, backend_named
from vipa.recording import topics
from vipa.robot.description import load_robot
from vipa.tasks.task import load_task
from vipa_ros.common import convert, lockstep, node
from vipa_ros.common.diagnostics import publish_diagnostics
from vipa_ros.common.listening import Listener
from vipa_ros.common.qos import MOTION_READER, PROFILES

STATUS_RATE_HZ = 25.0  # Hz, in motion steps


class MotionNode(Node):
    """One motion step a joint state. Single thread."""

    def __init__(self):
        super().__init__("motion")
        robot = load_robot(node.parameter(self, "robot", str))
        task = node.parameter(self, "task", "")
        backend = backend_named(node.parameter(self, "motion_backend", "embedded"))
        fixtures = load_task(task).fixtures if task else ()
        watch, dated = node.parameter(self, "require_wrench", True), node.parameter(self, "dated_commands", False)
        self.motion = Motion(robot, fixtures, watch, backend, dated)
        self.listener, self.servos = Listener(self), None
        if isinstance(self.motion.servo, MoveItBackend):
            from vipa_ros.moveit.servo_clients import ServoClients  # MoveIt's messages are wanted only here

            self.servos = ServoClients(self, self.motion.servo, self.listener)
        self.now_ns = 0
        self.rearmed = ("", 0)  # who left a stop last, and its number
        self.safety_sent = None
        self.safety_time = 0.0
        self.steps_to_status = 0
        self.durations: deque[float] = deque(maxlen=round(robot.control_rate))
        self.started: deque[float] = deque(maxlen=round(robot.control_rate))

        controllers = [c for g in robot.groups for c in topics.controllers_of(g)]
        stream, latched = PROFILES["stream"], PROFILES["latched"]
        self.commands = {
            c: self.create_publisher(JointTrajectory, topics.command_topic(c), stream) for c in controllers
        }
        self.status = self.create_publisher(MotionStatus, topics.MOTION_STATUS, stream)
        self.safety = self.create_publisher(SafetyStatus, topics.SAFETY_STATUS, latched)
        self.diagnostics = self.create_publisher(DiagnosticArray, topics.DIAGNOSTICS, stream)
        for group in robot.arms:
            wrench, take = group.wrench_topic, lambda msg, g=group.name: self.on_wrench(g, msg)
            self.listener.on(WrenchStamped, wrench, take, MOTION_READER)
        self.listener.on(JointState, topics.JOINT_STATES, self.on_joint_state, MOTION_READER)
        self.listener.on(ActionChunk, topics.ACTION_CHUNK, self.on_chunk, MOTION_READER)
        self.create_service(SetAuthority, topics.SET_AUTHORITY, self.on_authority)
        self.create_service(EStop, topics.ESTOP, self.on_estop)
        self.create_service(ReArm, topics.REARM, self.on_rearm)
        self.create_service(SetTaskContext, topics.TASK_CONTEXT, self.on_context)
        self.create_service(TightenLimits, topics.TIGHTEN_LIMITS, self.on_tighten)
        # liveness is wall time: the status must go out also when joint states or the clock have stopped
        self.create_timer(0.1, self.on_heartbeat, clock=node.steady_clock())
        self.create_timer(1.0, self.on_diagnostics, clock=node.steady_clock())
        self.gathering = lockstep.Gathering(tuple(group.name for group in robot.arms))
        self.turn = self.create_timer(lockstep.TURN_S / 5, self.release, clock=node.steady_clock())
        self.turn.cancel()  # runs while a joint state is held back
        self.get_logger().info(f"motion ready: {robot.name}")

    def on_joint_state(self, msg):
        self.gathering.clock(self.get_clock().now().nanoseconds)
        for due in self.gathering.take(msg):
            self.step(due)
        if self.gathering.held:
            self.turn.reset()

    def release(self):
        """What a simulated cell published before a joint state is waited for."""
        self.gathering.clock(self.get_clock().now().nanoseconds)
        for due in self.gathering.release():
            self.step(due)
        if not self.gathering.held:
            self.turn.cancel()

    def step(self, msg):
        started = time.monotonic()
        try:
            state = convert.joint_state(msg)
        except ValueError as error:
            self.listener.drop(topics.JOINT_STATES, str(error))
            return
        commands = self.motion.tick(state, started, self.get_clock().now().nanoseconds)
        commands = self.motion.timely(commands, self.get_clock().now().nanoseconds)
        for controller, command in commands.items():
            out = convert.trajectory_msg(command)
            out.header.frame_id = str(
                state.stamp_ns
            )  # controllers ignore it; in lock-step it names the tick it answers
            self.commands[controller].publish(out)
        self.now_ns = self.motion.measured.stamp_ns
        if self.servos is not None and (merged := self.motion.measured.merged()) is not None:
            self.servos.exchange(merged)
        if not commands:
            return
        self.started.append(started)
        self.durations.append(time.monotonic() - started)
        self.steps_to_status -= 1
        if self.steps_to_status <= 0:
            self.steps_to_status = max(1, round(1.0 / (self.motion.dt * STATUS_RATE_HZ)))
            self.publish_status()

    def on_chunk(self, msg):
        reason = self.motion.chunk(convert.chunk(msg), self.now_ns, time.monotonic())
        if reason:
            self.get_logger().warning(f"chunk refused: {reason}", throttle_duration_sec=1.0)

    def on_wrench(self, group, msg):
        stamp_ns = convert.time_ns(msg.header.stamp)
        self.motion.wrench(group, convert.wrench(msg), stamp_ns, time.monotonic())
        self.gathering.wrench(group, stamp_ns)
        if self.gathering.held:
            self.release()

    def on_authority(self, request, response):
        response.message = permission.authority(self.motion, request.commander_id, request.requester_id)
        response.granted = not response.message
        if response.granted:
            self.motion.set_authority(request.commander_id, request.requester_id)
        response.holder, response.epoch = self.motion.authority, self.motion.epoch
        self.publish_status()
        return response

    def on_estop(self, request, response):
        self.motion.estop(request.reason or "e-stop")
        self.get_logger().error(f"EMERGENCY STOP: {request.reason}")
        self.publish_status()
        response.stopped = True
        return response

    def on_rearm(self, request, response):
        who, latch = request.operator_id, request.latch
        if not permission.rearmed(self.motion, self.rearmed, who, latch):
            response.message = permission.rearm(self.motion, who, latch) or self.motion.rearm()
            if not response.message:
                self.rearmed = who, latch
                self.get_logger().info(f"re-armed by {who}")
        response.armed, response.epoch = not response.message, self.motion.epoch
        self.publish_status()
        return response

    def on_context(self, request, response):
        wanted = convert.wanted(request)
        response.message = permission.context(
            self.motion, request.requester_id, not any(wanted)
        ) or self.motion.context(*wanted)
        response.accepted = not response.message
        return response

    def on_tighten(self, request, response):
        response.message = permission.unnamed(request.requester_id) or self.motion.tighten(convert.tighter(request))
        response.accepted = not response.message
        return response

    def on_heartbeat(self):
        if not self.started or time.monotonic() - self.started[-1] > 0.1:
            self.publish_status()

    def publish_status(self):
        status = convert.motion_status_msg(self.motion.status(self.now_ns, time.monotonic()))
        if len(self.started) > 1:
            intervals = np.abs(np.diff(np.array(self.started)) - self.motion.dt)
            status.jitter_ms_p99 = float(np.percentile(intervals, 99) * 1e3)
            status.step_ms_p99 = float(np.percentile(np.array(self.durations), 99) * 1e3)
        self.status.publish(status)
        state, now = self.motion.safety(self.now_ns), time.monotonic()
        key = (state.estop, state.armed, state.latch, state.stop_reasons, state.allowed_contacts)
        if key != self.safety_sent or now - self.safety_time >= 0.5:
            self.safety_sent, self.safety_time = key, now
            self.safety.publish(convert.safety_msg(state))

    def on_diagnostics(self):
        status = self.motion.status(self.now_ns, time.monotonic())
        ok = status.mode != status.mode.STOPPED
        values = {
            "refusals": status.refusals,
            "clamps": status.clamps,
            "bad_messages": sum(self.listener.dropped.values()),
        }
        if self.servos is not None:
            for name, dialogue in self.motion.servo.dialogues.items():
                values |= {f"{name}_servo_restarts": dialogue.restarts, f"{name}_servo_dropped": dialogue.dropped}
        publish_diagnostics(self.diagnostics, self, ok, status.mode.name.lower(), values)


def main():
    node.run(MotionNode)


if __name__ == "__main__":
    main()
