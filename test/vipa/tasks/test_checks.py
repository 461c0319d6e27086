"""Checks on hand-made ground truths."""

import numpy as np
import pytest

from vipa.errors import VipaError
from vipa.geometry import poses as geometry
from vipa.geometry import rotation
from vipa.robot.state import GroundTruth
from vipa.tasks import checks
from vipa.tasks.checks import CheckState, CheckStatus
from vipa.tasks.task import SubTask, load_task

FINGERS = frozenset({"left_finger", "right_finger"})
INTERIOR = {"drawer_inner_x": 0.1, "drawer_inner_y": 0.15, "drawer_inner_z": 0.08}


def body(x=0.0, y=0.0, z=0.0, turn=(0.0, 0.0, 0.0)):
    return geometry.pose((x, y, z), rotation.exp(turn))


def state(poses=None, scalars=None, contacts=(), stamp_ns=0, **more):
    pairs = frozenset(tuple(sorted(pair)) for pair in contacts)
    return CheckState(stamp_ns, GroundTruth(stamp_ns, poses or {}, scalars or {}, pairs), fingers=FINGERS, **more)


TIPPED = [np.pi / 2, 0, 0]
HELD, GRIPPED = [("stem", "left_finger")], [("vase", "left_finger"), ("vase", "right_finger")]


def make(check, params, **more):
    return checks.build(SubTask("x", check, params, **more), "file.yaml")


CASES = {
    "joint above": ("joint_beyond", {"joint": "drawer", "above": 0.1}, [
        (state(scalars={"drawer": 0.0}), CheckStatus.RUNNING, 0.0),
        (state(scalars={"drawer": 0.05}), CheckStatus.RUNNING, 0.5),
        (state(scalars={"drawer": 0.11}), CheckStatus.MET, 1.0),
    ]),
    "joint below": ("joint_beyond", {"joint": "drawer", "below": 0.02}, [
        (state(scalars={"drawer": 0.22}), CheckStatus.RUNNING, 0.0),
        (state(scalars={"drawer": 0.12}), CheckStatus.RUNNING, 0.5),
        (state(scalars={"drawer": 0.01}), CheckStatus.MET, 1.0),
    ]),
    "inside": ("inside", {"object": "apple", "container": "drawer"}, [
        (state({"apple": body(1.1), "drawer": body()}, INTERIOR), CheckStatus.RUNNING, 0.0),
        (state({"apple": body(0.6), "drawer": body()}, INTERIOR), CheckStatus.RUNNING, 0.45),
        (state({"apple": body(0, 0, 0.03), "drawer": body()}, INTERIOR, [("apple", "left_finger")]),
         CheckStatus.RUNNING, 0.9),
        (state({"apple": body(0, 0, 0.5), "drawer": body()}, INTERIOR), CheckStatus.RUNNING, None),
        (state({"apple": body(0, 0, 0.03), "drawer": body()}, INTERIOR, [("apple", "drawer")]), CheckStatus.MET, 1.0),
    ]),
    "lifted": ("lifted", {"object": "can", "height": 0.1}, [
        (state({"can": body(0, 0, 0.5)}), CheckStatus.RUNNING, 0.0),
        (state({"can": body(0, 0, 0.55)}, contacts=[("can", "left_finger")]), CheckStatus.RUNNING, 0.5),
        (state({"can": body(0, 0, 0.65)}), CheckStatus.RUNNING, 0.99),
        (state({"can": body(0, 0, 0.65)}, contacts=[("can", "left_finger")]), CheckStatus.MET, 1.0),
    ]),
    "aims at": ("aims_at", {"object": "can", "target": "plant", "within": 0.05, "far": 1.0}, [
        (state({"can": body(turn=[0, 0, np.pi]), "plant": body(0.5)}),
         CheckStatus.RUNNING, 0.0),
        (state({"can": body(), "plant": body(0.5, 0.14)}), CheckStatus.RUNNING, 0.8),
        (state({"can": body(), "plant": body(-0.5)}), CheckStatus.RUNNING, None),
        (state({"can": body(), "plant": body(1.5)}), CheckStatus.RUNNING, None),
        (state({"can": body(), "plant": body(0.5, 0.04)}), CheckStatus.MET, 1.0),
    ]),
    "aims at an upright volume": ("aims_at", {
        "object": "can", "target": "plant", "size": [0.1, 0.1, 0.2], "target_offset": [0, 0, 0.2], "far": 1.0, "drop": 0.4,
    }, [
        (state({"can": body(0, 0, 0.6), "plant": body(0.5)}), CheckStatus.RUNNING, 0.0),  # 0.1 m fallen at 0.5 m: over it
        (state({"can": body(0, 0, 0.45), "plant": body(0.5)}), CheckStatus.MET, 1.0),
        (state({"can": body(0, 0, 0.3), "plant": body(0.5, 0.09)}), CheckStatus.MET, 1.0),
        (state({"can": body(0, 0, 0.3), "plant": body(0.5, 0.11)}), CheckStatus.RUNNING, None),
        (state({"can": body(0, 0, 0.1), "plant": body(0.5)}), CheckStatus.MET, 1.0),
        (state({"can": body(0, 0, 0.05), "plant": body(0.5)}), CheckStatus.RUNNING, None),
    ]),
    "pressed": ("pressed_beyond", {"joint": "spray", "above": 0.008, "body": "can"}, [
        (state({"can": body()}, {"spray": 0.0}), CheckStatus.RUNNING, 0.0),
        (state({"can": body()}, {"spray": 0.009}), CheckStatus.RUNNING, 0.99),
        (state({"can": body()}, {"spray": 0.009}, [("right_finger", "can")]), CheckStatus.MET, 1.0),
    ]),
    "ink": ("ink_below", {"ink": "ink", "below": 0.2}, [
        (state(scalars={"ink": 50.0}), CheckStatus.RUNNING, 0.0),
        (state(scalars={"ink": 30.0}), CheckStatus.RUNNING, 0.5),
        (state(scalars={"ink": 9.0}), CheckStatus.MET, 1.0),
    ]),
    "inserted": ("inserted", {"object": "stem", "opening": "vase", "rim": [0, 0, 0.2], "depth": 0.05, "radius": 0.02}, [
        (state({"stem": body(0, 0, 0.3), "vase": body()}), CheckStatus.RUNNING, 0.0),
        (state({"stem": body(0.1, 0, 0.1), "vase": body()}), CheckStatus.RUNNING, 0.99),
        (state({"stem": body(0, 0, 0.2), "vase": body()}), CheckStatus.RUNNING, 2 / 3),
        (state({"stem": body(0.01, 0, 0.14), "vase": body()}), CheckStatus.MET, 1.0),
    ]),
    "inserted upright": ("inserted", {
        "object": "stem", "opening": "vase", "rim": [0, 0, 0.2], "depth": 0.05, "radius": 0.02, "upright": 0.2,
    }, [
        (state({"stem": body(0, 0, 0.3), "vase": body()}), CheckStatus.RUNNING, 0.0),
        (state({"stem": body(0, -0.14, 0), "vase": body(turn=TIPPED)}), CheckStatus.RUNNING, 0.99),  # in it, and it lies
        (state({"stem": body(0, 0, 0.14), "vase": body()}), CheckStatus.MET, 1.0),
    ]),
    "aligned": ("aligned", {
        "object": "stem", "opening": "vase", "rim": [0, 0, 0.2], "radius": 0.02, "above": 0.06, "angle": 0.2,
    }, [
        (state({"stem": body(0.32, 0, 0.25), "vase": body()}, contacts=HELD), CheckStatus.RUNNING, 0.0),
        (state({"stem": body(0.17, 0, 0.25), "vase": body()}, contacts=HELD), CheckStatus.RUNNING, 0.5),
        (state({"stem": body(0, 0, 0.25), "vase": body()}), CheckStatus.RUNNING, 0.99),  # not held
        (state({"stem": body(0, 0, 0.27), "vase": body()}, contacts=HELD), CheckStatus.RUNNING, 0.99),
        (state({"stem": body(0, 0, 0.25, [0.3, 0, 0]), "vase": body()}, contacts=HELD),
         CheckStatus.RUNNING, 0.99),
        (state({"stem": body(0.01, 0, 0.25), "vase": body()}, contacts=HELD), CheckStatus.MET, 1.0),
    ]),
    "steadied": ("steadied", {"object": "vase", "moved": 0.05, "leans": 0.1}, [
        (state({"vase": body()}), CheckStatus.RUNNING, 0.0),
        (state({"vase": body()}, contacts=[("vase", "left_finger")]), CheckStatus.RUNNING, 0.5),
        (state({"vase": body(0.06)}, contacts=GRIPPED), CheckStatus.RUNNING, 0.99),
        (state({"vase": body(turn=[0.2, 0, 0])}, contacts=GRIPPED), CheckStatus.RUNNING, 0.99),
        (state({"vase": body(0.02)}, contacts=GRIPPED), CheckStatus.MET, 1.0),
    ]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_check(case):
    name, params, looks = CASES[case]
    check = make(name, params)
    check.setup(looks[0][0])
    for at, (seen, status, progress) in enumerate(looks):
        found = check.update(seen)
        assert found.status is status, f"look {at}: {found}"
        assert 0.0 <= found.progress <= 1.0 and found.evidence
        if progress is not None:
            assert found.progress == pytest.approx(progress, abs=1e-6), f"look {at}: {found}"


def test_inside_follows_a_turned_container():
    turn = [0, 0, np.pi / 2]
    check = make("inside", {"object": "apple", "container": "drawer"})
    out = state({"apple": body(0.12, 0, 0.03), "drawer": body()}, INTERIOR)
    check.setup(out)
    assert check.update(out).status is CheckStatus.RUNNING
    turned = state({"apple": body(0.12, 0, 0.03), "drawer": body(turn=turn)}, INTERIOR)
    assert check.update(turned).status is CheckStatus.MET


@pytest.mark.parametrize(
    "check, params, words",
    [
        ("jumps", {}, ["jumps", "joint_beyond", "inserted"]),
        ("inside", {"object": "apple"}, ["file.yaml", "'x'", "container"]),
        ("inside", {"object": "apple", "container": "d", "colour": "red"}, ["'x'", "colour", "margin"]),
        ("joint_beyond", {"joint": "drawer", "above": "far"}, ["'x'", "above", "'far'", "float"]),
        ("joint_beyond", {"joint": "drawer"}, ["'x'", "exactly one of above, below"]),
        ("aims_at", {"object": "a", "target": "b", "within": 0.1, "axis": [1, 0]}, ["axis", "three numbers"]),
        (
            "aligned",
            {"object": "a", "opening": "b", "radius": 0.1, "above": 0.1, "angle": 0.1, "along": [0, 0, 0]},
            ["along"],
        ),
        ("aims_at", {"object": "a", "target": "b"}, ["exactly one of size, within"]),
        ("aims_at", {"object": "a", "target": "b", "within": 0.1, "size": [1, 1, 1]}, ["exactly one of size, within"]),
        ("aims_at", {"object": "a", "target": "b", "size": [0.1, 0.1]}, ["size", "three numbers"]),
    ],
)
def test_what_a_task_file_may_not_say(check, params, words):
    with pytest.raises(VipaError) as caught:
        make(check, params)
    assert all(word in str(caught.value) for word in words), caught.value


@pytest.mark.parametrize(
    "check, params, words",
    [
        ("lifted", {"object": "pear", "height": 0.1}, ["pear", "apple, can"]),
        ("joint_beyond", {"joint": "door", "above": 0.1}, ["door", "drawer"]),
        ("inside", {"object": "apple", "container": "can"}, ["can_inner_x", "interior"]),
    ],
)
def test_setup_refuses_what_the_scene_lacks(check, params, words):
    first = state({"apple": body(), "can": body()}, {"drawer": 0.0})
    with pytest.raises(VipaError) as caught:
        make(check, params).setup(first)
    assert all(word in str(caught.value) for word in ["file.yaml", "'x'", *words]), caught.value


def test_vision_is_refused_where_it_does_not_exist():
    with pytest.raises(VipaError, match="operator, sim"):
        make("lifted", {"object": "apple", "height": 0.1}, evidence="vision")


def test_sim_evidence_wants_a_simulated_cell():
    with pytest.raises(VipaError, match="operator"):
        make("ink_below", {"ink": "ink", "below": 0.1}).setup(CheckState(0))


def test_operator_judges():
    check = make("ink_below", {"ink": "ink", "below": 0.1}, evidence="operator")
    check.setup(CheckState(0))
    assert check.update(CheckState(1)).status is CheckStatus.RUNNING
    assert check.update(CheckState(1, operator={"y": True})).status is CheckStatus.RUNNING
    assert check.update(CheckState(2, operator={"x": True})).status is CheckStatus.MET
    assert check.update(CheckState(3, operator={"x": False})).status is CheckStatus.FAILED


def test_a_task_file_is_checked_when_it_is_loaded(tmp_path):
    from vipa import resources

    text = (resources.root() / "tasks" / "put_three_obj.yaml").read_text(encoding="utf-8")
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace("above: 0.12", "beyond: 0.12"), encoding="utf-8")
    with pytest.raises(VipaError, match="mine.yaml: sub-task 'open drawer'.*beyond.*above"):
        load_task(str(path))


def test_every_check_and_parameter_is_documented():
    import dataclasses

    from vipa import resources

    text = (resources.root() / "docs" / "tasks.md").read_text(encoding="utf-8")
    rows = {line.split("`")[1]: line for line in text.splitlines() if line.startswith("| `")}
    for name, check in checks.REGISTRY.items():
        missing = [f.name for f in dataclasses.fields(check.Params) if f"`{f.name}`" not in rows[name]]
        assert not missing, f"docs/tasks.md: {name} lacks {missing}"
