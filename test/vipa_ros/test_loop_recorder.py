"""The bag of an in-process episode: every message of it is read back, and is what was written."""

from xml.etree import ElementTree

import numpy as np
import pytest

from vipa.commanders.expert.commander import Expert
from vipa.recording import definitions
from vipa.recording.reader import BagReader, image_array
from vipa.robot.cameras import CameraPoses
from vipa.robot.description import load_robot
from vipa.tasks.task import load_task
from vipa_ros.cameras.mounts import hear
from vipa_ros.episode.loop_recorder import LoopRecorder
from vipa_sim.loop import Loop, run_episode


class Witness:
    """Keeps what the recorder is given."""

    def __init__(self, recorder):
        self.recorder = recorder
        self.commands: dict[str, list] = {}
        self.scene = None
        self.joints, self.frames, self.wrenches = [], [], []

    def __call__(self, tick):
        self.recorder.on_tick(tick)
        for controller, command in tick.commands.items():
            self.commands.setdefault(f"/{controller}/joint_trajectory", []).append(command)
        self.joints.append(tick.joints.positions)
        self.scene = tick.frames.get("scene", self.scene)
        self.frames += [frame.color for name, frame in tick.frames.items() if name == "wrist"]
        self.wrenches += list(tick.wrenches.values())


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """(folder of the bag, what was written)"""
    task = load_task("water_plant")
    folder = tmp_path_factory.mktemp("loop") / "bag"
    with Loop(task, load_robot(task.robot), task.cameras, (48, 36)) as loop:
        recorder = LoopRecorder(loop, folder, "an-id")
        witness = Witness(recorder)
        expert = Expert(loop.robot, task)
        run_episode(task, loop.robot, expert, 3, loop=loop, time_limit=1.0, on_tick=witness, episode_id="an-id")
        recorder.close()
    return folder, witness


def test_what_was_written_is_read_back(recorded):
    folder, witness = recorded
    read: dict[str, list] = {}
    with BagReader(folder) as bag:
        for message in bag.messages():
            read.setdefault(message.topic, []).append(message.data)
        assert not bag.skipped and bag.jump is None
        assert {name: len(found) for name, found in read.items()} == {n: t.count for n, t in bag.topics.items()}
    assert len(witness.commands) == 2
    for topic, commands in witness.commands.items():
        for command, message in zip(commands, read[topic], strict=True):
            assert tuple(message.joint_names) == tuple(command.joint_names)
            np.testing.assert_array_equal([p.positions for p in message.points], command.positions)
            np.testing.assert_array_equal([p.velocities for p in message.points], command.velocities)
            times = [p.time_from_start.sec + p.time_from_start.nanosec * 1e-9 for p in message.points]
            np.testing.assert_allclose(times, command.times, atol=1e-9)
    np.testing.assert_array_equal([m.position for m in read["/joint_states"]], witness.joints)
    pictures = [image_array(m) for m in read["/camera/wrist/color/image_raw"]]
    np.testing.assert_array_equal(pictures, witness.frames)
    forces = [m.wrench.force.z for m in read["/arm/wrench"]]
    np.testing.assert_array_equal(forces, [w[2] for w in witness.wrenches])


def test_viewers_find_a_place_for_every_link_of_the_model(recorded):
    folder, _ = recorded
    with BagReader(folder) as bag:
        read = [(m.topic, m.data) for m in bag.messages(["/robot_description", "/tf"])]
    model = next(data for topic, data in read if topic == "/robot_description").data
    links = {link.get("name") for link in ElementTree.fromstring(model).iter("link")}
    frames = [data.transforms for topic, data in read if topic == "/tf"]
    assert len(frames) >= 20  # of 1 s
    for transforms in frames:
        assert links <= {t.child_frame_id for t in transforms} | {"world"}
        assert {t.header.frame_id for t in transforms} == {"world"}
    first, last = ({t.child_frame_id: t.transform.translation for t in of} for of in (frames[0], frames[-1]))
    assert abs(first["fr3_hand_tcp"].z - last["fr3_hand_tcp"].z) > 0.01  # it moves


def test_the_bag_says_where_the_camera_stood(recorded):
    folder, witness = recorded
    robot = load_robot("fr3_single")
    heard = CameraPoses(robot)
    with BagReader(folder) as bag:
        for message in bag.messages(["/tf_static"]):
            hear(heard, message.data)
    home = np.array(robot.arms[0].home)
    np.testing.assert_allclose(heard.extrinsics("scene", home), witness.scene.extrinsics, atol=1e-9)
    assert np.abs(CameraPoses(robot).extrinsics("scene", home) - witness.scene.extrinsics).max() > 0.01


def test_no_message_holds_anything_but_its_fields(recorded):
    """Neither behind its end nor between its fields: what lies there otherwise is whatever memory held before."""
    store = definitions.typestore()
    with BagReader(recorded[0]) as bag:
        types = {name: topic.type for name, topic in bag.topics.items()}
        for topic, _, raw in bag.raw():
            assert raw == bytes(store.serialize_cdr(store.deserialize_cdr(raw, types[topic]), types[topic])), topic
