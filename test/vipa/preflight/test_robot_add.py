"""A first robot file from a URDF: with meshes it becomes convex pieces that hold all of them; what is no robot is refused, and nothing is left."""

import os
import struct
from pathlib import Path

import numpy as np
import pytest

from vipa import resources
from vipa.errors import VipaError
from vipa.motion.collision import CollisionModel, DistanceField
from vipa.preflight import meshes, robot_add
from vipa.preflight.conditioning import conditioning
from vipa.robot.description import load_robot
from vipa.robot.kinematics import Kinematics

OTHERS = os.environ.get(
    "VIPA_ROBOT_DATA", ""
)  # the folder robots/ of an unpacked example-robot-data, for a test by hand


def box(size, at=(0, 0, 0)):
    """(12, 3, 3) triangles of a box."""
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) * np.asarray(size) / 2 + at
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    return np.array([corners[[q[0], q[i], q[i + 1]]] for q in quads for i in (1, 2)])


ELL = np.concatenate([box((0.3, 0.02, 0.02), (0.15, 0, 0)), box((0.02, 0.02, 0.3), (0, 0, 0.15))])


def stl(path, triangles):
    rows = b"".join(struct.pack("<12fH", 0, 0, 0, *t.astype(np.float32).ravel(), 0) for t in triangles)
    path.write_bytes(b"binary".ljust(80) + struct.pack("<I", len(triangles)) + rows)


def volume(hulls):
    return sum(abs(np.einsum("ij,ij->i", v[f[:, 0]], np.cross(v[f[:, 1]], v[f[:, 2]])).sum()) / 6 for v, f in hulls)


def inside(hulls, point):
    for vertices, faces in hulls:
        a, b, c = (vertices[faces[:, k]] for k in range(3))
        normals = np.cross(b - a, c - a)
        if np.all(np.einsum("ij,ij->i", normals, point - a) <= 1e-9):
            return True
    return False


def test_pieces_hold_all_of_a_mesh_and_little_else():
    one, cut = meshes.pieces(ELL, 1), meshes.pieces(ELL)
    assert len(one) == 1 and 1 < len(cut) <= meshes.MOST
    true = 2 * 0.3 * 0.02 * 0.02 - 0.02**3 / 4
    assert volume(cut) < 0.4 * volume(one) and volume(cut) > 0.99 * true
    assert all(inside(cut, corner) for corner in ELL.reshape(-1, 3))
    rng = np.random.default_rng(0)
    for _ in range(100):
        triangle = ELL[rng.integers(len(ELL))]
        assert inside(cut, rng.dirichlet(np.ones(3)) @ triangle)


def test_meshes_are_read_from_every_form(tmp_path):
    stl(tmp_path / "a.stl", ELL)
    lines = ["solid x"]
    for triangle in ELL:
        lines += [
            "facet normal 0 0 0",
            "outer loop",
            *(f"vertex {x} {y} {z}" for x, y, z in triangle),
            "endloop",
            "endfacet",
        ]
    (tmp_path / "b.STL").write_text("\n".join(lines), encoding="utf-8")
    corners = ELL.reshape(-1, 3)
    obj = [f"v {x} {y} {z}" for x, y, z in corners] + [
        f"f {k + 1}/1 {k + 2}/1 {k + 3}/1" for k in range(0, len(corners), 3)
    ]
    (tmp_path / "c.obj").write_text("\n".join(obj), encoding="utf-8")
    for name in ("a.stl", "b.STL", "c.obj"):
        assert np.allclose(meshes.read(tmp_path / name), ELL, atol=1e-6)
    (tmp_path / "d.dae").write_text("<x/>", encoding="utf-8")
    (tmp_path / "e.stl").write_bytes(b"nothing")
    (tmp_path / "f.obj").write_text("v 0 0 0\nf 1 2 9\n", encoding="utf-8")
    for name, words in (
        ("d.dae", "kind '.dae'; allowed: .stl, .obj"),
        ("e.stl", "no readable STL"),
        ("f.obj", "no readable OBJ"),
        ("g.stl", "No such file"),
    ):
        with pytest.raises(VipaError, match=words.replace(".", r"\.")):
            meshes.read(tmp_path / name)


def meshed(tmp_path):
    """ur5e_single's URDF with a mesh in place of the upper arm's shape."""
    text = (resources.root() / "urdf/ur5e_single/ur5e_single.urdf").read_text(encoding="utf-8")
    (tmp_path / "my_robot/urdf").mkdir(parents=True)
    (tmp_path / "my_robot/meshes").mkdir()
    stl(tmp_path / "my_robot/meshes/arm.stl", 1000 * box((0.1, 0.1, 0.3), (0, 0, 0.2)))
    start = text.index('<link name="forearm_link">')
    end = text.index("</link>", start)
    part = text[start:end]
    a, b = part.index("<collision>"), part.rindex("</collision>") + len("</collision>")
    mesh = '<collision><origin xyz="-0.2 0 0" rpy="0 1.5708 0"/><geometry><mesh filename="package://my_robot/meshes/arm.stl" scale="0.001 0.001 0.001"/></geometry></collision>'
    source = tmp_path / "my_robot/urdf/mine.urdf"
    source.write_text(text[:start] + part[:a] + mesh + part[b:] + text[end:], encoding="utf-8")
    return source


def test_a_urdf_with_meshes_becomes_a_robot(tmp_path):
    added = robot_add.add(meshed(tmp_path), "mine", tmp_path / "robots/mine")
    robot = load_robot(str(added.file))
    (arm,) = robot.groups
    shipped = load_robot("ur5e_single").groups[0]
    assert (
        arm.joints == shipped.joints and arm.tool_frame == shipped.tool_frame and arm.hand.joints == shipped.hand.joints
    )
    assert set(arm.hand.fingers) == set(shipped.hand.fingers)
    kinematics = Kinematics(robot)
    CollisionModel(kinematics)  # home touches nothing
    pieces = list((added.file.parent / "meshes").glob("forearm_link_*.obj"))
    assert len(pieces) == 1 and np.ptp(meshes.read(pieces[0]).reshape(-1, 3), axis=0).max() == pytest.approx(
        0.3, abs=1e-3
    )
    assert any("first guesses" in note for note in added.notes)


@pytest.mark.parametrize("shipped", ["ur5e_single", "fr3_single", "fr3_dual"])
def test_the_home_is_bent_in_front_of_the_base_with_the_hand_down(tmp_path, shipped):
    urdf = resources.root() / f"urdf/{shipped}/{shipped}.urdf"
    robot = load_robot(str(robot_add.add(urdf, "mine", tmp_path / "mine").file))
    kinematics = Kinematics(robot)
    field = DistanceField(collisions := CollisionModel(kinematics))
    field.move(kinematics.configuration(kinematics.home))
    assert not len(field.below(collisions.margins))
    for group in robot.arms:
        arm, home = kinematics.group(group.name), np.array(group.home)
        # the arms that ship have 0.10 to 0.11; of random configurations half have less than 0.05
        assert conditioning(arm.jacobian(home), float(arm.reach.max())) > 0.08
        assert np.all(np.minimum(home - arm.lower, arm.upper - home) > 0.05)
        tool = arm.base.homogeneous @ arm.placement(home).homogeneous
        assert tool[0, 3] - arm.base.translation[0] > 0.2 and tool[2, 2] < -0.7
        assert np.abs(home).max() < np.pi  # not wound up


def test_the_gate_measures_meshes_as_solid(tmp_path):
    """A point deep inside a mesh is no distance from its surface, but inside."""
    added = robot_add.add(meshed(tmp_path), "mine", tmp_path / "robots/mine")
    shapes = CollisionModel(Kinematics(load_robot(str(added.file)))).geometry.geometryObjects
    (mesh,) = [s for s in shapes if "Convex" in type(s.geometry).__name__]
    assert mesh.name.startswith("forearm")


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda t: "<x/>", "its root is <x>"),
        (lambda t: t[:500], "not a readable URDF"),
        (
            lambda t: t.replace("package://my_robot/meshes/arm.stl", "package://other/arm.stl"),
            "name its package's folder",
        ),
        (lambda t: t.replace('type="revolute"', 'type="fixed"'), "no chain of four turning joints"),
        (lambda t: t.replace('type="revolute"', 'type="continuous"'), "is continuous"),
    ],
)
def test_what_is_no_robot_is_refused_and_nothing_is_left(tmp_path, change, said):
    source = meshed(tmp_path)
    source.write_text(change(source.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(VipaError, match=said):
        robot_add.add(source, "mine", tmp_path / "robots/mine")
    assert not list((tmp_path / "robots").glob("*")) and not list((tmp_path / "robots").glob(".*"))


def test_what_is_there_is_not_overwritten(tmp_path):
    (tmp_path / "robots").mkdir()
    (tmp_path / "robots/note").write_text("mine", encoding="utf-8")
    with pytest.raises(VipaError, match="holds files already"):
        robot_add.add(meshed(tmp_path), "mine", tmp_path / "robots")


@pytest.mark.skipif(not OTHERS, reason="by hand: VIPA_ROBOT_DATA=…/example-robot-data/robots")
@pytest.mark.parametrize(
    "urdf, joints", [("panda_description/urdf/panda.urdf", 7), ("ur_description/urdf/ur5_joint_limited_robot.urdf", 6)]
)
def test_robots_of_others(tmp_path, urdf, joints):
    added = robot_add.add(Path(OTHERS) / urdf, "other", tmp_path / "other")
    robot = load_robot(str(added.file))
    assert len(robot.groups[0].joints) == joints
    CollisionModel(Kinematics(robot))
