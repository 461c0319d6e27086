"""Two arms and a head in one programme: kinematics, tracking together, driven at each other, hostile streams."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers.dual import DUAL, TABLE, both
from helpers.hostile import CASES, EVENTS, Adversary, arms, starts
from vipa import resources
from vipa.motion.chunk import ActionChunk, GroupAction, Mode
from vipa.motion.motion import Motion
from vipa.robot.description import load_robot
from vipa.robot.kinematics import Kinematics
from vipa_cli.bench.ideal_robot import IdealRobot, drive, joint_chunk

SINGLE = load_robot("fr3_single")


def start(fixtures=()):
    motion, cell = Motion(DUAL, fixtures), IdealRobot(DUAL)
    motion.set_authority("commander")
    drive(motion, cell, 0.1)
    return motion, cell


def test_the_file_is_what_the_script_makes():
    script = resources.root() / "scripts" / "compose_dual_urdf.py"
    assert subprocess.run([sys.executable, str(script), "--check"], check=False).returncode == 0


def test_each_arm_is_the_single_arm_on_its_shoulder():
    dual, arm = Kinematics(DUAL), Kinematics(SINGLE).group("arm")
    for name, side in (("left", 1), ("right", -1)):
        base = dual.model.frames[dual.model.getFrameId(f"{name}_fr3_link0")].placement
        np.testing.assert_allclose(base.translation, [-0.04, 0.09 * side, 0.44])
        for q in np.random.default_rng(0).uniform(arm.lower, arm.upper, (20, 7)):
            ours, theirs = dual.group(name).placement(q), base * arm.placement(q)
            np.testing.assert_allclose(ours.homogeneous, theirs.homogeneous, atol=1e-12)


def test_the_homes_mirror_each_other():
    k = Kinematics(DUAL)
    left, right = (k.group(n).forward(np.array(DUAL.group(n).home)) for n in ("left", "right"))
    np.testing.assert_allclose(left[:3] * [1, -1, 1], right[:3], atol=1e-3)


def test_both_arms_follow_their_paths_while_the_head_looks():
    motion, cell = start([TABLE])
    homes = {n: motion.commanded()[n].tool_pose for n in ("left", "right")}

    def circle(name, sign):
        return lambda t: (
            homes[name]
            + np.concatenate([0.05 * np.array([np.cos(2 * t) - 1, sign * np.sin(2 * t), 0.5 * np.sin(t)]), np.zeros(4)])
        )

    paths = {"left": circle("left", 1), "right": circle("right", -1)}
    look = np.array([DUAL.group("head").home]) + np.linspace(0, 1, 30)[:, None] * np.array([0.5, -0.3])
    assert motion.chunk(joint_chunk(motion, "head", look, cell.now_ns, 0.05, 0), cell.now_ns, cell.time) == ""
    begin = cell.time
    log = drive(motion, cell, 4.0, both(motion, paths))
    assert not any(log.answers) and motion.clamps == 0
    for name, path in paths.items():
        errors = [
            np.linalg.norm(p[:3] - path(t - begin)[:3]) for t, p in zip(log.time, log.tool[name]) if t - begin > 1
        ]
        assert np.sqrt(np.mean(np.square(errors))) < 1e-3
    np.testing.assert_allclose(motion.commanded()["head"].positions, look[-1], atol=1e-3)
    assert np.all(np.abs(log.jerk) <= motion.gate.jerk + 1e-2)


@pytest.mark.parametrize("speed", [0.1, 0.4])
def test_arms_driven_at_each_other_keep_their_margin(speed):
    motion, cell = start()
    homes = {n: motion.commanded()[n].tool_pose for n in ("left", "right")}

    def inwards(name, sign):
        return lambda t: homes[name] + np.array([0, sign * min(speed * t, 0.4), 0, 0, 0, 0, 0])

    log = drive(
        motion, cell, 0.4 / speed + 1.0, both(motion, {"left": inwards("left", -1), "right": inwards("right", 1)})
    )
    nearest = np.inf
    for q in log.q[::2]:
        motion.gate.clearance.here(q, motion.references.openings())
        nearest = min(nearest, motion.gate.clearance.nearest()[0])
    assert DUAL.margin - 1e-5 <= nearest < 0.03
    assert (
        motion.clamps < 20
    )  # the servo comes to the margin gently; that the other arm may stand still only the gate thinks of
    assert motion.status(cell.now_ns, cell.time).mode in (Mode.EXECUTING, Mode.HOLDING)


def test_a_force_on_one_arm_stops_both():
    motion, cell = start()
    homes = {n: motion.commanded()[n].tool_pose for n in ("left", "right")}
    paths = {n: (lambda t, n=n: homes[n] + np.array([0, 0, -0.1 * t, 0, 0, 0, 0])) for n in homes}
    drive(motion, cell, 0.5, both(motion, paths))
    motion.wrench("right", np.array([0, 0, 50.0, 0, 0, 0]), cell.now_ns, cell.time)
    log = drive(motion, cell, 0.4)
    assert np.all(log.v[-1] == 0) and not motion.safety(cell.now_ns).armed


def test_a_head_takes_no_poses():
    motion, cell = start()
    action = GroupAction("head", "torso", "head_camera", np.array([[0, 0, 0, 0, 0, 0, 1.0]]))
    chunk = ActionChunk("commander", motion.epoch, 1, cell.now_ns, cell.now_ns, 0.1, (action,))
    assert motion.chunk(chunk, cell.now_ns, cell.time) == "head: poses for a head; allowed: joints"


def test_force_wants_its_arm_named():
    motion, _ = start()
    assert motion.context([], force={"target": 5.0}) == "force: group None; allowed: left, right"
    assert motion.context([], force={"target": 5.0, "group": "left"}) == ""
    assert motion.admittances["left"].target == 5.0 and motion.admittances["right"].target is None


@pytest.fixture(scope="module")
def cell():
    motion = Motion(DUAL, [TABLE])
    return motion, starts(motion, 8)


@settings(max_examples=max(CASES // 8, 1), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 2**32 - 1),
    script=st.lists(st.tuples(st.sampled_from(EVENTS), st.integers(1, 40)), min_size=1, max_size=6),
)
def test_every_limit_holds_whatever_arrives(cell, seed, script):
    motion, places = cell
    random = np.random.default_rng(seed)
    adversary = Adversary(motion, random, arms(random))
    adversary.begin(places[seed % len(places)])
    for event, ticks in [("plunge", 40), *script]:
        adversary.event(event)
        for _ in range(ticks):
            adversary.tick()
