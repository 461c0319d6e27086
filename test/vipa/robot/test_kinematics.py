"""Kinematics against independent numbers: the FR3's published Denavit-Hartenberg table, multiplied out here."""

import dataclasses

import numpy as np
import pytest

from vipa.errors import VipaError
from vipa.geometry import rotation
from vipa.robot.description import load_robot
from vipa.robot.kinematics import Kinematics

# Franka's documentation, modified (Craig) parameters of the FR3: a (m), d (m), alpha (rad); then the flange
TABLE = [
    (0, 0.333, 0),
    (0, 0, -np.pi / 2),
    (0, 0.316, np.pi / 2),
    (0.0825, 0, np.pi / 2),
    (-0.0825, 0.384, -np.pi / 2),
    (0, 0, np.pi / 2),
    (0.088, 0, np.pi / 2),
]
FLANGE, HAND_TURN, HAND_LENGTH = 0.107, -np.pi / 4, 0.1034
LIMITS = [
    (-2.7437, 2.7437),
    (-1.7837, 1.7837),
    (-2.9007, 2.9007),
    (-3.0421, -0.1518),
    (-2.8065, 2.8065),
    (0.5445, 4.5169),
    (-3.0159, 3.0159),
]


def denavit_hartenberg(q):
    """Base to hand TCP, (4, 4)."""
    t = np.eye(4)
    for (a, d, alpha), angle in zip(TABLE, q):
        ca, sa, c, s = np.cos(alpha), np.sin(alpha), np.cos(angle), np.sin(angle)
        t = t @ np.array([[c, -s, 0, a], [s * ca, c * ca, -sa, -d * sa], [s * sa, c * sa, ca, d * ca], [0, 0, 0, 1]])
    c, s = np.cos(HAND_TURN), np.sin(HAND_TURN)
    return t @ np.array([[c, -s, 0, 0], [s, c, 0, 0], [0, 0, 1, FLANGE + HAND_LENGTH], [0, 0, 0, 1]])


@pytest.fixture(scope="module")
def kinematics():
    return Kinematics(load_robot("fr3_single"))


def samples(kinematics, count, seed=0):
    return np.random.default_rng(seed).uniform(kinematics.lower, kinematics.upper, (count, len(kinematics.lower)))


def test_forward_is_the_published_table(kinematics):
    arm = kinematics.group("arm")
    for q in samples(kinematics, 50):
        expected, pose = denavit_hartenberg(q), arm.forward(q)
        np.testing.assert_allclose(pose[:3], expected[:3, 3], atol=1e-9)
        np.testing.assert_allclose(rotation.to_matrix(pose[3:]), expected[:3, :3], atol=1e-9)


def test_limits_are_the_published_ones_less_the_margin(kinematics):
    margin = kinematics.robot.group("arm").position_margin
    np.testing.assert_allclose(kinematics.lower, np.array(LIMITS)[:, 0] + margin, atol=1e-9)
    np.testing.assert_allclose(kinematics.upper, np.array(LIMITS)[:, 1] - margin, atol=1e-9)


def test_jacobian_is_the_derivative(kinematics):
    arm, step = kinematics.group("arm"), 1e-6
    for q in samples(kinematics, 10, seed=1):
        jacobian = arm.jacobian(q)
        for j in range(7):
            plus, minus = (arm.forward(q + sign * step * np.eye(7)[j]) for sign in (1, -1))
            np.testing.assert_allclose(jacobian[:3, j], (plus[:3] - minus[:3]) / (2 * step), atol=1e-7)
            np.testing.assert_allclose(
                jacobian[3:, j], rotation.difference(plus[3:], minus[3:]) / (2 * step), atol=1e-7
            )


def test_reach_bounds_what_a_joint_does_to_the_tool(kinematics):
    arm = kinematics.group("arm")
    for q in samples(kinematics, 100, seed=2):
        assert np.all(np.linalg.norm(arm.jacobian(q)[:3], axis=0) <= arm.reach + 1e-9)


@pytest.mark.parametrize("where", ["pose", "seed"])
def test_solve_has_no_answer_to_what_is_not_finite(kinematics, where):
    arm = kinematics.groups["arm"]
    home = np.array(arm.spec.home)
    asked = {"pose": arm.forward(home), "seed": home.copy()}
    asked[where][0] = np.nan
    assert arm.solve(asked["pose"], asked["seed"]) is None


def test_solve_finds_reachable_poses(kinematics):
    arm = kinematics.group("arm")
    home = np.array(arm.spec.home)
    for q in samples(kinematics, 40, seed=3):
        pose = arm.forward(q)
        solved = arm.solve(pose, home)
        assert solved is not None
        assert np.all(solved >= arm.lower) and np.all(solved <= arm.upper)
        assert np.linalg.norm(arm.forward(solved)[:3] - pose[:3]) < 1e-4
        assert np.linalg.norm(rotation.difference(arm.forward(solved)[3:], pose[3:])) < 1e-3


def test_solve_heeds_accept_and_gives_up_out_of_reach(kinematics):
    arm = kinematics.group("arm")
    home = np.array(arm.spec.home)
    pose = arm.forward(home)
    np.testing.assert_allclose(arm.solve(pose, home), home)
    elbow = arm.solve(pose, home, accept=lambda q: q[2] > 0.4)
    assert elbow is not None and elbow[2] > 0.4
    assert arm.solve(pose, home, accept=lambda q: False) is None
    assert arm.solve(np.array([2.0, 0, 0.5, 1, 0, 0, 0]), home) is None


def test_hand_opens_both_fingers(kinematics):
    model = kinematics.model
    opened = kinematics.configuration(kinematics.home, {"arm": np.array([0.5])})
    fingers = [opened[model.joints[model.getJointId(f"fr3_finger_joint{i}")].idx_q] for i in (1, 2)]
    np.testing.assert_allclose(fingers, [0.02, 0.02])


@pytest.mark.parametrize(
    "change, message",
    [
        ({"joints": ["fr3_joint1", "elbow"], "home": [0.0, 0.0]}, "no joint 'elbow'.*allowed: fr3_joint1"),
        ({"tool_frame": "claw"}, "no link 'claw'.*allowed:.*fr3_hand_tcp"),
        ({"base_frame": "fr3_link3"}, "base_frame 'fr3_link3' moves with joint 'fr3_joint3'"),
        ({"home": [3.0, -0.6, 0.0, -2.3, 0.0, 1.7, 0.785]}, "home.*leaves the position limits"),
        ({"tool_frame": "fr3_link3"}, "tool_frame 'fr3_link3' must move with the group's joints and no others"),
    ],
)
def test_a_robot_file_that_does_not_fit_its_urdf_is_refused(change, message):
    robot = load_robot("fr3_single")
    if "joints" in change:
        change = (
            change
            | {key: [1.0, 1.0] for key in ("max_velocity", "max_acceleration", "max_jerk")}
            | {"end_limits": None}
        )
    group = dataclasses.replace(robot.groups[0], **change)
    with pytest.raises(VipaError, match=message):
        Kinematics(dataclasses.replace(robot, groups=[group]))


def test_a_missing_urdf_is_named():
    with pytest.raises(VipaError, match="nowhere.urdf: No such file"):
        Kinematics(dataclasses.replace(load_robot("fr3_single"), urdf="nowhere.urdf"))


def test_a_group_that_is_none_is_named():
    with pytest.raises(VipaError, match=r"unknown group of robot fr3_dual 'middle'; allowed: head, left, right"):
        load_robot("fr3_dual").group("middle")
