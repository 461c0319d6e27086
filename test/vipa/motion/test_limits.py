"""Limits at run time: no sequence of requests ever loosens one, and what is in force holds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vipa.motion import limits
from vipa.motion.limits import Tighter
from vipa.motion.motion import Motion
from vipa.robot.description import load_robot
from vipa_cli.bench.ideal_robot import IdealRobot, drive, pose_chunk

ROBOT = load_robot("fr3_dual")
number = st.one_of(st.none(), st.floats(), st.floats(0, 60), st.floats(0, 1))
corner = st.one_of(
    st.none(),
    st.lists(st.floats(-2, 2) | st.floats(), min_size=2, max_size=4).map(np.array),
    st.tuples(*[st.floats(-0.9, 0.9)] * 3).map(np.array),
)
who = st.sampled_from(["anna", "ben"])
request = st.builds(
    Tighter, st.sampled_from(["", "left", "right", "nobody"]), number, number, corner, corner, who, st.booleans()
)


@settings(max_examples=300, deadline=None)
@given(st.lists(request, max_size=12))
def test_no_sequence_of_requests_loosens_what_the_file_or_another_has_drawn(requests):
    drawn = limits.Drawn(ROBOT)
    for wanted in requests:
        other = limits.Drawn(ROBOT)
        other.layers = {name: layer for name, layer in drawn.layers.items() if name != wanted.requester}
        before = drawn.in_force()
        try:
            drawn.request(wanted)
        except ValueError:
            assert drawn.in_force() == before
            continue
        robot = limits.apply(ROBOT, drawn.in_force())
        for old, new in zip(limits.apply(ROBOT, other.in_force()).groups, robot.groups, strict=True):
            file = ROBOT.group(new.name)
            for key in ("max_velocity", "tool_speed", "tool_angular_speed", "force_cap", "torque_cap"):
                value = np.array(getattr(new, key))
                assert np.all(value > 0) and np.all(value <= getattr(old, key)) and np.all(value <= getattr(file, key))
            for loose in (old, file):
                if loose.workspace is not None:
                    assert np.all(np.array(new.workspace.min) >= loose.workspace.min)
                    assert np.all(np.array(new.workspace.max) <= loose.workspace.max)
            for key in ("max_acceleration", "max_jerk", "joints", "position_margin", "hand"):
                assert getattr(new, key) == getattr(file, key)


def test_who_drew_a_limit_tighter_loosens_it_again_and_nobody_else():
    drawn = limits.Drawn(ROBOT)
    drawn.request(Tighter("left", 0.5, 20.0, requester="anna"))
    with pytest.raises(ValueError, match="left: speed_scale 0.8; allowed: 0.001 or more, up to 0.5"):
        drawn.request(Tighter("left", 0.8, requester="ben"))
    drawn.request(Tighter("left", 0.3, requester="ben"))
    assert drawn.in_force()["left"].speed_scale == 0.3 and drawn.in_force()["right"].speed_scale == 1.0
    drawn.request(Tighter("left", release=True, requester="ben"))
    assert drawn.in_force()["left"].speed_scale == 0.5
    drawn.request(Tighter("left", 0.8, requester="anna"))
    assert (drawn.in_force()["left"].speed_scale, drawn.in_force()["left"].force_cap) == (0.8, 20.0)
    drawn.request(Tighter(release=True, requester="anna"))
    assert drawn.in_force() == limits.of(ROBOT) and drawn.layers == {}


def test_requesters_are_bounded():
    drawn = limits.Drawn(ROBOT)
    for k in range(limits.MAX_REQUESTERS):
        drawn.request(Tighter(speed_scale=0.5, requester=f"r{k}"))
    with pytest.raises(ValueError, match="16 requesters"):
        drawn.request(Tighter(speed_scale=0.1, requester="one more"))
    drawn.request(Tighter(release=True, requester="r3"))
    drawn.request(Tighter(speed_scale=0.1, requester="one more"))


@pytest.mark.parametrize("wanted, message", [
    (Tighter(speed_scale=1.1), "speed_scale 1.1; allowed: 0.001 or more, up to 1"),
    (Tighter(force_cap=float("nan")), "force_cap nan; allowed: 0.1 or more"),
    (Tighter(workspace_min=np.array([0.1, -0.2])), "workspace"),
    (Tighter("nobody", 0.5), "group 'nobody'; allowed: left, right"),
])  # fmt: skip
def test_what_is_refused(wanted, message):
    with pytest.raises(ValueError, match=message):
        limits.Drawn(ROBOT).request(wanted)


def test_drawn_tighter_in_mid_motion_the_arm_slows_down_and_stays_inside():
    robot = load_robot("fr3_single")
    motion, cell = Motion(robot), IdealRobot(robot)
    motion.set_authority("commander")
    drive(motion, cell, 0.1)
    home = motion.commanded()["arm"].tool_pose
    poses = home + np.outer(np.arange(1, 41), [0, 0.03, 0, 0, 0, 0, 0])
    assert motion.chunk(pose_chunk(motion, "arm", poses, cell.now_ns, 0.1, 1), cell.now_ns, cell.time) == ""
    before = np.array(drive(motion, cell, 0.6).tool["arm"])[:, 1]
    assert np.diff(before).max() / motion.dt > 0.25
    wall = float(home[1]) + 0.3
    box = np.array(robot.groups[0].workspace.max)
    assert motion.tighten(Tighter(speed_scale=0.2, workspace_max=np.array([box[0], wall, box[2]]))) == ""
    assert "up to 0.2" in motion.tighten(Tighter(speed_scale=0.3, requester="another"))
    log = drive(motion, cell, 6.0)
    y = np.array(log.tool["arm"])[:, 1]
    speeds = np.linalg.norm(np.diff(np.array(log.tool["arm"])[:, :3], axis=0), axis=1) / motion.dt
    assert speeds[60:].max() <= 0.2 * robot.groups[0].tool_speed + 1e-3
    assert np.all(np.abs(log.array("v")[60:]) <= 0.2 * np.array(robot.groups[0].max_velocity) + 1e-5)
    assert y.max() <= wall + 1e-3 and y[-1] > wall - 0.02
    assert np.all(np.abs(log.jerk) <= motion.gate.jerk + 1e-2)
    assert motion.safety(cell.now_ns).limits["arm.tool_speed"] == pytest.approx(0.2 * robot.groups[0].tool_speed)
