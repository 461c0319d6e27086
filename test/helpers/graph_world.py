"""The test's own node in a graph of real processes."""

import threading
import time

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation

from helpers.meeting import meet
from vipa.recording.topics import service_table
from vipa_ros.bringup import environment
from vipa_ros.bringup.supervisor import Supervisor

SERVERS = {service.name: service.server for service in service_table()}
WALL = 60  # seconds after which a wait is given up


def spinning(executor, context) -> threading.Thread:
    """The thread, not started, that spins `executor` until `context` is shut down."""

    def spin():
        try:
            while context.ok():
                executor.spin_once(timeout_sec=0.2)
        except (ExternalShutdownException, rclpy_implementation.RCLError):
            if context.ok():  # else it was shut down under a wait or a callback
                raise

    return threading.Thread(target=spin, daemon=True)


class World:
    """The test's own node and its thread, in a ROS domain of its own, with `specs` as processes."""

    def __init__(self, folder, specs, patch):
        self.domain = environment.Domain()
        env = environment.child_environment(self.domain.id)
        for name in ("ROS_AUTOMATIC_DISCOVERY_RANGE", "RMW_IMPLEMENTATION"):
            patch.setenv(name, env[name])
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=self.domain.id)
        self.node = rclpy.create_node("world", context=self.context)
        self.supervisor = Supervisor(specs, env, folder)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.thread = spinning(self.executor, self.context)

    def __enter__(self):
        self.thread.start()
        self.supervisor.__enter__()
        return self

    def __exit__(self, *_):
        self.supervisor.stop()
        self.context.shutdown()
        self.thread.join()
        self.domain.release()

    def wait(self, condition, what):
        """Until `condition` holds. what: it in words, or a function that has them."""
        deadline = time.monotonic() + WALL
        over = threading.Event()
        while not condition():
            for name, process in self.supervisor.processes.items():
                assert process.poll() is None, (name, self.supervisor.last_lines(name))
            assert time.monotonic() < deadline, f"waited {WALL} s for {what() if callable(what) else what}"
            over.wait(0.02)

    def call(self, kind, name, request):
        """The answer of a service. It is asked once, when its server has met the client."""
        client = self.node.create_client(kind, name)
        self.wait(client.service_is_ready, name)
        meet(self.node, SERVERS[name], self.wait)
        future = client.call_async(request)
        self.wait(future.done, f"an answer of {name}")
        return future.result()

    def begin(self, send):
        """The future of what `send` sends, on the thread that answers come to: rclpy's action client forgets one that overtakes
        its question."""
        task = self.executor.create_task(send)
        self.wait(task.done, "the executor")
        return task.result()

    def newest(self, kind, name, qos):
        """A list that holds the newest message of a topic."""
        box = []
        self.node.create_subscription(kind, name, lambda msg: box.__setitem__(slice(None), [msg]), qos)
        return box
