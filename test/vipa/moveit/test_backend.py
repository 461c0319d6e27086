"""The MoveIt backend as a whole: it tracks through the stand-in, and whatever Servo puts out, every limit holds at every tick."""

import dataclasses

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers.hostile import CASES, Adversary, starts
from helpers.servo_rig import Rig
from vipa.errors import VipaError
from vipa.motion.chunk import ActionChunk, GroupAction
from vipa.motion.motion import Motion
from vipa.moveit.backend import MoveItBackend
from vipa.moveit.servo_dialogue import Pause, SetType
from vipa.robot.description import load_robot
from vipa.robot.fixture import Fixture
from vipa.robot.state import JointTrajectory

FIXTURES = [Fixture("table", [0.5, 0, -0.02], [1.2, 1.6, 0.04]), Fixture("cabinet", [0.65, 0.5, 0.15], [0.3, 0.3, 0.3])]


def test_a_circle_is_tracked():
    """10 cm circle at 5 cm/s, poses 30 times a second, as MoveIt Servo was measured with: error without the lag, and the lag."""
    rig = Rig()
    rig.make_ready()
    start = rig.motion.commanded()["arm"].tool_pose
    rate, omega = 1 / 30, 0.05 / 0.1
    asked, came, times = [], [], []
    for k in range(700):
        now = k * rig.motion.dt
        circle = [0.1 * (np.cos(omega * now) - 1), 0.1 * np.sin(omega * now), 0]
        if k % 3 == 0:
            pose = start.copy()
            pose[:3] += circle
            assert rig.chunk(pose[None], dt=rate) == ""
        rig.tick()
        if k > 150:
            asked.append(circle)
            came.append((rig.motion.commanded()["arm"].tool_pose - start)[:3])
            times.append(now)
    asked, came = np.array(asked), np.array(came)
    lag = min(range(40), key=lambda n: float(np.linalg.norm(came[n:] - asked[: len(asked) - n], axis=1).mean()))
    off = np.linalg.norm(came[lag:] - asked[: len(asked) - lag], axis=1)
    assert lag * rig.motion.dt <= 0.2 and np.sqrt(np.mean(off**2)) < 2e-3
    assert not any(rig.motion.gate.clamps.values()) and not rig.motion.reasons


def test_a_robot_that_is_too_slow_for_servo_is_refused():
    with pytest.raises(VipaError, match="control_rate 40 Hz; allowed with motion backend moveit: 50 or more"):
        Motion(dataclasses.replace(load_robot("fr3_single"), control_rate=40.0), backend=MoveItBackend)


def test_joint_targets_never_see_servo():
    """Planned moves and heads are executed through the gate whatever Servo does."""
    rig = Rig("fr3_dual")
    rig.present.clear()
    rig.tick(3)
    head, arm = rig.motion.robot.group("head"), rig.motion.robot.group("left")
    for group, goal in ((head, [0.3, 0.5]), (arm, np.array(arm.home) + 0.1)):
        action = GroupAction(group.name, joint_names=tuple(group.joints), joints=np.linspace(group.home, goal, 11))
        rig.seq += 1
        now = rig.robot.now_ns
        chunk = ActionChunk("test", rig.motion.epoch, rig.seq, now, now, 0.1, (action,))
        assert rig.motion.chunk(chunk, now, rig.robot.time) == ""
        rig.tick(200)
        columns = rig.motion.kinematics.columns[group.name]
        np.testing.assert_allclose(rig.q[columns], goal, atol=2e-3)
    assert not rig.sent and not rig.motion.reasons


class HostileServo(Adversary):
    """Beside hostile commanders a Servo that is ready and puts out anything."""

    def tick(self) -> None:
        backend = self.motion.servo
        backend.present = set(backend.dialogues) if self.random.random() > 0.002 else set()
        for dialogue in backend.dialogues.values():
            requests, dialogue.requests = dialogue.requests, []
            for request in requests:
                assert isinstance(request, SetType | Pause)
                dialogue.answered(request, bool(self.random.random() > 0.1))
            if self.random.random() < 0.01:
                dialogue.take_status(int(self.random.integers(-1, 8)), "", self.robot.time)
            elif self.random.random() < 0.3:
                dialogue.take_status(0, "", self.robot.time)
            self._output(dialogue)
            dialogue.command = None  # it was sent
        now_ns = self.robot.now_ns
        super().tick()
        for dialogue in backend.dialogues.values():
            if dialogue.command is not None:
                assert (
                    np.isfinite(dialogue.command.pose).all()
                    and abs(np.linalg.norm(dialogue.command.pose[3:]) - 1) < 1e-9
                )
                assert dialogue.command.stamp_ns <= now_ns

    def _output(self, dialogue):
        q = np.array([self.robot.positions[j] for j in dialogue.group.joints])
        spread = float(self.random.choice([0.0, 0.005, 0.2, 3.0], p=[0.6, 0.3, 0.08, 0.02]))
        positions = q + spread * self.random.normal(size=len(q))
        velocities = self.random.normal(size=len(q)) * self.random.choice([0.0, 1.0, 50.0], p=[0.6, 0.3, 0.1])
        if self.random.random() < 0.02:
            positions[0] = np.nan
        dialogue.take_output(
            JointTrajectory(tuple(dialogue.group.joints), np.zeros(1), positions[None], velocities[None]),
            self.robot.time,
        )


@pytest.fixture(scope="module")
def cell():
    motion = Motion(load_robot("fr3_single"), FIXTURES, backend=MoveItBackend)
    return motion, starts(motion, 12)


script = st.lists(st.tuples(st.sampled_from(["stream", "plunge", "far", "garbage", "estop", "rearm", "clock back", "bad state"]),
                            st.integers(1, 60)), min_size=1, max_size=8)  # fmt: skip


@settings(max_examples=CASES // 8, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32 - 1), script=script)
def test_every_limit_holds_whatever_servo_puts_out(cell, seed, script):
    motion, places = cell
    adversary = HostileServo(motion, np.random.default_rng(seed))
    adversary.begin(places[seed % len(places)])
    for _ in range(60):
        adversary.tick()
    for event, ticks in script:
        adversary.event(event)
        for _ in range(ticks):
            adversary.tick()
