"""Every habit of MoveIt Servo that could move an arm wrongly, and what the backend makes of it. Against the stand-in."""

import numpy as np
import pytest

from helpers.servo_rig import Rig
from helpers.servo_stand_in import MARGIN, POSE
from vipa.motion.chunk import ActionChunk, GroupAction, Mode
from vipa.motion.servo import Target
from vipa.moveit.servo_dialogue import DIVERGED_RAD, NEAR_RAD, OUTPUT_TIMEOUT_S, Phase
from vipa.robot.state import JointTrajectory

AHEAD = [0.1, 0.0, -0.05]


@pytest.fixture
def rig():
    """Ready, and moving in the middle of a line at 0.11 m/s."""
    made = Rig()
    made.make_ready()
    assert made.chunk(made.line(AHEAD)) == ""
    made.tick(50)
    assert speed(made) > 0.05
    return made


def speed(rig):
    """Fastest commanded joint, rad/s."""
    return float(np.abs(rig.motion.gate.state.v).max())


def comes_to_rest(rig, within: float) -> None:
    """The arm is at rest after `within` seconds, holds, and has begun a new epoch."""
    epoch = rig.motion.epoch
    rig.tick(round(within / rig.motion.dt))
    assert speed(rig) < 1e-6, rig.motion.reasons
    rest = rig.q
    rig.tick(50)
    assert np.abs(rig.q - rest).max() < 1e-6
    assert rig.motion.status(0, rig.robot.time).mode in (Mode.HOLDING, Mode.STOPPED)
    assert rig.motion.epoch >= epoch


def test_undisturbed_it_arrives():
    rig = Rig()
    rig.make_ready()
    start = rig.motion.commanded()["arm"].tool_pose
    assert rig.chunk(rig.line(AHEAD)) == ""
    rig.tick(200)
    np.testing.assert_allclose((rig.motion.commanded()["arm"].tool_pose - start)[:3], AHEAD, atol=1e-3)
    assert not rig.motion.reasons and not any(rig.motion.gate.clamps.values())


# what happens to Servo in mid-motion; what the reason says; seconds until the arm is at rest: until it is noticed, and braking
FAULTS = {
    "it is started anew and has no type": (lambda r: r.servos["arm"].start(), "has put out nothing", OUTPUT_TIMEOUT_S + 0.4),
    "its clock runs ahead: stamps are old to it": (lambda r: setattr(r, "servo_clock_ahead", 0.15), "has put out nothing", OUTPUT_TIMEOUT_S + 0.4),
    "its output is lost": (lambda r: r.mute.add("arm"), "has put out nothing", OUTPUT_TIMEOUT_S + 0.4),
    "it halts before a collision": (lambda r: setattr(r.servos["arm"], "scale", 0.0), "halted before a collision", 0.4),
    "somebody else pauses it": (lambda r: r.servos["arm"].pause_servo(True), "has put out nothing", OUTPUT_TIMEOUT_S + 0.4),
    "it is gone": (lambda r: r.present.clear(), "is not there", 0.4),
    "it says what no status is": (lambda r: setattr(r.servos["arm"], "cycle", lambda now: ((42, ""), None)), "says 42", 0.4),
    "it finds a command invalid": (lambda r: setattr(r.servos["arm"], "cycle", lambda now: ((-1, "Invalid"), None)),
                                   "did not accept", 0.4),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_mid_motion_brings_the_arm_to_rest_and_is_named(rig, fault):
    disturb, words, within = FAULTS[fault]
    epoch = rig.motion.epoch
    disturb(rig)
    for _ in range(round(within / rig.motion.dt)):
        rig.tick()
        if rig.motion.epoch > epoch:
            break
    assert rig.motion.epoch == epoch + 1
    assert any(reason.startswith("hold: Servo of arm") and words in reason for reason in rig.motion.reasons), (
        rig.motion.reasons
    )
    assert "Servo of arm" in rig.chunk(rig.line(AHEAD)), "no chunk is taken that Servo could not follow"
    comes_to_rest(rig, within)


@pytest.mark.parametrize(
    "disturb, mend",
    [
        (lambda r: r.servos["arm"].start(), lambda r: None),
        (lambda r: setattr(r, "servo_clock_ahead", 0.15), lambda r: setattr(r, "servo_clock_ahead", 0.0)),
        (lambda r: setattr(r.servos["arm"], "scale", 0.0), lambda r: setattr(r.servos["arm"], "scale", 1.0)),
        (lambda r: r.servos["arm"].pause_servo(True), lambda r: None),
        (lambda r: r.present.clear(), lambda r: (r.servos["arm"].start(), r.present.add("arm"))),
    ],
    ids=["started anew", "clock", "collision", "paused", "gone"],
)
def test_it_recovers_by_itself_when_the_cause_is_gone(rig, disturb, mend):
    disturb(rig)
    rig.tick(100)
    mend(rig)
    rig.make_ready(1000)
    assert rig.servos["arm"].type == POSE and not rig.servos["arm"].paused
    start = rig.motion.commanded()["arm"].tool_pose
    assert rig.chunk(rig.line([0.0, 0.05, 0.0])) == ""
    rig.tick(200)
    np.testing.assert_allclose((rig.motion.commanded()["arm"].tool_pose - start)[:3], [0, 0.05, 0], atol=1e-3)


def test_a_robot_at_perfect_rest_starts_it():
    rig = Rig()
    rig.tick()
    assert not rig.servos["arm"].started and "Servo of arm" in rig.chunk(rig.line(AHEAD))
    rig.make_ready()
    assert np.ptp(rig.path, axis=0).max() == 0.0, "the robot itself does not tremble"


def test_without_an_answer_it_is_never_ready_and_asks_again():
    rig = Rig()
    rig.answering = False
    rig.tick(250)
    assert rig.dialogues["arm"].phase is Phase.TYPING and rig.sent == []
    assert "has not confirmed its command type" in rig.chunk(rig.line(AHEAD))
    rig.answering = True
    rig.make_ready()


def test_stamps_are_never_ahead_of_ros_time_and_rise():
    rig = Rig()
    rig.robot_clock_ahead = 0.015  # /clock comes at 50 Hz: a joint state may be that much newer
    rig.make_ready()
    assert rig.chunk(rig.line(AHEAD)) == ""
    sent = len(rig.sent)
    for k in range(100):
        rig.tick()
        assert len(rig.sent) == sent + k + 1, "a pose every tick: 100 Hz"
        assert rig.sent[-1].stamp_ns <= rig.robot.now_ns
    assert np.all(np.diff([c.stamp_ns for c in rig.sent]) > 0)
    assert {c.frame_id for c in rig.sent} == {"fr3_link0"}


def test_when_the_stream_of_joint_states_ends_nothing_more_is_sent():
    """What Servo has then is old within a tenth of a second: no stamp lies in the future."""
    rig = Rig()
    rig.make_ready()
    rig.chunk(rig.line(AHEAD))
    rig.tick(50)
    servo, last = rig.servos["arm"], rig.sent[-1].stamp_ns
    outputs = [servo.cycle(last + k * 10_000_000)[1] for k in range(1, 40)]
    moved = [o.positions[-1] for o in outputs if o is not None]
    assert outputs[-1] is None
    assert np.abs(moved[-1] - moved[-2]).max() < 1e-4


@pytest.mark.parametrize(
    "pose",
    [[0.4, 0, 0.4, 0, 0, 0, 0], [0.4, 0, 0.4, 0, 0, 0, 2], [np.nan, 0, 0.4, 1, 0, 0, 0], [0.4, 0, np.inf, 1, 0, 0, 0]],
    ids=["zero", "not unit", "nan", "inf"],
)
def test_a_pose_that_servo_would_move_on_wrongly_is_not_sent(rig, pose):
    dialogue = rig.dialogues["arm"]
    assert "is not sent" in dialogue.aim(np.array(pose, float), rig.robot.now_ns)
    assert dialogue.command is None
    wish = rig.backend.step(
        rig.q,
        np.zeros(7),
        {"arm": Target(pose=type("R", (), {"value": np.array(pose, float)})())},
        {"arm": np.zeros(1)},
    )
    np.testing.assert_allclose(wish, 0.0, atol=1e-9)


def test_flickering_slow_downs_are_one_note_and_no_hold(rig):
    epoch, servo = rig.motion.epoch, rig.servos["arm"]
    whole, count = servo.cycle, [0]

    def flicker(now_ns):
        count[0] += 1
        return ((1, 3, 0, 6, 4)[count[0] % 3], ""), whole(now_ns)[1]

    servo.cycle = flicker
    rig.tick(40)
    notes = [reason for reason in rig.motion.reasons if "slowed" in reason]
    assert notes == ["Servo of arm is slowed by a singularity"] and rig.motion.epoch == epoch
    assert speed(rig) > 0.05


def test_at_a_joint_limit_other_joints_do_not_drift_far():
    """Measured: held by the limit of one joint, another turned by 1.4 rad."""
    rig = Rig()
    low = rig.motion.kinematics.lower[3] + MARGIN
    start = np.array(rig.motion.robot.arms[0].home)
    start[3] = low + 0.03
    rig.robot.positions |= dict(zip(rig.motion.robot.arms[0].joints, start, strict=True))
    rig.make_ready()
    rig.servos["arm"].drift = np.array([0.01, 0, 0, 0, 0, 0, 0])
    arm = rig.motion.kinematics.group("arm")
    beyond = start.copy()
    beyond[3] = low - 0.2
    assert rig.chunk(np.array([arm.forward(start + u * (beyond - start)) for u in np.linspace(0, 1, 15)])) == ""
    epoch = rig.motion.epoch
    for _ in range(300):
        rig.tick()
        if rig.motion.epoch > epoch:
            break
    assert "is held by a joint limit" in rig.motion.reasons[0]
    comes_to_rest(rig, 0.4)
    assert abs(rig.q[0] - start[0]) < 0.4, "0.3 s at 1 rad/s, and braking"
    away = rig.q + [0, 0, 0, 0.15, 0, 0, 0]  # a joint move leads out of the limit without Servo
    rig.seq += 1
    now, joints = rig.robot.now_ns, np.linspace(rig.q, away, 6)
    action = GroupAction("arm", joint_names=tuple(rig.motion.robot.arms[0].joints), joints=joints)
    assert (
        rig.motion.chunk(ActionChunk("test", rig.motion.epoch, rig.seq, now, now, 0.1, (action,)), now, rig.robot.time)
        == ""
    )
    rig.tick(150)
    np.testing.assert_allclose(rig.q, away, atol=2e-3)
    rig.make_ready(1000)
    assert rig.chunk(rig.line([0.0, 0.0, 0.05])) == ""


def test_a_servo_that_means_another_tool_is_never_followed():
    rig = Rig()
    rig.servos["arm"].tool = np.array([0.0, 0.0, 0.05])  # configured for a tool 5 cm off
    rig.tick(500)
    assert "rad from the arm" in rig.dialogues["arm"].refusal() or "Servo of arm" in rig.dialogues["arm"].refusal()
    assert "Servo of arm" in rig.chunk(rig.line(AHEAD)) and np.ptp(rig.path, axis=0).max() == 0.0


def test_a_status_that_persists_is_no_proof_that_it_follows(rig):
    """NO_WARNING is repeated for ever; what counts is that joints come."""
    rig.mute.add("arm")
    for _ in range(100):
        rig.tick()
        rig.dialogues["arm"].take_status(0, "No warnings", rig.robot.time)
    assert rig.dialogues["arm"].phase is not Phase.READY and speed(rig) == 0.0


def test_an_emergency_stop_pauses_it_and_nothing_of_it_is_followed(rig):
    rig.motion.estop("test")
    comes_to_rest(rig, 0.4)
    servo, dialogue, q = rig.servos["arm"], rig.dialogues["arm"], rig.q
    assert servo.paused and not servo.checking and dialogue.phase is Phase.PAUSED
    for k in range(50):  # paused it checks no collisions: whatever it put out now, the arm stays
        joints = q + 0.01 * k
        dialogue.take_output(
            JointTrajectory(tuple(dialogue.group.joints), np.zeros(1), joints[None], np.ones((1, 7))), rig.robot.time
        )
        rig.tick()
    assert np.abs(rig.q - q).max() < 1e-9


@pytest.mark.parametrize("leap", [0.03, 0.5, -2.0])
def test_resumed_it_may_leap_and_the_arm_does_not(rig, leap):
    rig.motion.estop("test")
    rig.tick(60)
    q = rig.q
    rig.servos["arm"].resume_leap = np.full(7, leap)
    assert rig.motion.rearm() == ""
    rig.motion.set_authority("test")
    assert "Servo of arm" in rig.chunk(rig.line(AHEAD))
    ticks = 0
    while rig.dialogues["arm"].refusal():
        rig.tick()
        ticks += 1
        assert np.abs(rig.q - q).max() < 1e-6 and ticks < 1000
    assert np.abs(rig.dialogues["arm"].reference().value - q).max() < NEAR_RAD
    assert ticks * rig.motion.dt > 0.2, "longer than two periods of its collision check"
    assert rig.servos["arm"].checking


def test_an_output_far_from_the_arm_is_not_followed(rig):
    dialogue, epoch = rig.dialogues["arm"], rig.motion.epoch
    rig.mute.add("arm")
    far = rig.q + DIVERGED_RAD + 0.1
    dialogue.take_output(
        JointTrajectory(tuple(dialogue.group.joints), np.zeros(1), far[None], np.zeros((1, 7))), rig.robot.time
    )
    rig.tick()
    assert rig.motion.epoch == epoch + 1 and "rad from the arm" in rig.motion.reasons[0]
    comes_to_rest(rig, 0.4)
    assert np.abs(rig.q - far).min() > DIVERGED_RAD / 2


@pytest.mark.parametrize("change, words", [
    ({"joint_names": ("a", "b")}, "output for a, b; allowed: fr3_joint1"),
    ({"positions": np.full((1, 7), np.nan)}, "not finite"),
    ({"positions": np.zeros((0, 7)), "velocities": np.zeros((0, 7))}, "output with positions"),
    ({"velocities": np.zeros((1, 0))}, "output with positions"),
])  # fmt: skip
def test_an_output_that_is_none_is_dropped_and_counted(rig, change, words):
    dialogue = rig.dialogues["arm"]
    good = {
        "joint_names": tuple(dialogue.group.joints),
        "times": np.zeros(1),
        "positions": rig.q[None],
        "velocities": np.zeros((1, 7)),
    }
    assert words in dialogue.take_output(JointTrajectory(**(good | change)), rig.robot.time)
    assert dialogue.dropped == 1


def test_two_arms_have_a_servo_each_and_a_silent_one_stops_them_both():
    rig = Rig("fr3_dual")
    rig.make_ready()
    assert rig.chunk(rig.line([0.05, 0.0, 0.0]), group="left") == ""
    rig.tick(40)
    rig.mute.add("right")  # it holds: nobody follows its Servo
    rig.tick(40)
    assert not rig.motion.reasons
    assert "Servo of right" in rig.chunk(rig.line([0.05, 0.0, 0.0], group="right"), group="right")
    assert rig.chunk(rig.line([0.0, 0.05, 0.0]), group="left") == ""
    rig.tick(20)
    rig.mute.add("left")
    comes_to_rest(rig, OUTPUT_TIMEOUT_S + 0.4)
    assert any("Servo of left has put out nothing" in reason for reason in rig.motion.reasons)
