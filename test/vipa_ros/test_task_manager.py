"""Node `task_manager`, with real rclpy, on a clock of the test's own."""

import time

import pytest

pytest.importorskip("rclpy")

import rclpy
from rosgraph_msgs.msg import Clock

from vipa_ros.bringup.environment import Domain
from vipa_ros.common import convert
from vipa_ros.nodes import task_manager


@pytest.fixture
def manager(monkeypatch):
    domain = Domain()
    rclpy.init(args=["--ros-args", "-p", "robot:=fr3_single"], domain_id=domain.id)
    node = None
    try:
        node = task_manager.TaskManagerNode()
        yield node
    finally:
        if node is not None:
            node.destroy_node()
        rclpy.shutdown()
        domain.release()


def silent_after(manager, monkeypatch, seconds, ros_ns):
    """Who counts as dead after `seconds` in which the cell says times 0.5 s apart, `ros_ns` by their number."""
    now = time.monotonic()
    manager.heartbeats.restart(now)
    for turn in range(round(seconds / 0.5)):
        monkeypatch.setattr(time, "monotonic", lambda at=now + 0.5 * turn: at)
        manager.on_clock(Clock(clock=convert.time_msg(ros_ns(turn))))
        manager.heartbeats.heard("motion", now + 0.5 * turn)
        silent = manager.heartbeats.silent(now + 0.5 * turn)
    return silent


def test_a_cell_that_waits_for_motion_is_not_dead(manager, monkeypatch):
    assert silent_after(manager, monkeypatch, 30.0, lambda turn: 1_000_000_000) == []


def test_a_cell_whose_time_goes_on_without_a_look_is(manager, monkeypatch):
    assert silent_after(manager, monkeypatch, 30.0, lambda turn: turn * 1_000_000) == ["cell"]
