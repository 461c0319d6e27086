"""The lock-step's rules, on clocks of the test's own."""

from types import SimpleNamespace

import pytest

from vipa_ros.common import lockstep
from vipa_ros.common.lockstep import Gathering, Waiting


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def state(stamp, clock_ns=0, wrench_ns=0):
    return SimpleNamespace(stamp=stamp, header=SimpleNamespace(frame_id=lockstep.name(clock_ns, wrench_ns)))


@pytest.mark.parametrize("frame_id", ["", "world", "after", "after 1", "after 1 x", "after -1 2", "before 1 2"])
def test_a_cell_that_names_nothing_is_not_waited_for(frame_id):
    assert lockstep.named(frame_id) == (0, 0)


def test_a_machine_that_stood_still_uses_up_no_patience(clock):
    waiting = Waiting(clock)
    waiting.begin(1)
    for _ in range(20):  # nobody got a turn for a minute, again and again: 1 s of turns
        clock.now += 60.0
        assert not waiting.in_vain()


def test_a_motion_that_never_answers_is_given_up(clock):
    waiting, turns = Waiting(clock), 0
    waiting.begin(1)
    while not waiting.in_vain():
        clock.now += lockstep.TURN_S
        turns += 1
    assert turns == pytest.approx(lockstep.ANSWER_TIMEOUT_S / lockstep.TURN_S, abs=1)


def test_a_motion_that_says_it_is_past_the_tick_is_not_waited_for(clock):
    waiting = Waiting(clock)
    waiting.begin(10)
    for _ in range(100):
        waiting.status(9)  # alive, and not there yet
    assert not waiting.in_vain()
    for _ in range(lockstep.MAX_PASSED_ANSWERS):
        assert not waiting.in_vain()
        waiting.status(10)
    assert waiting.in_vain()
    waiting.begin(20)
    assert not waiting.in_vain()


def test_a_tick_waits_for_the_wrench_and_the_clock_that_came_before_it(clock):
    gathering = Gathering(("left", "right"), clock)
    tick = state(20, 20, 20)
    gathering.clock(20)
    gathering.wrench("left", 20)
    assert gathering.take(tick) == [] and gathering.held
    gathering.wrench("right", 10)
    assert gathering.release() == []
    gathering.wrench("right", 20)
    assert gathering.release() == [tick] and not gathering.held
    later = state(40, 40, 20)
    assert gathering.take(later) == []
    gathering.clock(40)
    assert gathering.release() == [later]


def test_what_never_comes_is_waited_for_once_and_again_when_it_came_back(clock):
    gathering, turns = Gathering(("arm",), clock), 0
    gathering.take(state(20, 0, 20))
    while not (due := gathering.release()):
        clock.now += 10.0  # a turn counts TURN, however long it was
        turns += 1
    assert due[0].stamp == 20 and turns == pytest.approx(lockstep.NAMED_TIMEOUT_S / lockstep.TURN_S, abs=1)
    assert [m.stamp for m in gathering.take(state(40, 0, 40))] == [40]
    gathering.wrench("arm", 40)
    assert gathering.take(state(60, 0, 60)) == []
    # the cell went on without an answer: both are due, in order
    gathering.wrench("arm", 60)
    assert [m.stamp for m in gathering.take(state(80, 0, 60))] == [60, 80]


def test_a_real_robots_joint_states_never_wait(clock):
    gathering = Gathering(("arm",), clock)
    bare = SimpleNamespace(header=SimpleNamespace(frame_id=""))
    assert gathering.take(bare) == [bare]


def test_the_nodes_name_and_wait():
    """Node `sim` names the wrench that it published; node `motion` takes the joint state when that has come."""
    rclpy = pytest.importorskip("rclpy")
    from vipa_ros.bringup.environment import Domain
    from vipa_ros.nodes import motion, sim

    domain, said = Domain(), {}
    given = ("robot:='fr3_single'", "task:='water_plant'", "cameras:=false")
    rclpy.init(args=["--ros-args", *(word for g in given for word in ("-p", g))], domain_id=domain.id)
    try:
        cell, mover = sim.SimNode(), motion.MotionNode()
        cell.joints = SimpleNamespace(publish=lambda msg: said.update(joints=msg))
        cell.wrenches = {"arm": SimpleNamespace(publish=lambda msg: said.update(wrench=msg))}
        while "wrench" not in said or not cell.cell.stamp_ns:
            cell.cell.step()
            cell.publish_tick()
        assert lockstep.named(said["joints"].header.frame_id)[1] == cell.wrench_ns > 0
        taken = []
        mover.step = taken.append
        mover.on_joint_state(said["joints"])
        assert mover.gathering.held and not taken
        mover.on_wrench("arm", said["wrench"])
        assert taken == [said["joints"]]
    finally:
        rclpy.shutdown()
        domain.release()
