"""What a policy's server is shown and what its answers mean."""

import re
from dataclasses import replace

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from vipa import config, resources
from vipa.errors import VipaError
from vipa.robot.description import load_robot
from vipa.robot.state import CameraFrame, GroupState, Observation
from vipa.serving.decode import decode
from vipa.serving.encode import RequestBuilder, encode_rotation, resized, state_vector
from vipa.serving.mapping import ROTATIONS, ActionPart, CameraKeys, Mapping, StatePart, load_mapping

ROBOT = load_robot("fr3_single")
DOWN = np.array([1.0, 0.0, 0.0, 0.0])
MINIMAL = {
    "protocol": "openpi",
    "rate": 10,
    "period": 0.5,
    "prompt": "prompt",
    "cameras": {"scene": {"color": "image"}},
    "state": {"state": [{"group": "arm", "quantity": "positions"}]},
    "actions": [{"what": "joints", "group": "arm"}],
}


def mapping(**changes):
    return config.build({**MINIMAL, **changes}, Mapping, "here")


def state(opening=0.25):
    pose = np.concatenate([[0.4, 0.1, 0.3], Rotation.from_euler("xyz", [3.0, 0.2, -0.4]).as_quat()])
    return GroupState(np.arange(7) / 10, np.zeros(7), pose, np.array([0.1, 0.0, 0.0]), np.array([opening]))


def observation(stamp_s=1.0, level=0):
    stamp, image = round(stamp_s * 1e9), np.full((48, 64, 3), level, np.uint8)
    frames = {
        c.name: CameraFrame(c.name, stamp, image, np.ones((48, 64), np.uint16), np.eye(3), np.eye(4))
        for c in ROBOT.cameras
    }
    return Observation(stamp, frames, {"arm": state()}, "do it")


@pytest.mark.parametrize("name", resources.names("config/policies"))
def test_what_ships_fits_the_robot(name):
    found = load_mapping(name)
    found.check(ROBOT)
    request = RequestBuilder(found, np.eye(4)).build(observation())
    if found.protocol == "openpi":
        assert set(request) == set(found.keys())
    else:
        assert set(request) == {"video", "state", "language"}


@pytest.mark.parametrize(
    "change, said",
    [
        ({"ratee": 1}, "unknown key(s) ratee; allowed: protocol, rate"),
        ({"protocol": "lerobot"}, "'lerobot' is not allowed; allowed: openpi, groot"),
        ({"rate": 0}, "rate: 0; allowed: above 0, to 1000"),
        ({"cameras": {}}, "cameras is empty"),
        ({"prompt": "image"}, "one that stands twice: image, state, image"),
        ({"actions": [{"what": "hand", "group": "arm"}]}, "actions move nothing"),
        ({"actions": [{"what": "joints", "group": "arm"}, {"what": "pose", "group": "arm"}]}, "a group is moved twice"),
        ({"actions": [{"what": "unused"}]}, "'unused' wants a width"),
        ({"actions": [{"what": "pose", "group": "arm", "rotation": "euler"}]}, "'euler' is not allowed"),
        ({"state": {"s": [{"group": "arm", "quantity": "hand", "closed": 1.0, "open": 1.0}]}}, "two different values"),
        ({"cameras": {"scene": {"color": "i", "depth": "d", "size": [4, 4]}}}, "size or mirror together with depth"),
        ({"history": [1.0]}, "protocol groot alone"),
        ({"protocol": "groot", "prefix": "p"}, "allowed: colour and float32"),
        (
            {"state": {"s": [{"group": "arm", "quantity": "rpy", "columns": [3]}]}},
            "columns [3] of rpy; allowed: at least one, 0 to 2",
        ),
        ({"state": {"s": [{"group": "arm", "quantity": "rpy", "columns": []}]}}, "columns [] of rpy"),
        ({"actions": [{"what": "joints", "group": "arm", "key": "a", "keys": ["b", "c"]}]}, "key together with keys"),
        (
            {
                "actions": [
                    {"what": "joints", "group": "arm", "keys": ["a", "b"]},
                    {"what": "hand", "group": "arm", "key": "b"},
                ]
            },
            "'b' is read twice",
        ),
    ],
)
def test_a_wrong_file_is_refused(change, said):
    with pytest.raises(VipaError) as error:
        mapping(**change)
    assert said in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "change, said",
    [
        ({"cameras": {"head": {"color": "i"}}}, "looks through camera 'head'; robot 'fr3_single' has: scene, wrist"),
        (
            {"state": {"s": [{"group": "left", "quantity": "hand"}]}},
            "hand of group 'left'; robot 'fr3_single' has: arm",
        ),
        ({"actions": [{"what": "pose", "group": "right"}]}, "pose of group 'right'"),
        (
            {"state": {"s": [{"group": "arm", "quantity": "positions", "columns": [7]}]}},
            "columns [7] of positions of 'arm'; allowed: 0 to 6",
        ),
    ],
)
def test_a_file_for_another_robot_is_refused(change, said):
    with pytest.raises(VipaError) as error:
        mapping(**change).check(ROBOT)
    assert said in str(error.value)


def test_an_unknown_file_names_those_there_are(tmp_path):
    with pytest.raises(VipaError, match="unknown policy 'nope'; allowed: groot_droid, groot_libero, openpi_droid"):
        load_mapping("nope")
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(MINIMAL), encoding="utf-8")
    assert load_mapping(str(file)).rate == 10.0


def test_images_are_resized_as_openpi_does():
    image = np.full((48, 64, 3), 200, np.uint8)
    padded = resized(image, CameraKeys("i", [32, 32]))
    assert padded.shape == (32, 32, 3)
    assert (padded[4:28] == 200).all() and (padded[:4] == 0).all() and (padded[28:] == 0).all()
    assert (resized(image, CameraKeys("i", [32, 32], "stretch")) == 200).all()
    assert resized(image, CameraKeys("i")) is image


def test_droid_states_are_as_groots_own_client_makes_them():
    turn = load_mapping("groot_droid").state["eef_9d"][1].turn
    given = state()
    matrix = Rotation.from_quat(given.tool_pose[3:]).as_matrix() @ [[0, 0, -1], [-1, 0, 0], [0, 1, 0]]
    six = state_vector(StatePart("arm", "six_rows", turn=turn), given)
    np.testing.assert_allclose(six, matrix[:2].reshape(6), atol=1e-12)
    closed = state_vector(StatePart("arm", "hand", closed=1.0, open=0.0), given)
    np.testing.assert_allclose(closed, [0.75])


def test_groots_libero_is_shown_and_answers_what_its_own_environment_does():
    found, seen = load_mapping("groot_libero"), state(0.75)
    image = np.zeros((256, 256, 3), np.uint8)
    image[:, :100] = 200
    shown = observation()
    shown = replace(shown, cameras={n: replace(f, color=image) for n, f in shown.cameras.items()}, groups={"arm": seen})
    request = RequestBuilder(found, np.eye(4)).build(shown)
    x, y, z, w = seen.tool_pose[3:]  # robosuite's quat2axisangle
    turn = np.array([x, y, z]) * 2 * np.arccos(w) / np.sqrt(1 - w * w)
    wanted = dict(zip(("x", "y", "z", "roll", "pitch", "yaw"), (*seen.tool_pose[:3], *turn)))
    assert set(request["state"]) == {*wanted, "gripper"}
    for key, value in wanted.items():
        assert request["state"][key].shape == (1, 1, 1) and request["state"][key][0, 0, 0] == pytest.approx(
            value, abs=1e-6
        )
    np.testing.assert_allclose(request["state"]["gripper"][0, 0], [0.03, -0.03], rtol=1e-6)
    assert set(request["video"]) == {"image", "wrist_image"}
    assert (request["video"]["image"][0, 0] == image[:, ::-1]).all()
    assert request["language"] == {"annotation.human.action.task_description": [["do it"]]}

    answer = {key: np.full((8, 1), 0.1 * i, np.float32) for i, key in enumerate(wanted)}
    answer["gripper"] = np.array([[1.0]] * 4 + [[0.0]] * 4, np.float32)  # 1 opens
    arm = decode(found, ROBOT, answer, {"arm": seen})[0]
    np.testing.assert_allclose(arm.poses[0, :3], seen.tool_pose[:3] + 0.05 * np.array([0, 0.1, 0.2]), atol=1e-8)
    change = Rotation.from_quat(arm.poses[0, 3:]) * Rotation.from_quat(seen.tool_pose[3:]).inv()
    np.testing.assert_allclose(change.as_rotvec(), 0.5 * np.array([0.3, 0.4, 0.5]), atol=1e-7)
    assert arm.hand[:, 0].tolist() == [1] * 4 + [0] * 4
    for wrong, said in (
        ({"yaw": np.zeros((7, 1))}, "different numbers of steps"),
        ({"yaw": np.zeros((8, 2))}, "have 7 columns; allowed: 6"),
    ):
        with pytest.raises(ValueError, match=said):
            decode(found, ROBOT, answer | wrong, {"arm": seen})


def test_groot_gets_images_of_before():
    builder = RequestBuilder(load_mapping("groot_droid"), np.eye(4))
    levels = [
        builder.build(observation(s, level))["video"]["wrist_image_left"] for s, level in ((1, 10), (2, 20), (3, 30))
    ]
    assert [v.shape for v in levels] == [(1, 2, 180, 320, 3)] * 3
    assert [(int(v[0, 0, 90, 160, 0]), int(v[0, 1, 90, 160, 0])) for v in levels] == [(10, 10), (10, 20), (20, 30)]
    builder.reset()
    again = builder.build(observation(4, 40))["video"]["wrist_image_left"]
    assert (again[0, 0] == again[0, 1]).all()  # nothing of the last episode


def one(part, values, key="actions"):
    found = mapping(actions=[{**part, "group": "arm"}])
    return decode(found, ROBOT, {key: np.asarray(values, np.float32)}, {"arm": state()})[0]


def test_joint_steps_add_up_from_what_was_measured():
    values = np.zeros((3, 7))
    values[:, 0] = [0.5, 5.0, -1.0]
    steps = one({"what": "joints", "reference": "previous", "scale": 0.2, "limit": 1.0}, values)
    np.testing.assert_allclose(steps.joints[:, 0], state().positions[0] + np.cumsum([0.1, 0.2, -0.2]))
    np.testing.assert_allclose(steps.joints[:, 1:], np.tile(state().positions[1:], (3, 1)))
    relative = one({"what": "joints", "reference": "observation"}, values)
    np.testing.assert_allclose(relative.joints[:, 0], state().positions[0] + values[:, 0], rtol=1e-6)


@pytest.mark.parametrize("axes", ["base", "tool"])
def test_pose_steps_are_in_the_axes_that_the_file_says(axes):
    values = [[1.0, 0, 0, 0, 0, 1.0]] * 2
    part = {"what": "pose", "reference": "previous", "rotation": "rotation_vector", "scale": 0.05, "turn_scale": 0.5}
    poses = one({**part, "axes": axes}, values).poses
    start, turn = state().tool_pose, Rotation.from_quat(state().tool_pose[3:])
    move = turn.apply([0.05, 0, 0]) if axes == "tool" else np.array([0.05, 0, 0])
    np.testing.assert_allclose(poses[0, :3], start[:3] + move, atol=1e-9)
    change = Rotation.from_rotvec([0, 0, 0.5])
    facing = turn * change if axes == "tool" else change * turn
    assert (Rotation.from_quat(poses[0, 3:]).inv() * facing).magnitude() < 1e-9
    same = one({**part, "axes": axes, "reference": "observation"}, values).poses
    np.testing.assert_allclose(same[0], same[1])


@given(
    form=st.sampled_from(sorted(ROTATIONS)),
    vector=st.lists(st.floats(-1.5, 1.5), min_size=3, max_size=3),
    turn=st.none() | st.lists(st.floats(-3, 3), min_size=3, max_size=3),
)
def test_every_form_of_an_absolute_rotation_comes_back(form, vector, turn):
    """What the state says of a pose, taken as an action, is that pose."""
    rotation = Rotation.from_rotvec(vector)
    pose = np.concatenate([[0.1, 0.2, 0.3], rotation.as_quat()])
    given = GroupState(np.zeros(7), np.zeros(7), pose, np.zeros(3), np.ones(1))
    row = np.concatenate([given.tool_pose[:3], state_vector(StatePart("arm", form, turn=turn), given)])
    part = ActionPart("pose", "arm", rotation=form, turn=turn)
    found = Mapping("openpi", 10.0, 0.5, "p", {"scene": CameraKeys("i")}, {}, [part])
    pose = decode(found, ROBOT, {"actions": row[None]}, {"arm": given})[0].poses[0]
    np.testing.assert_allclose(pose[:3], [0.1, 0.2, 0.3])
    assert (Rotation.from_quat(pose[3:]).inv() * rotation).magnitude() < 1e-6
    assert encode_rotation(rotation, form).shape == (ROTATIONS[form],)


def test_hands_are_openings_whatever_the_server_calls_open():
    joints = {"what": "joints", "group": "arm"}
    for hand, sent, wanted in (
        ({"closed": 1.0, "open": 0.0}, [0.0, 0.25, 1.2], [1.0, 0.75, 0.0]),
        ({"closed": 1.0, "open": -1.0, "threshold": 0.0}, [0.3, -0.1, -1.0], [0.0, 1.0, 1.0]),
        ({"closed": 0.0, "open": 0.04}, [0.0, 0.01, 0.05], [0.0, 0.25, 1.0]),
    ):
        found = mapping(actions=[joints, {"what": "hand", "group": "arm", **hand}])
        values = np.hstack([np.zeros((3, 7)), np.array(sent)[:, None]])
        np.testing.assert_allclose(decode(found, ROBOT, {"actions": values}, {"arm": state()})[0].hand[:, 0], wanted)


@pytest.mark.parametrize(
    "answer, said",
    [
        ([], "answer is list"),
        ({"action": np.zeros((3, 7))}, "lacks actions; it has: action"),
        ({"actions": [[0.0] * 7]}, "actions is list"),
        ({"actions": np.zeros(7)}, "(7,); allowed: an array (T, columns)"),
        ({"actions": np.zeros((0, 7))}, "(0, 7)"),
        ({"actions": np.zeros((3, 8))}, "has 8 columns; allowed: 7"),
        ({"actions": np.zeros((3, 7))}, "has 3 steps; allowed: 4"),
        ({"actions": np.full((4, 7), np.nan)}, "holds NaN"),
    ],
)
def test_an_answer_that_does_not_fit_is_refused(answer, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        decode(mapping(horizon=4), ROBOT, answer, {"arm": state()})


def test_a_quaternion_without_direction_is_refused():
    with pytest.raises(ValueError, match="without direction"):
        one({"what": "pose"}, np.zeros((1, 7)))
