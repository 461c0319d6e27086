"""A stop for force relieves: the arm lets go of what it presses on and backs off, inside every limit, and fails closed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.following import ROBOT, assert_limits, follow, line, moving, start, tool
from helpers.pressing import Pressing
from vipa.motion.motion import Motion
from vipa.motion.relief import MAX_RETREAT_M, SPEED_M_S
from vipa.motion.stops import MAX_REASONS
from vipa.robot.description import load_robot
from vipa.robot.fixture import Fixture
from vipa_cli.bench.ideal_robot import IdealRobot, drive, joint_chunk

CAP = ROBOT.groups[0].force_cap


@pytest.mark.parametrize(
    "stiffness", [None, 75000.0, 10000.0]
)  # a machine; the back of a hand and the belly of ISO/TS 15066
@pytest.mark.parametrize("speed", [0.05, 0.25, 0.53])
def test_what_nobody_modelled_is_pressed_no_more_after_200_ms(speed, stiffness):
    cell = Pressing(stiffness=stiffness)
    cell.run(speed)
    assert " on the tool of arm; allowed: " in cell.motion.stop_reasons[0]
    assert cell.after(0.2) <= CAP
    assert (
        max(cell.splines) <= 1.0 + 1e-6
    )  # the controllers' own curve keeps the velocity limits, also while it lets go
    assert cell.motion.gate.at_rest and np.abs(cell.motion.measured.v).max() < 0.05
    assert cell.motion.rearm() == ""


@pytest.mark.parametrize("following", [{"lag": 0.03, "dead_time": 0.02}, {"lag": 0.06}])
@pytest.mark.parametrize("speed, seconds", [(0.05, 0.2), (0.25, 0.2), (0.53, 0.35)])
def test_arms_that_lag_let_go_as_well(speed, seconds, following):
    cell = Pressing(following=following)
    cell.run(speed)
    assert cell.after(seconds) <= CAP
    assert cell.motion.gate.at_rest and cell.motion.rearm() == ""


@pytest.mark.parametrize("speed", [0.05, 0.25])
def test_controllers_that_begin_as_measured_let_go_as_well(speed):
    """A mode that motion refuses on a real cell: an arm that lags does not come to rest in it."""
    cell = Pressing(following={"lag": 0.02, "dead_time": 0.01, "interpolate_from_desired_state": False})
    cell.run(speed)
    assert cell.after(0.2) <= CAP and cell.motion.gate.at_rest


class HeldUp(IdealRobot):
    """Its arm goes no further than where it is at `contact` seconds; the wrench comes at `rate` Hz, `stiffness` N/rad."""

    def __init__(self, contact, stiffness, rate):
        super().__init__(ROBOT)
        self.contact, self.stiffness, self.every, self.ticks = contact, stiffness, round(100 / rate), 0
        self.wall = self.way = None

    def state(self):
        state, count = super().state(), len(ROBOT.groups[0].joints)
        q, v = state.positions[:count], state.velocities[:count]
        if self.wall is None and self.time >= self.contact and np.abs(v).max() > 0.01:
            self.wall, self.way = q.copy(), v / np.linalg.norm(v)
        self.deep = 0.0 if self.wall is None else max(float((q - self.wall) @ self.way), 0.0)
        if self.deep:
            q -= self.deep * self.way
            v -= max(float(v @ self.way), 0.0) * self.way
        return state

    def press(self, motion):
        if self.ticks % self.every == 0:
            motion.wrench("arm", np.array([0, self.stiffness * self.deep, 0, 0, 0, 0]), self.now_ns, self.time)
        self.ticks += 1


@settings(max_examples=20, deadline=None, derandomize=True)
@given(direction=st.integers(0, 5), speed=st.floats(0.05, 0.55), contact=st.floats(0.2, 1.2),
       stiffness=st.floats(1e3, 1e5), rate=st.sampled_from([50, 100]))  # fmt: skip
def test_an_arm_lets_go_inside_the_limits_of_every_other_movement(direction, speed, contact, stiffness, rate):
    """The command never jumps: a tick begins where the last one's plan has led, and keeps velocity, acceleration and jerk."""
    motion, cell = Motion(ROBOT), HeldUp(contact, stiffness, rate)
    motion.set_authority("commander")
    drive(motion, cell, 0.05)
    axis, sign = np.eye(3)[direction % 3], 1 - 2 * (direction // 3)
    stream = follow(motion, line(tool(motion), sign * axis, speed, 0.3), rate=10, horizon=10, step=0.1)
    for _ in range(200):
        for chunk in stream(cell.time, cell.now_ns):
            motion.chunk(chunk, cell.now_ns, cell.time)
        state = cell.state()
        cell.press(motion)
        before = motion.gate.plan.at(motion.dt)
        cell.command(motion.tick(state, cell.time))
        if motion.tracking.lost:  # pressed less than the cap, and 0.15 rad deep: another stop's affair
            return
        plan, gate = motion.gate.plan, motion.gate
        begin, end = plan.at(0.0), plan.at(motion.dt)
        for name in ("q", "v", "a"):
            np.testing.assert_allclose(getattr(begin, name), getattr(before, name), atol=1e-6)
        assert np.all(np.abs(end.v) <= gate.velocity + 1e-5) and np.all(np.abs(end.a) <= gate.acceleration + 1e-5)
        assert np.all(np.abs(end.a - begin.a) <= gate.jerk * motion.dt + 1e-2)
        cell.advance(motion.dt)
    if motion.stop_reasons:
        assert motion.gate.at_rest and stiffness * cell.deep <= CAP


def loaded(motion, cell, force, seconds, stamps=True):
    """`seconds` under a wrench of `force` N, which comes at 50 Hz, or once."""
    for k in range(round(seconds / motion.dt)):
        if k == 0 or (stamps and k % 2 == 0):
            motion.wrench("arm", np.array([0, force, 0, 0, 0, 0]), cell.now_ns, cell.time)
        log = drive(motion, cell, motion.dt)
        assert_limits(motion, log)


def test_a_sensor_that_never_lets_go_moves_the_arm_a_little_and_then_it_rests():
    motion, cell = moving()
    begin = motion.commanded()["arm"].tool_pose[:3]
    loaded(motion, cell, 60.0, 3.0)
    end = motion.commanded()["arm"].tool_pose[:3]
    assert motion.gate.at_rest and end[1] < begin[1]  # back along the way
    assert np.linalg.norm(end - begin) <= MAX_RETREAT_M


def test_a_wrench_that_is_not_renewed_moves_nothing_further():
    motion, cell = moving()
    loaded(motion, cell, 60.0, 0.5, stamps=False)
    once = motion.commanded()["arm"].tool_pose[:3]
    assert motion.gate.at_rest
    loaded(motion, cell, 60.0, 0.5)
    assert np.linalg.norm(motion.commanded()["arm"].tool_pose[:3] - once) > 0.01


def test_a_way_back_that_is_barred_is_not_gone():
    """Something was declared where the arm came from: it stays, as near as it is, and presses rather than run into that."""
    motion, cell = moving()
    tool = motion.commanded()["arm"].tool_pose[:3]
    motion.set_fixtures([Fixture("box", (tool - [0, 0.135, 0]).tolist(), [0.3, 0.04, 0.3])])
    drive(motion, cell, motion.dt)
    nearest = motion.safety(cell.now_ns).min_distance
    loaded(motion, cell, 60.0, 1.0)
    assert motion.safety(cell.now_ns).min_distance >= min(nearest, ROBOT.margin) - 1e-4
    assert motion.gate.at_rest and any("relief: distance" in r for r in motion.reasons)


def test_the_other_arm_brakes():
    robot = load_robot("fr3_dual")
    motion, cell = Motion(robot), IdealRobot(robot)
    motion.set_authority("commander")
    drive(motion, cell, 0.1)
    left, right = (np.array(robot.group(name).home) for name in ("left", "right"))
    for seq, (name, home) in enumerate((("left", left), ("right", right)), start=1):
        steps = home + np.outer(np.arange(1, 11), [0.03, 0, 0, 0, 0, 0, 0])
        assert motion.chunk(joint_chunk(motion, name, steps, cell.now_ns, 0.1, seq), cell.now_ns, cell.time) == ""
    drive(motion, cell, 0.5)
    before = motion.measured.q.copy()
    for _ in range(60):
        motion.wrench("left", np.array([0, 60.0, 0, 0, 0, 0]), cell.now_ns, cell.time)
        drive(motion, cell, motion.dt)
    moved = motion.measured.q - before
    assert motion.gate.at_rest
    assert (
        moved[motion.kinematics.columns["left"]][0] < -0.01 and 0 <= moved[motion.kinematics.columns["right"]][0] < 0.03
    )


def test_torque_is_capped_too():
    motion, cell = moving()
    cap = ROBOT.groups[0].torque_cap
    motion.wrench("arm", np.array([0, 0, 0, 0, 0.99 * cap, 0]), cell.now_ns, cell.time)
    assert motion.safety(cell.now_ns).armed
    motion.wrench("arm", np.array([0, 0, 0, 0, 1.2 * cap, 0]), cell.now_ns, cell.time)
    assert motion.stop_reasons == [f"{1.2 * cap:.1f} Nm on the tool of arm; allowed: {cap:g}"]
    assert motion.safety(cell.now_ns).limits["arm.torque_cap"] == cap


def test_reasons_of_a_stop_are_few_and_an_e_stop_is_among_them():
    motion, cell = moving()
    for k in range(500):
        motion.wrench("arm", np.array([0, 0, 50.0 + k, 0, 0, 0]), cell.now_ns, cell.time)
    assert len(motion.stop_reasons) == 1
    for k in range(500):
        motion._stop(f"reason {k}")
    assert len(motion.stop_reasons) == MAX_REASONS and not motion.safety(cell.now_ns).estop
    motion.estop("late")
    assert len(motion.stop_reasons) == MAX_REASONS and motion.safety(cell.now_ns).estop


@pytest.mark.parametrize("rate", [50, 100])
def test_the_way_back_is_as_fast_at_every_rate_of_joint_states(rate):
    motion, cell = start()
    for _ in range(30):
        cell.command(motion.tick(cell.state(), cell.time))
        cell.advance(1 / rate)
    reach, rest = motion.kinematics.groups["arm"].reach, np.zeros(7)
    way = motion.measured.q + np.outer(np.arange(200) * 1e-3, np.eye(7)[0])
    for q in way:
        motion.relief.record(q, set())
    motion.relief.goals(way[-1], rest, {"arm"})
    before = motion.relief.goals(way[-1], rest, {"arm"})["arm"]
    after = motion.relief.goals(way[-1], rest, {"arm"})["arm"]
    assert reach @ np.abs(after - before) * rate == pytest.approx(SPEED_M_S, rel=1e-6)


def test_why_it_is_stopped_stands_before_what_was_noted_since():
    """The task manager says the first of the reasons: seen was the rate of the joint states as the cause of a stop."""
    motion, cell = moving()
    motion.estop("the button")
    motion._note("joint states come at 100.0 Hz")
    reasons = motion.status(cell.now_ns, cell.time).reasons
    assert "the button" in reasons[0]
    assert reasons.count(reasons[0]) == 1
    assert "joint states come" in reasons[1]
