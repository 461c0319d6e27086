"""config/moveit/<robot>/: what the robot file gives, consistent with the URDF; link pairs that are not checked cannot meet."""

from xml.etree import ElementTree

import numpy as np
import pinocchio as pin
import pytest
import yaml

from helpers.servo_stand_in import refusals
from vipa import resources
from vipa.motion.collision import CollisionModel
from vipa.moveit import files, names
from vipa.moveit.base_links import standing_links
from vipa.robot.description import load_robot
from vipa.robot.fixture import Fixture
from vipa.robot.kinematics import Kinematics
from vipa_cli import cli

robots = pytest.mark.parametrize("name", resources.names("config/robots"))


@robots
def test_committed_files_are_what_the_robot_file_gives(name):
    robot = load_robot(name)
    assert files.differences(robot, names.folder(robot)) == []
    shipped = {p.name for p in names.folder(robot).iterdir()}
    assert shipped == {names.srdf_name(robot), *files.SETTINGS}


def srdf(robot):
    return ElementTree.parse(names.folder(robot) / names.srdf_name(robot)).getroot()


@robots
def test_the_srdf_names_what_the_urdf_has(name):
    robot = load_robot(name)
    urdf, root = ElementTree.parse(robot.urdf_path).getroot(), srdf(robot)
    links, joints = ({e.get("name") for e in urdf.findall(kind)} for kind in ("link", "joint"))
    assert root.get("name") == urdf.get("name")
    assert {j.get("name") for g in root.findall("group") for j in g.findall("joint")} <= joints
    assert {j.get("name") for s in root.findall("group_state") for j in s.findall("joint")} <= joints
    named = {c.get(k) for c in root.iter("chain") for k in ("base_link", "tip_link")}
    named |= {d.get(k) for d in root.findall("disable_collisions") for k in ("link1", "link2")}
    virtual = root.find("virtual_joint")
    assert virtual.get("type") == "fixed"
    assert named | {virtual.get("child_link")} <= links
    children = {j.find("child").get("link") for j in urdf.findall("joint")}
    assert virtual.get("child_link") in links - children


@robots
def test_pairs_that_are_not_checked_cannot_meet(name):
    """Against other configurations than those that the file was made from, and by distances instead of collisions."""
    robot = load_robot(name)
    kinematics = Kinematics(robot)
    collisions, model = CollisionModel(kinematics), kinematics.model
    never = {
        frozenset((d.get("link1"), d.get("link2")))
        for d in srdf(robot).findall("disable_collisions")
        if d.get("reason") == "Never"
    }
    kept = [k for k, pair in enumerate(collisions.names) if frozenset(pair) in never]
    assert kept
    data, answer, random = model.createData(), pin.GeometryData(collisions.geometry), np.random.default_rng(7)
    for _ in range(150):
        q = kinematics.configuration(random.uniform(kinematics.lower, kinematics.upper))
        pin.updateGeometryPlacements(model, data, collisions.geometry, answer, q)
        for k in kept:
            assert pin.computeDistance(collisions.geometry, answer, k).min_distance > 0, collisions.names[k]


@robots
def test_what_stands_on_fixtures_is_what_motion_leaves_out(name):
    """And the pairs that MoveIt checks among the links are all that motion keeps apart and that can meet."""
    robot = load_robot(name)
    fixture = Fixture("fixture", [5.0, 5.0, 5.0], [0.1, 0.1, 0.1])
    collisions = CollisionModel(Kinematics(robot), [fixture])
    checked = {next(iter(set(pair) - {"fixture"})) for pair in collisions.names if "fixture" in pair}
    root, shaped = srdf(robot), set(collisions.links) - {"fixture"}
    assert shaped - checked == {e.get("link") for e in root.findall("disable_default_collisions")}
    assert shaped - checked == standing_links(robot.urdf_path) & shaped
    enabled, disabled = (
        {frozenset((e.get("link1"), e.get("link2"))) for e in root.findall(f"{kind}_collisions")}
        for kind in ("enable", "disable")
    )
    assert not enabled & disabled
    standing = shaped - checked
    for pair in {frozenset(pair) for pair in collisions.names if "fixture" not in pair} - disabled:
        assert pair in enabled or not pair & standing, pair


@robots
def test_limits_are_the_gates(name):
    robot = load_robot(name)
    kinematics = Kinematics(robot)
    limits = yaml.safe_load((names.folder(robot) / "joint_limits.yaml").read_text(encoding="utf-8"))["joint_limits"]
    wanted = [*kinematics.joint_names, *(j for g in robot.arms if g.hand for j in g.hand.joints)]
    assert set(limits) == set(wanted)
    for joint, low, high in zip(kinematics.joint_names, kinematics.lower, kinematics.upper, strict=True):
        assert limits[joint]["min_position"] == pytest.approx(low, abs=1e-6)
        assert limits[joint]["max_position"] == pytest.approx(high, abs=1e-6)


@robots
def test_servo_publishes_to_motion_only_and_waits_for_nobodys_planning_scene(name):
    robot = load_robot(name)
    servo = yaml.safe_load((names.folder(robot) / "servo.yaml").read_text(encoding="utf-8"))
    assert list(servo) == [g.name for g in robot.arms]
    assert all(node["is_primary_planning_scene_monitor"] for node in servo.values())
    controllers = {c for g in robot.groups for c in (g.controller, g.hand.controller if g.hand else "")}
    for group, node in servo.items():
        assert node["command_out_topic"] == names.servo_output(group)
        assert not any(c and c in node["command_out_topic"] for c in controllers)
        assert node["scale"]["linear"] <= robot.group(group).tool_speed
        groups = {g.name: len(g.joints) for g in robot.groups}
        assert refusals(node, groups) == []
        assert refusals(node | {"self_collision_proximity_threshold": 0.005}, groups) == [
            "self_collision_proximity_threshold"
        ]
    ompl = yaml.safe_load((names.folder(robot) / "ompl_planning.yaml").read_text(encoding="utf-8"))
    assert all(ompl[g.name]["longest_valid_segment_fraction"] == 0.002 for g in robot.groups)


def run(*argv):
    with pytest.raises(SystemExit) as end:
        cli.main(["robot", *argv])
    return end.value.code


def test_the_command_writes_checks_and_refuses(tmp_path, capsys):
    assert run("moveit", "ur5e_single", "--out", str(tmp_path)) == 0
    assert run("moveit", "ur5e_single", "--out", str(tmp_path), "--check") == 0
    (tmp_path / "servo.yaml").write_text("arm: {}\n", encoding="utf-8")
    capsys.readouterr()
    assert run("moveit", "ur5e_single", "--out", str(tmp_path), "--check") == 1
    assert "not what the robot file gives: servo.yaml" in capsys.readouterr().out
    assert run("moveit", "nope") == 2
    assert "unknown robot 'nope'; allowed: fr3_dual" in capsys.readouterr().err
    assert run("moveit", "--out", str(tmp_path)) == 2
    assert run("list") == 0 and "ur5e_single" in capsys.readouterr().out
    assert run("check", "fr3_inspire") == 0 and "six_joint" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arm,joints",  # where Insert-Flower takes hold, seeds 1 and 2
    [("right", (-0.91, 0.55, 0.32, -2.0, -1.76, 3.12, 0.86)), ("left", (0.76, 0.46, -0.03, -2.02, 1.83, 3.35, 0.9))],
)
def test_servo_does_not_halt_where_a_task_takes_hold(arm, joints):
    robot = load_robot("fr3_dual")
    servo = yaml.safe_load((names.folder(robot) / "servo.yaml").read_text(encoding="utf-8"))[arm]
    values = np.linalg.svd(Kinematics(robot).group(arm).jacobian(np.array(joints)), compute_uv=False)
    assert 30 < values[0] / values[-1] < servo["hard_stop_singularity_threshold"]
