"""Our arms against models that others made of the same robots, by hand: they are too large to ship.

VIPA_MENAGERIE: a checkout of google-deepmind/mujoco_menagerie, or a folder with franka_fr3/fr3.xml and universal_robots_ur5e/ur5e.xml of it.
VIPA_ROBOT_DATA: the folder robots/ of an unpacked example-robot-data wheel.
"""

import os
import re
from pathlib import Path

import mujoco
import numpy as np
import pinocchio as pin
import pytest
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from vipa.robot.description import load_robot
from vipa.robot.kinematics import Kinematics

MENAGERIE, ROBOT_DATA = (os.environ.get(name, "") for name in ("VIPA_MENAGERIE", "VIPA_ROBOT_DATA"))
POSES = 200


def ours(name, link):
    """q (J,) → (4, 4) of `link`, and the arm's limits."""
    kinematics = Kinematics(load_robot(name))
    model, data = kinematics.model, kinematics.model.createData()
    frame = model.getFrameId(link)

    def at(q):
        pin.forwardKinematics(model, data, kinematics.configuration(q))
        return pin.updateFramePlacement(model, data, frame).homogeneous

    return at, kinematics.lower, kinematics.upper


def menagerie(path, joints, place):
    """q → (4, 4) of `place(data)`: (position, rotation), of an MJCF model without its meshes."""
    text = re.sub(r"<(geom|mesh|material)\b[^>]*/>", "", Path(path).read_text(encoding="utf-8"))
    text = re.sub(r"<(actuator|contact|keyframe)>.*?</\1>", "", text, flags=re.DOTALL)
    model = mujoco.MjModel.from_xml_string(text)
    data = mujoco.MjData(model)
    index = [model.joint(j).qposadr[0] for j in joints]

    def at(q):
        data.qpos[index] = q
        mujoco.mj_kinematics(model, data)
        made = np.eye(4)
        made[:3, 3], made[:3, :3] = place(data)
        return made

    return at


def largest(a, b, lower, upper):
    """Metres and radians that two chains differ by at most, up to a constant frame at each end."""
    rng = np.random.default_rng(0)
    poses = [rng.uniform(lower, upper) for _ in range(POSES)]
    first = [(a(q), b(q)) for q in poses]
    # base ← base' and tip' ← tip that fit all: by the closed form of hand-eye calibration, here over two poses, then checked on all
    world, tip = _aligned(first)
    off = [world @ theirs @ tip for _, theirs in first]
    metres = max(float(np.linalg.norm(mine[:3, 3] - other[:3, 3])) for (mine, _), other in zip(first, off, strict=True))
    turns = max(
        float(np.arccos(np.clip((np.trace(mine[:3, :3].T @ other[:3, :3]) - 1) / 2, -1, 1)))
        for (mine, _), other in zip(first, off, strict=True)
    )
    return metres, turns


def _aligned(pairs):
    """(4, 4) twice: A ≈ world · B · tip over all pairs, by least squares."""

    def frame(x):
        made = np.eye(4)
        made[:3, :3], made[:3, 3] = Rotation.from_rotvec(x[:3]).as_matrix(), x[3:]
        return made

    def residuals(x):
        world, tip = frame(x[:6]), frame(x[6:])
        return np.concatenate([(mine - world @ other @ tip)[:3].ravel() for mine, other in pairs[:40]])

    starts = [np.concatenate([np.pi * np.array(w), np.zeros(3), np.pi / 2 * np.array(t), np.zeros(3)])
              for w in ((0, 0, 0), (0, 0, 1)) for t in ((0, 0, 0), (1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 0, -1), (2, 0, 0))]  # fmt: skip
    best = min((least_squares(residuals, start) for start in starts), key=lambda r: r.cost)
    return frame(best.x[:6]), frame(best.x[6:])


@pytest.mark.skipif(not MENAGERIE, reason="by hand: VIPA_MENAGERIE")
def test_fr3_is_menageries():
    mine, lower, upper = ours("fr3_single", "fr3_link8")
    joints = [f"fr3_joint{k}" for k in range(1, 8)]
    theirs = menagerie(
        Path(MENAGERIE) / "franka_fr3/fr3.xml",
        joints,
        lambda d: (d.site("attachment_site").xpos, d.site("attachment_site").xmat.reshape(3, 3)),
    )
    metres, turn = largest(mine, theirs, lower, upper)
    print(f"\nfr3: {1e3 * metres:.4f} mm, {turn:.6f} rad")
    assert metres < 1e-5 and turn < 1e-4


@pytest.mark.skipif(not MENAGERIE, reason="by hand: VIPA_MENAGERIE")
def test_ur5e_is_menageries_up_to_its_rounded_lengths():
    """Menagerie's lengths are rounded to a millimetre: 0.163, 0.138 - 0.131, 0.392, 0.127, 0.1."""
    mine, lower, upper = ours("ur5e_single", "tool0")
    joints = [
        "shoulder_pan_joint",
        "shoulder_lift_joint",
        "elbow_joint",
        "wrist_1_joint",
        "wrist_2_joint",
        "wrist_3_joint",
    ]
    theirs = menagerie(
        Path(MENAGERIE) / "universal_robots_ur5e/ur5e.xml",
        joints,
        lambda d: (d.body("wrist_3_link").xpos, d.body("wrist_3_link").xmat.reshape(3, 3)),
    )
    metres, turn = largest(mine, theirs, lower, upper)
    print(f"\nur5e: {1e3 * metres:.3f} mm, {turn:.6f} rad")
    assert metres < 3e-3 and turn < 1e-3


@pytest.mark.skipif(not ROBOT_DATA, reason="by hand: VIPA_ROBOT_DATA")
def test_fr3_has_the_chain_of_a_panda():
    """FR3 and Panda share their Denavit-Hartenberg table."""
    mine, lower, upper = ours("fr3_single", "fr3_link8")
    model = pin.buildModelFromUrdf(str(Path(ROBOT_DATA) / "panda_description/urdf/panda.urdf"))
    data, frame = model.createData(), model.getFrameId("panda_link8")
    index = [model.joints[model.getJointId(f"panda_joint{k}")].idx_q for k in range(1, 8)]

    def theirs(q):
        full = pin.neutral(model)
        full[index] = q
        pin.forwardKinematics(model, data, full)
        return pin.updateFramePlacement(model, data, frame).homogeneous

    metres, turn = largest(mine, theirs, lower, upper)
    print(f"\npanda: {1e3 * metres:.4f} mm, {turn:.6f} rad")
    assert metres < 1e-5 and turn < 1e-4
