"""What motion refuses, and what it says of itself."""

import dataclasses
import re

import numpy as np
import pytest

from helpers.following import ROBOT, WALL, follow, line, start, tool
from vipa.errors import VipaError
from vipa.motion.chunk import GroupAction, Mode
from vipa.motion.motion import Motion
from vipa.robot.fixture import Fixture
from vipa_cli.bench.ideal_robot import drive, pose_chunk


def chunk_with(motion, cell, **fields):
    pose = tool(motion)
    return dataclasses.replace(pose_chunk(motion, "arm", np.array([pose, pose]), cell.now_ns, 0.1, 5), **fields)


def action(motion, **fields):
    return dataclasses.replace(pose_chunk(motion, "arm", np.array([tool(motion)] * 2), 0, 0.1, 5).groups[0], **fields)


REFUSED = {
    "epoch": (lambda m, c: chunk_with(m, c, epoch=m.epoch - 1), "epoch 1; allowed: 2"),
    "authority": (lambda m, c: chunk_with(m, c, commander_id="thief"), "'thief' has no authority; 'commander' has"),
    "dt": (lambda m, c: chunk_with(m, c, dt=0.0), r"dt 0.0 s; allowed: 0.002 .. 5.0"),
    "dt nan": (lambda m, c: chunk_with(m, c, dt=float("nan")), "dt nan s"),
    "future": (
        lambda m, c: chunk_with(m, c, start_ns=c.now_ns + 11 * 10**9),
        r"starts 11.000 s in the future; allowed: 10.0",
    ),
    "past": (
        lambda m, c: chunk_with(m, c, start_ns=c.now_ns - 10**9),
        r"arm: its last step was due 0.900 s ago; allowed: 0.5",
    ),
    "observation": (
        lambda m, c: chunk_with(m, c, observation_ns=c.now_ns - 2 * 10**9 - 1),
        r"its observation is 2.000 s old",
    ),
    "no groups": (lambda m, c: chunk_with(m, c, groups=()), "no groups"),
    "group": (lambda m, c: chunk_with(m, c, groups=(action(m, name="leg"),)), "unknown group 'leg'; allowed: arm"),
    "twice": (lambda m, c: chunk_with(m, c, groups=(action(m), action(m))), "a group stands twice"),
    "frame": (
        lambda m, c: chunk_with(m, c, groups=(action(m, frame_id="map"),)),
        "frame_id 'map'; allowed: 'fr3_link0'",
    ),
    "tip": (
        lambda m, c: chunk_with(m, c, groups=(action(m, tip_frame="x"),)),
        "tip_frame 'x'; allowed: 'fr3_hand_tcp'",
    ),
    "not finite": (
        lambda m, c: chunk_with(m, c, groups=(action(m, poses=np.full((2, 7), np.nan)),)),
        "arm: poses are not finite at step 0",
    ),
    "shape": (lambda m, c: chunk_with(m, c, groups=(action(m, poses=np.zeros((2, 6))),)), r"poses have shape \(2, 6\)"),
    "steps": (
        lambda m, c: chunk_with(m, c, groups=(action(m, poses=np.tile(tool(m), (1001, 1))),)),
        "1001 steps; allowed: at most",
    ),
    "quaternion": (
        lambda m, c: chunk_with(m, c, groups=(action(m, poses=np.tile(tool(m) * [1, 1, 1, 0, 0, 0, 0], (2, 1))),)),
        "quaternion of step 0 has norm 0; allowed: 1 within 0.001",
    ),
    "jump": (
        lambda m, c: chunk_with(m, c, groups=(action(m, poses=np.tile(tool(m) + [0, 1, 0, 0, 0, 0, 0], (2, 1))),)),
        "its first step lies 1.000 m from the tool; allowed: 0.250",
    ),
    "teleport": (
        lambda m, c: chunk_with(
            m, c, groups=(action(m, poses=np.array([tool(m), tool(m) + [0, 0.5, 0, 0, 0, 0, 0]])),)
        ),
        "steps 0 and 1 ask for 5 m/s; allowed: 3",
    ),
    "both": (lambda m, c: chunk_with(m, c, groups=(action(m, joints=np.zeros((2, 7))),)), "poses and joints at once"),
    "joints": (
        lambda m, c: chunk_with(m, c, groups=(GroupAction("arm", joint_names=("a",), joints=np.zeros((2, 1))),)),
        "joint_names a; allowed: fr3_joint1",
    ),
    "hand names": (
        lambda m, c: chunk_with(m, c, groups=(GroupAction("arm", hand=np.zeros((2, 1))),)),
        "hand_joint_names ; allowed",
    ),
    "hand range": (
        lambda m, c: chunk_with(
            m, c, groups=(GroupAction("arm", hand_joint_names=("fr3_finger_joint1",), hand=np.full((2, 1), 1.5)),)
        ),
        "hand opening 1.5 .. 1.5",
    ),
    "types": (lambda m, c: chunk_with(m, c, groups=(action(m, poses="north"),)), "shape"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals_say_what_where_and_what_is_allowed(case):
    motion, cell = start()
    make, message = REFUSED[case]
    answer = motion.chunk(make(motion, cell), cell.now_ns, cell.time)
    assert re.search(message, answer), answer
    status = motion.status(cell.now_ns, cell.time)
    assert status.refusals == 1 and status.reasons[0] == f"refused: {answer}" and status.mode == Mode.HOLDING


def test_seq_must_rise_and_nobody_moves_without_authority():
    motion, cell = start()
    assert motion.chunk(chunk_with(motion, cell), cell.now_ns, cell.time) == ""
    assert motion.chunk(chunk_with(motion, cell), cell.now_ns, cell.time) == "seq 5 is not above 5"
    motion.set_authority("")
    assert "nobody has" in motion.chunk(chunk_with(motion, cell, commander_id="x"), cell.now_ns, cell.time)
    assert Motion(ROBOT).chunk(chunk_with(motion, cell), 0, 0.0) == "no joint states yet"


def test_a_quaternion_within_tolerance_is_normalised():
    motion, cell = start()
    pose = tool(motion) * np.array([1, 1, 1, 1.0005, 1.0005, 1.0005, 1.0005])
    assert motion.chunk(pose_chunk(motion, "arm", pose, cell.now_ns, 0.1, 1), cell.now_ns, cell.time) == ""


@pytest.mark.parametrize(
    "state, message",
    [
        (lambda s: dataclasses.replace(s, positions=s.positions * np.nan), "joint state: fr3_joint1: not finite"),
        (lambda s: dataclasses.replace(s, positions=s.positions[:3]), r"joint state: 8 names, but positions \(3,\)"),
        (lambda s: dataclasses.replace(s, velocities=np.array([])), "velocities"),
        (lambda s: dataclasses.replace(s, stamp_ns=0), "joint state: its stamp is zero"),
        (lambda s: dataclasses.replace(s, names=s.names[:1] * 8), "joint state: a joint stands twice"),
    ],
)
def test_a_bad_joint_state_is_dropped(state, message):
    motion, cell = start()
    cell.advance(0.01)
    assert motion.tick(state(cell.state()), cell.time) == {}
    assert re.search(message, motion.reasons[0])


def test_contacts_are_bounded_by_the_robots_file():
    motion, _ = start([WALL])
    assert motion.context([["fingers", "wall"]]) == ""
    assert motion.safety(0).allowed_contacts == (("fingers", "wall"),)
    assert (
        motion.context([["fr3_link4", "wall"]])
        == "contact fr3_link4|wall; allowed by the robot's file: fingers|fixtures, tool|fixtures (and objects in place of fixtures)"
    )
    for pair in (
        ["fingers", "fr3_link3"],
        ["fr3_leftfinger", "fr3_link3"],
        ["fingers", "fingers"],
        ["drawer", "apple"],
    ):
        assert motion.context([pair]).startswith(f"contact {'|'.join(pair)}; allowed by"), pair
    assert motion.safety(0).allowed_contacts == (("fingers", "wall"),)
    assert motion.context([["drawer_handle", "fr3_leftfinger"]]) == ""
    assert motion.context([]) == "" and motion.safety(0).allowed_contacts == ()
    strict, _ = start([WALL], dataclasses.replace(ROBOT, may_touch=[["fingers", "table"]]))
    assert strict.context([["fingers", "wall"]]).endswith(
        "allowed by the robot's file: fingers|table (and objects in place of fixtures)"
    )
    assert strict.context([["fingers", "table"]]) == ""


@pytest.mark.parametrize(
    "name, why",
    [
        ("wall", "is that of a fixture"),
        ("fr3_link7", "is that of a link"),
        ("fr3_link0", "is that of a link"),
        ("fingers", "is that of a kind"),
        ("tool", "is that of a kind"),
        ("fixtures", "is that of a kind"),
        ("a|b", "no |"),
        ("x" * 65, "1 to 64"),
        ("a\x07", "printable"),
    ],
)
def test_a_tools_name_opens_nothing(name, why):
    """A tool that is called as the wall is: allowing it to touch a link would take the wall away from that link."""
    motion, _ = start([WALL])
    margins = motion.gate.clearance.margins.copy()
    assert why in motion.context([[name, "fr3_link7"]], "arm", f"{name} 0.1 0.1 0.1")
    np.testing.assert_array_equal(motion.gate.clearance.margins, margins)
    assert motion.task.tools == {}


@pytest.mark.parametrize(
    "numbers",
    [
        "0.1 0.1 0.1 0 0 0 nan 0 0",
        "0.1 0.1 0.1 0 0 0 0 inf 0",
        "0.1 0.1 0.1 0 0 0 0 0 1e9",
        "0.1 0.1 0.1 nan 0 0",
        "nan 0.1 0.1",
        "0.1 0.1 0.1" + " 0" * 10**5,
    ],
)
def test_a_tools_numbers_are_checked(numbers):
    motion, _ = start([WALL])
    assert motion.context([], "arm", f"stick {numbers}").startswith("held_tool: ")
    assert motion.task.tools == {}


def test_a_long_list_of_contacts_is_not_even_read():
    motion, _ = start([WALL])
    read = []
    pairs = (read.append(k) or ["fingers", f"thing{k}"] for k in range(10**5))
    assert motion.context(pairs) == "more than 32 contacts; allowed: 32"
    assert len(read) == 33


def test_a_fixtures_name_is_its_own():
    for name in ("fr3_link7", "fingers", "wall"):
        with pytest.raises(VipaError, match=f"box name '{name}' is that of"):
            start([WALL, Fixture(name, [3, 0, 0], [0.1, 0.1, 0.1])])
    # a name of the URDF's shapes is nobody's
    motion, _ = start([Fixture("fr3_link7_0", [3, 0, 0], [0.1, 0.1, 0.1])])
    assert ("fr3_link7" in motion.collisions.links) and motion.collisions.links[-1] == "fr3_link7_0"


def test_new_fixtures_are_kept_clear_of_at_once():
    motion, cell = start()
    assert not any("wall" in n for n in motion.collisions.names for n in n)
    motion.set_fixtures([WALL])
    home = tool(motion)
    drive(motion, cell, 2.0, follow(motion, line(home, [1, 0, 0], 0.2)))
    assert tool(motion)[0] < 0.65
    assert motion.safety(cell.now_ns).min_distance >= ROBOT.margin - 1e-5


def test_status_names_the_executing_step_and_what_is_committed():
    motion, cell = start()
    home = tool(motion)
    times = np.arange(20) * 0.05
    poses = np.array([line(home, [0, 1, 0], 0.1)(t) for t in times])
    motion.chunk(
        pose_chunk(motion, "arm", poses, cell.now_ns, 0.05, 7, observation_ns=cell.now_ns), cell.now_ns, cell.time
    )
    begin = cell.now_ns
    drive(motion, cell, 0.3)
    status = motion.status(cell.now_ns, cell.time)
    assert (status.mode, status.executing_seq, status.executing_step) == (Mode.EXECUTING, 7, 6)
    assert status.observation_age == pytest.approx(0.3) and status.chunk_age == pytest.approx(0.3)
    committed = status.committed
    assert committed.start_ns >= cell.now_ns and (committed.start_ns - begin) % 50_000_000 == 0
    due = (committed.start_ns - begin) / 1e9 + committed.dt * np.arange(len(committed.groups[0].poses))
    assert due[0] >= 0.3 and due[-1] <= 0.3 + 0.101
    for t, pose in zip(due, committed.groups[0].poses):
        np.testing.assert_allclose(pose[:3], line(home, [0, 1, 0], 0.1)(t)[:3], atol=2e-3)


def test_safety_tells_limits_and_the_nearest_pair():
    motion, cell = start([WALL])
    state = motion.safety(cell.now_ns)
    assert state.armed and not state.estop and state.limits["arm.tool_speed"] == 0.6
    assert state.min_distance > ROBOT.margin and "|" in state.min_distance_pair
