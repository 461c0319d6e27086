"""Start-up and shutdown shared by all nodes."""

import signal
import sys
from collections.abc import Callable

import rclpy
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import InvalidParameterTypeException, ParameterUninitializedException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions

from vipa_ros.errors import VipaError


def run(make: Callable[[], Node], spin: Callable[[Node], None] | None = None) -> Node:
    """Initialises rclpy, makes the node, spins it until SIGINT or SIGTERM, and takes it down.

    A VipaError becomes one line on standard error and exit status 2. `spin` replaces the single-threaded spin; it
    returns when `rclpy.ok()` is false. The node's `close`, if it has one, is called on the way out. Returns the node, taken down.
    Main thread.
    """
    rclpy.init(args=sys.argv, signal_handler_options=SignalHandlerOptions.NO)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    node, status = None, 0
    try:
        node = make()
        (spin or _spin)(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except VipaError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        status = 2
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):  # a second Ctrl-C must not tear the clean-up
            signal.signal(number, signal.SIG_IGN)
        if node is not None:
            if hasattr(node, "close"):
                node.close()
            node.destroy_node()
        rclpy.try_shutdown()
    if status:
        sys.exit(status)
    return node


def _spin(node: Node) -> None:
    """Spins in short waits: Python handles a signal only when a wait returns."""
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    while rclpy.ok():
        executor.spin_once(timeout_sec=0.2)


def _interrupt(number, frame):
    raise KeyboardInterrupt


def parameter(node: Node, name: str, default):
    """Declares and reads a parameter; `default` gives its type, or is a type: then it must be set.

    Raises VipaError if it is not set or of another type.
    """
    try:
        if isinstance(default, type):
            kind = {str: Parameter.Type.STRING, float: Parameter.Type.DOUBLE, int: Parameter.Type.INTEGER}[default]
            return node.declare_parameter(name, kind).value
        return node.declare_parameter(name, default).value
    except ParameterUninitializedException:
        raise VipaError(f"{node.get_name()}: parameter '{name}' must be set ({default.__name__})") from None
    except InvalidParameterTypeException as error:
        raise VipaError(f"{node.get_name()}: parameter '{name}': {error}") from None


def steady_clock() -> Clock:
    """The local monotonic clock, for liveness."""
    return Clock(clock_type=ClockType.STEADY_TIME)
