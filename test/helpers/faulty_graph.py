"""A graph whose wires the tests hold: real processes, with everything between cell, commander and motion passing through here,
where it can be cut, shifted in time and measured."""

import copy
import gc
import os
import signal
import threading
import time
from collections import deque
from pathlib import Path

import numpy as np
import rclpy
from geometry_msgs.msg import WrenchStamped
from rclpy.action import ActionClient
from rclpy.executors import SingleThreadedExecutor
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image, JointState
from trajectory_msgs.msg import JointTrajectory
from vipa_msgs.action import RunEpisode
from vipa_msgs.msg import ActionChunk, GroundTruth, MotionStatus, SafetyStatus
from vipa_msgs.srv import EStop, ReArm

from helpers.graph_world import spinning
from helpers.meeting import meet
from helpers.streaming_commander import Streamer
from vipa.recording import topics
from vipa.robot.description import load_robot
from vipa.robot.kinematics import Kinematics
from vipa_ros.bringup import environment, supervisor
from vipa_ros.bringup.process import ProcessSpec, command
from vipa_ros.bringup.supervisor import Supervisor
from vipa_ros.common import convert, lockstep
from vipa_ros.common.qos import PROFILES

WALL = 90  # seconds after which a wait is given up; nothing is measured by it
ROBOT, TASK, CAMERA = "fr3_single", "put_three_obj", "scene"
STREAMER = os.path.join(os.path.dirname(__file__), "streaming_commander.py")


class Wires:
    """Every topic from the cell and to it, and the commander's chunks. `cut`: names of topics that pass no more. `stuck`: those of
    wrenches that pass with the value they had last, which stands here from then on.

    offset_ns: by how much the cell's stamps are shifted. Times here are the cell's own. One lock guards all.
    """

    def __init__(self, domain: int):
        self.robot = load_robot(ROBOT)
        self.kinematics = Kinematics(self.robot)
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain)
        self.node = rclpy.create_node("wires", context=self.context)
        self.changed = threading.Condition(threading.RLock())
        self.cut: set[str] = set()
        self.stuck: dict[str, object] = {}
        self.offset_ns = 100_000_000_000  # room for jumps back: ROS time is never negative
        self.check = lambda: None  # raises if waiting is in vain
        self.stamp_ns = 0
        self.states: list[tuple[float, np.ndarray, np.ndarray]] = []  # seconds, q, v: as measured
        self.commands: list[tuple[float, np.ndarray, np.ndarray]] = []  # seconds, positions (S, n), velocities (S, n)
        self.shifted: dict[str, int] = {}
        self.recent: deque[str] = deque()
        self.motion: MotionStatus | None = None
        self.safety: SafetyStatus | None = None
        table = {t.name: PROFILES[t.qos] for t in topics.topic_table(self.robot)}
        pictures = topics.camera_topics(CAMERA)
        kinds = {
            "/clock": Clock,
            topics.JOINT_STATES: JointState,
            topics.GROUND_TRUTH: GroundTruth,
            self.robot.arms[0].wrench_topic: WrenchStamped,
            pictures["color"]: Image,
            pictures["depth"]: Image,
            pictures["color_info"]: CameraInfo,
            pictures["depth_info"]: CameraInfo,
        }
        self.controllers = [c for g in self.robot.groups for c in topics.controllers_of(g)]
        self.from_cell, self.pictures = tuple(kinds), tuple(pictures.values())
        self.to_cell = tuple(topics.command_topic(c) for c in self.controllers)
        self.out = {}
        for name, kind in kinds.items():
            self._wire(f"/raw{name}", name, kind, table[name], self._from_cell)
        for name in self.to_cell:
            self._wire(name, f"/raw{name}", JointTrajectory, table[name], self._to_cell)
        self._wire(
            f"/raw{topics.ACTION_CHUNK}", topics.ACTION_CHUNK, ActionChunk, table[topics.ACTION_CHUNK], self._chunk
        )
        self._wire(topics.MOTION_STATUS, f"/raw{topics.MOTION_STATUS}", MotionStatus, PROFILES["stream"], self._status)
        self.node.create_subscription(SafetyStatus, topics.SAFETY_STATUS, self._safety, PROFILES["latched"])
        self.episode = ActionClient(self.node, RunEpisode, topics.RUN_EPISODE)
        self.estop = self.node.create_client(EStop, topics.ESTOP)
        self.rearm = self.node.create_client(ReArm, topics.REARM)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.thread = spinning(self.executor, self.context)
        self.thread.start()

    def _wire(self, source, target, kind, qos, handle):
        self.out[target] = self.node.create_publisher(kind, target, qos)
        self.node.create_subscription(kind, source, lambda msg, t=target: handle(t, msg), qos)

    def close(self):
        self.context.shutdown()
        self.thread.join()
        self.node.destroy_node()
        self.node = self.executor = self.episode = self.estop = self.rearm = None
        self.out.clear()
        self.context.destroy()  # takes effect when nothing uses it any more
        gc.collect()

    def _from_cell(self, target, msg):
        with self.changed:
            stamp = msg.clock if target == "/clock" else msg.header.stamp
            now_ns = convert.time_ns(stamp)
            shifted = convert.time_msg(now_ns + self.offset_ns)
            if target == "/clock":
                msg.clock = shifted
            else:
                msg.header.stamp = shifted
            if target in self.stuck:
                msg.wrench = self.stuck[target] = self.stuck[target] or msg.wrench
            if target == topics.JOINT_STATES:
                self._measure(now_ns, msg)
                before = lockstep.named(msg.header.frame_id)
                msg.header.frame_id = lockstep.name(*(stamp + self.offset_ns if stamp else 0 for stamp in before))
            if target not in self.cut:
                self.out[target].publish(msg)
            self.changed.notify_all()

    def _measure(self, now_ns, msg):
        key = str(now_ns + self.offset_ns)
        self.shifted[key] = now_ns
        self.recent.append(key)
        if len(self.recent) > 500:
            self.shifted.pop(self.recent.popleft(), None)
        self.stamp_ns = now_ns
        place = {name: i for i, name in enumerate(msg.name)}
        index = [place[name] for name in self.kinematics.joint_names]
        self.states.append((now_ns / 1e9, np.array(msg.position)[index], np.array(msg.velocity)[index]))

    def _to_cell(self, target, msg):
        with self.changed:
            answered = self.shifted.get(msg.header.frame_id)
            if target == f"/raw{topics.command_topic(self.robot.arms[0].controller)}":
                command = convert.trajectory(msg)
                if answered is not None:
                    self.commands.append((answered / 1e9, command.positions, command.velocities))
            if target not in self.cut:
                msg.header.frame_id = "late" if answered is None else str(answered)
                self.out[target].publish(msg)

    def _chunk(self, target, msg):
        with self.changed:
            if target not in self.cut:
                self.out[target].publish(msg)

    def _status(self, target, msg):
        with self.changed:
            self.motion = msg
            self.changed.notify_all()
            said = copy.deepcopy(msg)
            taken = self.shifted.get(str(convert.time_ns(msg.header.stamp)), 0)
            said.header.stamp = convert.time_msg(taken)
            self.out[target].publish(said)

    def _safety(self, msg):
        with self.changed:
            self.safety = msg
            self.changed.notify_all()

    # what the tests ask

    def wait(self, condition, what: str):
        """Until `condition()` holds; looked at whenever something has come."""
        deadline = time.monotonic() + WALL
        with self.changed:
            while not condition():
                self.check()
                assert time.monotonic() < deadline, f"waited {WALL} s for {what}"
                self.changed.wait(0.1)

    def answer(self, future, what: str):
        self.wait(future.done, what)
        return future.result()

    def ask(self, send, what: str):
        """The answer to what `send` sends. It is called on the thread that answers come to, so that none overtakes its question."""
        return self.answer(self.begin(send), what)

    def begin(self, send):
        """The future of what `send` sends, as `ask`."""
        return self.answer(self.executor.create_task(send), "the executor")

    @property
    def now(self) -> float:
        """The cell's time, seconds."""
        return self.stamp_ns / 1e9

    def speed(self, ticks: int = 1) -> float:
        """rad/s of the fastest joint over the last `ticks`."""
        return max((float(np.abs(v).max()) for _, _, v in self.states[-ticks:]), default=0.0)

    def jump(self, seconds: float):
        """ROS time jumps."""
        with self.changed:
            self.offset_ns += round(seconds * 1e9)
            self.out["/clock"].publish(Clock(clock=convert.time_msg(self.stamp_ns + self.offset_ns)))

    def send(self, chunk):
        self.out[topics.ACTION_CHUNK].publish(chunk if isinstance(chunk, ActionChunk) else convert.chunk_msg(chunk))


class Graph:
    """Cell, motion, commander and task manager as processes, on wires. following: how the arm follows, see vipa_sim.following."""

    def __init__(self, folder, monkeypatch, following=""):
        self.domain = environment.Domain()
        env = environment.child_environment(self.domain.id)
        for name in ("ROS_AUTOMATIC_DISCOVERY_RANGE", "RMW_IMPLEMENTATION"):
            monkeypatch.setenv(name, env[name])
        self.running, self.killed, self.broken = None, False, False
        self.struck = self.rested = 0.0  # seconds of ROS time: of the fault, and of the last movement after it
        monkeypatch.setattr(supervisor, "command", self._command)
        common = {"robot": ROBOT, "use_sim_time": True}
        size = {"image_width": 64, "image_height": 48}
        self.specs = {
            s.name: s
            for s in (
                ProcessSpec("sim", "sim", {**common, "task": TASK, **size, "speed": 1.0, "following": following}),
                ProcessSpec("motion", "motion", {**common, "task": TASK}),
                ProcessSpec(Streamer.commander_id, STREAMER, {**common, "camera": CAMERA}),
                ProcessSpec("task_manager", "task_manager", {**common, "cell": "sim", "policy": "expert"}),
            )
        }
        self.supervisor = Supervisor(list(self.specs.values()), env, folder)
        self.wires = Wires(self.domain.id)
        self.supervisor.__enter__()
        self.wires.check = self._nobody_died

    def _command(self, spec, folder):
        line = command(spec, folder)
        if spec.name == Streamer.commander_id:
            line[1:3] = [STREAMER]
        names = {
            "sim": (*self.wires.from_cell, *self.wires.to_cell, topics.MOTION_STATUS),
            Streamer.commander_id: (topics.ACTION_CHUNK,),
        }
        return line + [word for name in names.get(spec.name, ()) for word in ("-r", f"{name}:=/raw{name}")]

    def _nobody_died(self):
        for name, process in self.supervisor.processes.items():
            assert self.killed or process.poll() is None, (name, self.supervisor.last_lines(name))

    def signal(self, name, number):
        os.killpg(self.supervisor.processes[name].pid, number)

    def kill(self, name):
        """As a fault; nothing of this graph is used again afterwards."""
        self.killed = True
        self.signal(name, signal.SIGKILL)
        self.supervisor.processes[name].wait()

    def heal(self):
        """What was frozen goes on, wires are whole."""
        self.wires.cut.clear()
        self.wires.stuck.clear()
        for name, process in self.supervisor.processes.items():
            if process.poll() is None:
                self.signal(name, signal.SIGCONT)

    def begin(self):
        """An episode in which the arm moves; the goal handle and its result."""
        w = self.wires
        w.wait(lambda: w.motion and w.motion.joint_state_age >= 0 and w.episode.server_is_ready(), "the graph to be up")
        for name in ("task_manager", "motion"):
            meet(w.node, name, w.wait)
        goal = RunEpisode.Goal(task=TASK, commander=Streamer.commander_id, time_limit=120.0)
        self.broken, before = True, w.motion.epoch
        handle = w.ask(lambda: w.episode.send_goal_async(goal), "the goal's acceptance")
        assert handle.accepted
        self.running = handle, result = handle, w.begin(handle.get_result_async)

        def moves():  # in this episode: the last one's movement may still be on its way here
            return w.motion.epoch > before and w.motion.mode == w.motion.EXECUTING and w.speed() > 0.1

        w.wait(lambda: result.done() or moves(), "the arm to move")
        assert not result.done(), result.result().result.scorecard
        with w.changed:
            del w.states[:-1], w.commands[:-1]
        self.broken = False
        return handle, result

    def end(self):
        """No episode is left, and nothing is frozen or cut."""
        self.heal()
        if self.running and not self.killed and not self.broken:
            handle, result = self.running
            if not result.done():
                self.wires.ask(handle.cancel_goal_async, "the cancel")
                self.wires.answer(result, "the result")
        self.running = None

    def close(self):
        """Ends it as `vipa` does, and checks that nothing is left: neither a process nor what it shared."""
        shared = {path for p in self.supervisor.processes.values() for path in _shared(p.pid)}
        assert shared
        self.wires.close()  # first: what it maps of theirs counts as in use
        self.supervisor.stop()
        assert all(p.poll() is not None for p in self.supervisor.processes.values())
        # before they are removed: what another test's process maps now and lets go of a moment later is not ours to remove
        used = {path for pid in os.listdir("/proc") if pid.isdigit() for path in _shared(pid)}
        supervisor.remove_dead_shared_memory(
            self.supervisor._began
        )  # again: this process, too, had mapped what they shared
        left = [path for path in shared - used if os.path.exists(path)]
        assert not left, left
        self.domain.release()


def _shared(pid):
    """Segments in shared memory that the process maps."""
    try:
        lines = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8").splitlines()
    except OSError:
        return set()
    mapped = {line.split()[5] for line in lines if "/dev/shm/fastrtps_" in line}
    return {path for path in mapped if supervisor.SEGMENT.fullmatch(Path(path).name)}
