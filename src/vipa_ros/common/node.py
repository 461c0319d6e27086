"""Start-up and shutdown shared by all nodes."""

import signal
import sys
from collections.abc import Callable, Coroutine

import rclpy
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import InvalidParameterTypeException, ParameterUninitializedException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Task

from vipa import output
from vipa.errors import VipaError
from vipa_ros.common import lifeline

# SIGHUP: the terminal of `ros2 launch` or of a node has closed
END_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(make: Callable[[], Node], spin: Callable[[Node], None] | None = None) -> Node:
    """Initialises rclpy, makes the node, spins it until SIGINT, SIGTERM, SIGHUP (unless ignored, as under nohup) or the end of the
    process that started it, and takes it down.

    A VipaError becomes one line on standard error and exit status 2. `spin` replaces the single-threaded spin; it
    returns when `rclpy.ok()` is false. The node's `close`, if it has one, is called on the way out. Returns the node, taken down.
    Main thread.
    """
    output.settle()
    ends = [n for n in END_SIGNALS if n != signal.SIGHUP or signal.getsignal(n) != signal.SIG_IGN]
    for number in ends:
        signal.signal(number, _interrupt)
    node, status = None, 0
    try:
        lifeline.tie()
        rclpy.init(args=sys.argv, signal_handler_options=SignalHandlerOptions.NO)
        node = make()
        (spin or _spin)(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except VipaError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        status = 2
    finally:
        for number in ends:  # a second Ctrl-C must not tear the clean-up
            signal.signal(number, signal.SIG_IGN)
        if node is not None:
            if hasattr(node, "close"):
                node.close()
            node.destroy_node()
        rclpy.try_shutdown()
    if status:
        sys.exit(status)
    return node


def play(node: Node, coroutine: Coroutine) -> Task:
    """The task of `coroutine`, spun on `node` until it is done, or rclpy has ended: then it may not be. Main thread."""
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    task = executor.create_task(coroutine)
    while rclpy.ok() and not task.done():
        executor.spin_once(timeout_sec=0.1)
    return task


class _Asked:
    """Whether this process has been asked to end, and whether it looks at that by itself."""

    to_end = looks = False


def _spin(node: Node) -> None:
    """Spins in short waits, since Python handles a signal only when a wait returns, and ends between two callbacks: torn out of one, a
    node may hold a lock that its clean-up wants."""
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    _Asked.looks = True
    while rclpy.ok() and not _Asked.to_end:
        executor.spin_once(timeout_sec=0.2)


def _interrupt(number, frame):
    lifeline.bound_end()
    before, _Asked.to_end = _Asked.to_end, True
    if before or not _Asked.looks:  # the second time a callback is torn: it may never end
        raise KeyboardInterrupt


def parameter(node: Node, name: str, default):
    """Declares and reads a parameter; `default` gives its type, or is a type: then it must be set. It is read once and can't be
    set while the node runs.

    Raises VipaError if it is not set or of another type.
    """
    fixed = ParameterDescriptor(read_only=True)
    try:
        if not isinstance(default, type):
            return node.declare_parameter(name, default, fixed).value
        kind = {str: Parameter.Type.STRING, float: Parameter.Type.DOUBLE, int: Parameter.Type.INTEGER}[default]
        value = node.declare_parameter(name, kind, fixed).value
    except ParameterUninitializedException:
        value = None
    except InvalidParameterTypeException as error:
        raise VipaError(f"{node.get_name()}: parameter '{name}': {error}") from None
    if value is None:
        raise VipaError(f"{node.get_name()}: parameter '{name}' must be set ({default.__name__})")
    return value


def steady_clock() -> Clock:
    """The local monotonic clock, for liveness."""
    return Clock(clock_type=ClockType.STEADY_TIME)
