"""The URDF read by hand, by Pinocchio and by MuJoCo gives the same poses."""

import xml.etree.ElementTree as ElementTree

import mujoco
import numpy as np
import pinocchio
from scipy.spatial.transform import Rotation

from vipa.robot.state import JointTrajectory

TOLERANCE = 1e-9


def forward_by_hand(path, joints):
    """Link → (4, 4) straight from the file's joints; joints: name → position."""
    root = ElementTree.parse(path).getroot()
    placed = {"fr3_link0": np.eye(4)}
    todo = root.findall("joint")
    while todo:
        joint = next(j for j in todo if j.find("parent").get("link") in placed)
        todo.remove(joint)
        origin, mimic = joint.find("origin"), joint.find("mimic")
        matrix = np.eye(4)
        matrix[:3, :3] = Rotation.from_euler("xyz", [float(v) for v in origin.get("rpy").split()]).as_matrix()
        matrix[:3, 3] = [float(v) for v in origin.get("xyz").split()]
        moved = np.eye(4)
        if joint.get("type") != "fixed":
            value = joints[mimic.get("joint") if mimic is not None else joint.get("name")]
            axis = np.array([float(v) for v in joint.find("axis").get("xyz").split()])
            if joint.get("type") == "prismatic":
                moved[:3, 3] = axis * value
            else:
                moved[:3, :3] = Rotation.from_rotvec(axis * value).as_matrix()
        placed[joint.find("child").get("link")] = placed[joint.find("parent").get("link")] @ matrix @ moved
    return placed


def test_forward_kinematics_three_ways(cell):
    model = pinocchio.buildModelFromUrdf(str(cell.robot.urdf_path))
    data = model.createData()
    simulated = mujoco.MjData(cell.model)
    rng = np.random.default_rng(5)
    for _ in range(20):
        q = rng.uniform(model.lowerPositionLimit, model.upperPositionLimit)
        values = {name: q[model.joints[i].idx_q] for i, name in enumerate(model.names) if i}
        values["fr3_finger_joint2"] = values["fr3_finger_joint1"]
        for name, value in values.items():
            q[model.joints[model.getJointId(name)].idx_q] = value
            simulated.joint(name).qpos[0] = value
        pinocchio.framesForwardKinematics(model, data, q)
        mujoco.mj_kinematics(cell.model, simulated)
        for link, matrix in forward_by_hand(cell.robot.urdf_path, values).items():
            frame = data.oMf[model.getFrameId(link)]
            np.testing.assert_allclose(frame.homogeneous, matrix, atol=TOLERANCE)
            np.testing.assert_allclose(simulated.body(link).xpos, matrix[:3, 3], atol=TOLERANCE)
            np.testing.assert_allclose(simulated.body(link).xmat.reshape(3, 3), matrix[:3, :3], atol=TOLERANCE)


def test_published_constants(cell):
    """The flange of the robot at its zero position, as its data sheet's kinematic chain gives it."""
    zero = {f"fr3_joint{i}": 0.0 for i in range(1, 8)} | {"fr3_finger_joint1": 0.0}
    placed = forward_by_hand(cell.robot.urdf_path, zero)
    np.testing.assert_allclose(placed["fr3_link8"][:3, 3], [0.088, 0, 0.333 + 0.316 + 0.384 - 0.107], atol=1e-12)
    np.testing.assert_allclose(placed["fr3_hand_tcp"][:3, 3], [0.088, 0, 0.926 - 0.1034], atol=1e-12)
    limits = [(-2.7437, 2.7437), (-1.7837, 1.7837), (-2.9007, 2.9007), (-3.0421, -0.1518), (-2.8065, 2.8065),
              (0.5445, 4.5169), (-3.0159, 3.0159)]  # fmt: skip
    np.testing.assert_allclose([cell.model.joint(f"fr3_joint{i}").range for i in range(1, 8)], limits)


def test_inertia_is_the_urdfs(cell):
    """MuJoCo took mass and inertia as they stand: nothing was balanced, no collision shape weighs anything."""
    model = pinocchio.buildModelFromUrdf(str(cell.robot.urdf_path))
    for i, name in enumerate(model.names[1:8], start=1):
        body = model.frames[model.getFrameId(f"fr3_link{i}")]
        assert body.parentJoint == model.getJointId(name)
    arm = [b for b in range(cell.model.nbody) if cell.model.body(b).name.startswith("fr3_")]
    base = 2.3966  # Pinocchio leaves what cannot move in the universe
    np.testing.assert_allclose(
        sum(cell.model.body_mass[arm]), sum(i.mass for i in model.inertias[1:]) + base, rtol=1e-9
    )


def test_servos_track_within_two_milliseconds(cell):
    cell.reset(0)
    home = np.array(cell.robot.arms[0].home)
    names = tuple(cell.robot.arms[0].joints)
    times = np.linspace(0, 2, 41)[1:]
    swing = 0.25 * np.array([1, 1, 1, 1, 2, 2, 2])
    path = home + swing * np.sin(np.pi * times)[:, None] ** 2
    velocities = swing * np.pi * np.sin(2 * np.pi * times)[:, None]
    velocities[-1] = 0
    start = cell.stamp_ns
    assert cell.command(cell.robot.arms[0].controller, JointTrajectory(names, times, path, velocities)) == ""
    worst = np.zeros(7)
    for _ in range(200):
        cell.step()
        t = (cell.stamp_ns - start) * 1e-9
        worst = np.maximum(worst, np.abs(cell.joint_state().positions[:7] - home - swing * np.sin(np.pi * t) ** 2))
    fastest = swing * np.pi
    assert (worst / fastest < 2e-3).all(), worst / fastest
