"""Every robot's arms against the published Denavit-Hartenberg tables and limits of their makers, multiplied out here."""

import numpy as np
import pinocchio as pin
import pytest

from vipa import resources
from vipa.robot.description import load_robot
from vipa.robot.kinematics import Kinematics


def modified(a, d, alpha, theta):
    """Craig's parameters: (4, 4) from one frame to the next."""
    ca, sa, c, s = np.cos(alpha), np.sin(alpha), np.cos(theta), np.sin(theta)
    return np.array([[c, -s, 0, a], [s * ca, c * ca, -sa, -d * sa], [s * sa, c * sa, ca, d * ca], [0, 0, 0, 1]])


def classic(a, d, alpha, theta):
    """Denavit and Hartenberg's own: (4, 4) from one frame to the next."""
    ca, sa, c, s = np.cos(alpha), np.sin(alpha), np.cos(theta), np.sin(theta)
    return np.array([[c, -s * ca, s * sa, a * c], [s, c * ca, -c * sa, a * s], [0, sa, ca, d], [0, 0, 0, 1]])


H, TURN = np.pi / 2, 2 * np.pi
# a (m), d (m), alpha (rad). FR3: Franka's documentation, then the flange. UR5e: Universal Robots' "DH parameters" article
FR3 = (
    modified,
    [(0, 0.333, 0), (0, 0, -H), (0, 0.316, H), (0.0825, 0, H), (-0.0825, 0.384, -H), (0, 0, H), (0.088, 0, H)],
    modified(0, 0.107, 0, 0),
)
UR5E = (
    classic,
    [(0, 0.1625, H), (-0.425, 0, 0), (-0.3922, 0, 0), (0, 0.1333, H), (0, 0.0997, -H), (0, 0.0996, 0)],
    np.eye(4),
)
FR3_LIMITS = [
    (-2.7437, 2.7437),
    (-1.7837, 1.7837),
    (-2.9007, 2.9007),
    (-3.0421, -0.1518),
    (-2.8065, 2.8065),
    (0.5445, 4.5169),
    (-3.0159, 3.0159),
]
UR5E_LIMITS = [(-TURN, TURN), (-TURN, TURN), (-np.pi, np.pi), *[(-TURN, TURN)] * 3]
FR3_SPEEDS, UR5E_SPEEDS = [2.62, 2.62, 2.62, 2.62, 5.26, 4.18, 5.26], [np.pi] * 6
# robot, group, the link at the table's base, the link at its end, table, limits, speeds
ARMS = [
    ("fr3_single", "arm", "fr3_link0", "fr3_link8", FR3, FR3_LIMITS, FR3_SPEEDS),
    ("fr3_dual", "left", "left_fr3_link0", "left_fr3_link8", FR3, FR3_LIMITS, FR3_SPEEDS),
    ("fr3_dual", "right", "right_fr3_link0", "right_fr3_link8", FR3, FR3_LIMITS, FR3_SPEEDS),
    ("fr3_inspire", "arm", "fr3_link0", "fr3_link8", FR3, FR3_LIMITS, FR3_SPEEDS),
    ("ur5e_single", "arm", "base_link_inertia", "tool0", UR5E, UR5E_LIMITS, UR5E_SPEEDS),
]
arms = pytest.mark.parametrize(
    "robot, group, base, end, table, limits, speeds", ARMS, ids=[f"{a[0]}-{a[1]}" for a in ARMS]
)


def test_every_arm_has_a_table():
    shipped = {(name, g.name) for name in resources.names("config/robots") for g in load_robot(name).arms}
    assert shipped == {(robot, group) for robot, group, *_ in ARMS}


@arms
def test_the_chain_is_the_published_table(robot, group, base, end, table, limits, speeds):
    step, rows, flange = table
    kinematics = Kinematics(load_robot(robot))
    model, data, spec = kinematics.model, kinematics.model.createData(), kinematics.group(group)
    random = np.random.default_rng(0)
    for _ in range(50):
        joints = random.uniform(spec.lower, spec.upper)
        q = pin.neutral(model)
        q[spec.q_index] = joints
        pin.framesForwardKinematics(model, data, q)
        expected = np.eye(4)
        for row, angle in zip(rows, joints, strict=True):
            expected = expected @ step(*row, angle)
        found = data.oMf[model.getFrameId(base)].actInv(data.oMf[model.getFrameId(end)])
        np.testing.assert_allclose(found.homogeneous, expected @ flange, atol=1e-9)


@arms
def test_limits_are_the_published_ones(robot, group, base, end, table, limits, speeds):
    kinematics = Kinematics(load_robot(robot))
    spec = kinematics.group(group)
    margin = spec.spec.position_margin
    np.testing.assert_allclose(np.column_stack([spec.lower - margin, spec.upper + margin]), limits, atol=1e-9)
    published = kinematics.model.velocityLimit[spec.v_index]
    np.testing.assert_allclose(published, speeds, atol=1e-9)
    assert np.all(np.asarray(spec.spec.max_velocity) <= published)
