"""A person drives through motion and its gate: each kind of input, the deadman, the clutch, the start guard."""

import numpy as np
import pytest

from helpers.driven_arm import Driven
from vipa.commanders.teleop import commander, joints
from vipa.commanders.teleop.device import SELECTED, ArmInput
from vipa.commanders.teleop.settings import Settings
from vipa.errors import VipaError
from vipa.geometry import rotation
from vipa.motion.chunk import Mode
from vipa.robot.fixture import Fixture

LEFT = np.array([0.0, 1.0, 0, 0, 0, 0])


def rate(*values, held=True, arm=SELECTED):
    return {arm: ArmInput(held=held, rate=np.array(values, float))}


def keys(*values):
    return {SELECTED: ArmInput(steps=np.array(values, float))}


def pose(xyz, turn=(0, 0, 0), held=True):
    return {SELECTED: ArmInput(held=held, pose=np.concatenate([xyz, rotation.exp(np.array(turn, float))]))}


def speeds(log, arm="arm"):
    track = np.array(log.tool[arm])[:, :3]
    return np.linalg.norm(np.diff(track, axis=0), axis=1) / 0.01


def test_a_held_rate_drives_at_its_speed_and_release_holds_within_100_ms():
    driven = Driven()
    log = driven.run(1.0, rate(*LEFT))
    assert speeds(log)[-1] == pytest.approx(0.15, rel=0.01) and set(log.answers) == {""}
    log = driven.run(0.1, rate(*LEFT, held=False))
    assert speeds(log)[-1] < 0.1 * 0.15
    sent = len(driven.chunks)
    log = driven.run(1.0, rate(*LEFT, held=False))
    assert speeds(log).max() < 0.01 and speeds(log)[-1] < 1e-4 and len(driven.chunks) == sent


def test_a_lost_link_is_a_release():
    driven = Driven()
    driven.run(1.0, rate(*LEFT))
    log = driven.run(0.1, rate(*LEFT), fault="the gamepad is gone")
    assert speeds(log)[-1] < 0.1 * 0.15 and driven.teleop.notes == ["the gamepad is gone"]


def test_a_key_is_one_bounded_step_in_the_persons_frame():
    driven = Driven(deadman=False)
    before = driven.tool().copy()
    driven.run(1.0, keys(1, 0, 0, 0, 0, 0))
    np.testing.assert_allclose((driven.tool() - before)[:3], [0.01, 0, 0], atol=2e-4)
    driven.run(0.02, events=("slower",))
    driven.run(1.0, keys(0, 0, -1, 0, 0, 0))
    np.testing.assert_allclose((driven.tool() - before)[:3], [0.01, 0, -0.005], atol=2e-4)
    driven.run(0.02, events=("next_frame",))
    assert driven.teleop.frame == "tool"
    driven.run(1.0, keys(0, 0, 2, 0, 0, 0))  # along the fingers: down
    np.testing.assert_allclose((driven.tool() - before)[:3], [0.01, 0, -0.015], atol=4e-4)
    turned = driven.tool()[3:].copy()
    driven.run(1.0, keys(0, 0, 0, 0, 0, 1))
    assert np.linalg.norm(rotation.difference(driven.tool()[3:], turned)) == pytest.approx(0.025, abs=1e-3)


def test_in_a_cameras_frame_left_is_left_in_its_picture():
    driven = Driven(deadman=False, settings=Settings(frame="scene"))
    before = driven.tool().copy()
    driven.run(1.0, keys(0, 1, 0, 0, 0, 0))
    states = driven.motion.groups()
    looks = driven.teleop.frames.cameras.extrinsics("scene", states["arm"].positions)
    base = driven.teleop.frames.kinematics.group("arm").base.rotation
    seen = looks[:3, :3].T @ base @ (driven.tool() - before)[:3]
    np.testing.assert_allclose(seen, [-0.01, 0, 0], atol=3e-4)  # optical: x to the right


def test_keys_are_not_saved_up():
    driven = Driven(deadman=False)
    before = driven.tool().copy()
    for _ in range(40):  # a key held down: 50 a second of 10 mm
        driven.run(0.02, keys(1, 0, 0, 0, 0, 0))
    at_release = driven.tool().copy()
    driven.run(1.0)
    assert np.linalg.norm((driven.tool() - at_release)[:3]) < 0.05
    assert (driven.tool() - before)[0] < 0.15 * 0.8 + 0.05


def test_the_clutch_moves_the_tool_as_the_device_has_moved_since():
    driven = Driven()
    before = driven.tool().copy()
    far = np.array([5.0, -3.0, 1.0])  # where the device is does not count
    driven.run(0.2, pose(far))
    np.testing.assert_allclose(driven.tool(), before, atol=1e-4)
    for k in range(1, 21):
        driven.run(0.05, pose(far + [0, 0.004 * k, 0], (0, 0, 0.01 * k)))
    driven.run(0.5, pose(far + [0, 0.08, 0], (0, 0, 0.2)))
    np.testing.assert_allclose((driven.tool() - before)[:3], [0, 0.08, 0], atol=1e-3)
    assert rotation.difference(driven.tool()[3:], before[3:]) == pytest.approx([0, 0, 0.2], abs=5e-3)
    held = driven.tool().copy()
    driven.run(0.1, pose(far, held=False))
    log = driven.run(0.5, pose(far + [0.5, 0.5, 0]))  # taken up elsewhere
    np.testing.assert_allclose(driven.tool()[:3], held[:3], atol=3e-3)
    assert speeds(log).max() < 0.05


def test_a_device_that_leaps_is_let_go_of_until_it_is_taken_hold_of_again():
    driven = Driven()
    driven.run(0.3, pose([0, 0, 0]))
    before = driven.tool().copy()
    driven.run(0.5, pose([1.0, 0, 0]))
    np.testing.assert_allclose(driven.tool(), before, atol=1e-4)
    assert driven.teleop.notes == ["the device leapt; let go and take hold again"]
    driven.run(0.5, pose([1.02, 0, 0]))
    np.testing.assert_allclose(driven.tool(), before, atol=1e-4)
    driven.run(0.1, pose([1.02, 0, 0], held=False))
    driven.run(0.2, pose([1.02, 0, 0]))
    driven.run(0.5, pose([1.05, 0, 0]))
    assert (driven.tool() - before)[0] == pytest.approx(0.03, abs=2e-3)


def test_locked_axes_stand_still():
    driven = Driven(settings=Settings(lock=["y", "yaw"]))
    before = driven.tool().copy()
    driven.run(1.0, rate(0.5, 1, 0, 0, 0, 1))
    off = driven.tool() - before
    assert off[0] > 0.05 and abs(off[1]) < 1e-3
    assert np.linalg.norm(rotation.difference(driven.tool()[3:], before[3:])) < 5e-3


def leader(driven, offset, held=True):
    q = driven.motion.groups()["arm"].positions + np.asarray(offset, float)
    return {SELECTED: ArmInput(held=held, joints=q, hand=1.0)}


OFF = [0, 0, 0, 0.5, 0, 0, 0.2]


def test_a_leader_arm_half_a_radian_off_moves_nothing_and_the_refusal_names_the_joints():
    driven = Driven()
    before = driven.motion.groups()["arm"].positions.copy()
    arms = leader(driven, OFF)
    driven.run(1.0, arms)
    np.testing.assert_allclose(driven.motion.groups()["arm"].positions, before, atol=1e-9)
    assert driven.teleop.notes == [
        "the leader is off: fr3_joint4 0.50 rad, fr3_joint7 0.20 rad (allowed: 0.15); bring it there first"
    ]
    assert not driven.chunks


def test_without_its_own_guard_the_leader_is_refused_by_motions(monkeypatch):
    """The cause taken away: what the device lets pass, and sends at once, the gate's guard refuses."""
    driven = Driven()
    monkeypatch.setattr(joints.JointDrive, "_misaligned", lambda *_: "")
    monkeypatch.setattr(
        joints.Track, "begin", lambda self, now, value: self._knots.append((now, value + np.array(OFF)))
    )
    before = driven.motion.groups()["arm"].positions.copy()
    log = driven.run(0.5, leader(driven, OFF))
    assert set(log.answers) and all("fr3_joint4" in a for a in log.answers)
    np.testing.assert_allclose(driven.motion.groups()["arm"].positions, before, atol=1e-9)


def test_a_leader_that_is_near_is_followed_at_a_bounded_speed():
    driven = Driven()
    before = driven.motion.groups()["arm"].positions.copy()
    arms = leader(driven, [0.1, 0, 0, 0.1, 0, 0, 0])
    log = driven.run(1.0, arms)
    np.testing.assert_allclose(driven.motion.groups()["arm"].positions, arms[SELECTED].joints, atol=1e-3)
    assert np.abs(log.array("v")).max() < joints.SPEED_SHARE * 2.0 * 1.1 and set(log.answers) == {""}
    driven.run(0.3, leader(driven, [0, 0, 0, 0, 0, 0, 0], held=False))
    assert np.abs(driven.motion.groups()["arm"].positions - before).max() < 0.11


def test_after_a_takeover_it_begins_where_the_arm_is_measured():
    driven = Driven()
    driven.run(0.5, pose([0, 0, 0]))
    driven.run(0.3, pose([0, 0.05, 0]))
    driven.motion.set_authority("policy")
    driven.run(0.5, pose([0, 0.1, 0]))
    driven.motion.set_authority("teleop")
    before = driven.tool().copy()
    log = driven.run(0.5, pose([0, 0.14, 0]))
    assert set(log.answers[-3:]) == {""}
    np.testing.assert_allclose(driven.tool()[:3], before[:3], atol=1e-3)


def test_an_arm_that_is_held_up_is_not_pulled_on():
    wall = Fixture("wall", [0.75, 0.0, 0.4], [0.2, 1.2, 0.8])
    driven = Driven(fixtures=[wall])
    driven.run(4.0, rate(1, 0, 0, 0, 0, 0))
    sent = driven.chunks[-1].groups[0].poses[-1]
    assert np.linalg.norm(sent[:3] - driven.tool()[:3]) < 0.1
    assert "held" in driven.teleop.notes[0] or "holds it up" in driven.teleop.notes[0]
    back = driven.tool().copy()
    driven.run(0.1, rate(1, 0, 0, 0, 0, 0, held=False))
    driven.run(0.7, rate(-1, 0, 0, 0, 0, 0))
    assert (back - driven.tool())[0] > 0.04  # no way back through what was never gone


def test_hands_follow_events_only_while_held():
    driven = Driven()
    driven.run(0.5, rate(*np.zeros(6), held=False), events=("open",))
    assert driven.motion.groups()["arm"].hand[0] == pytest.approx(0.0)
    driven.run(0.02, rate(*np.zeros(6)), events=("open",))
    driven.run(1.0, rate(*np.zeros(6)))
    assert driven.motion.groups()["arm"].hand[0] == pytest.approx(1.0)
    keyed = Driven(deadman=False)
    keyed.run(1.0, events=("open",))
    keyed.run(0.02, events=("narrower",))
    keyed.run(1.0)
    assert keyed.motion.groups()["arm"].hand[0] == pytest.approx(0.95, abs=1e-3)


def test_both_arms_or_one_and_the_head():
    driven = Driven("fr3_dual", deadman=False)
    before = {arm: driven.tool(arm).copy() for arm in ("left", "right")}
    driven.run(0.02, events=("next_arm",))
    driven.run(1.0, keys(0, 0, 1, 0, 0, 0))
    assert (driven.tool("right") - before["right"])[2] == pytest.approx(0.01, abs=3e-4)
    np.testing.assert_allclose(driven.tool("left"), before["left"], atol=1e-4)
    driven.run(0.02, events=("next_arm",))
    assert driven.teleop.selected == ("left", "right")
    driven.run(1.0, keys(0, 0, 1, 0, 0, 0), events=("head_left", "head_down"))
    assert (driven.tool("left") - before["left"])[2] == pytest.approx(0.01, abs=3e-4)
    assert (driven.tool("right") - before["right"])[2] == pytest.approx(0.02, abs=5e-4)
    np.testing.assert_allclose(driven.motion.groups()["head"].positions, [0.05, 0.80], atol=1e-3)


def test_a_heads_step_ends_where_it_leads_without_swinging_past():
    driven = Driven("fr3_dual", deadman=False)
    track = [driven.motion.groups()["head"].positions]
    driven.run(0.02, events=("head_left", "head_down"))
    for _ in range(50):
        driven.run(0.02)
        track.append(driven.motion.groups()["head"].positions)
    assert np.max(track, axis=0)[0] <= 0.056  # 0.118 where the way ends all at once
    np.testing.assert_allclose(track[25:], np.tile([0.05, 0.80], (26, 1)), atol=1e-3)  # from 0.5 s on


def test_two_hands_drive_two_arms():
    driven = Driven("fr3_dual")
    before = {arm: driven.tool(arm).copy() for arm in ("left", "right")}
    driven.run(0.5, rate(0, 0, 0.5, 0, 0, 0, arm="left") | rate(0, 0, -0.5, 0, 0, 0, arm="right", held=False))
    assert (driven.tool("left") - before["left"])[2] > 0.02
    np.testing.assert_allclose(driven.tool("right"), before["right"], atol=1e-4)


def test_stopped_it_says_nothing_and_keeps_no_clutch():
    driven = Driven(deadman=False)
    driven.run(0.1, events=("clutch",))
    assert driven.teleop.latched
    driven.motion.estop("test")
    driven.run(0.5, keys(1, 0, 0, 0, 0, 0))
    assert driven.motion.status(driven.cell.now_ns, driven.cell.time).mode is Mode.STOPPED
    assert not driven.teleop.latched and not driven.chunks


@pytest.mark.parametrize("settings, words", [
    (Settings(frame="front"), "unknown frame of robot 'fr3_single' 'front'; allowed: base, scene, tool, wrist"),
    (Settings(lock=["w"]), "unknown axis to lock 'w'"),
    (Settings(lock=list(commander.AXES)), "five at most"),
])  # fmt: skip
def test_settings_that_the_robot_does_not_have_are_refused(settings, words):
    with pytest.raises(VipaError, match=words):
        Driven(settings=settings)
