"""What bags may hold: others' robots, failures, bad messages, two pasts. Named, left out, and the rest is built."""

import argparse
import json
import shutil
import struct

import numpy as np
import pytest

from helpers.synthetic_bag import EPISODE_ID, START_NS, Messages, write_episode
from vipa.dataset.build import build_from_bags
from vipa.dataset.check import check
from vipa.dataset.reader import Dataset
from vipa.dataset.writer import DatasetWriter
from vipa.errors import VipaError
from vipa.recording.bag import BagWriter
from vipa.recording.reader import BagReader
from vipa_cli.commands import dataset as command

JOINT_STATES, INFO, CHUNKS = "/joint_states", "/camera/scene/color/camera_info", "/vipa/action_chunk"


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return write_episode(tmp_path_factory.mktemp("plain") / "bag", seconds=1.0)


def make_run(folder, source, change=lambda topic, ns, raw: raw, passes=((0, 10**19),), **card):
    """A run folder whose bag holds the messages of `source` as `change` makes them (None: left out), those from..to
    nanoseconds after the start, in as many `passes` as are given."""
    with BagReader(source) as bag, BagWriter(folder / "bag", bag.custom_data) as out:
        ids = {t.name: out.add_topic(t.name, t.type) for t in bag.topics.values()}
        for first, last in passes:
            for topic, ns, raw in bag.raw():
                made = change(topic, ns, raw) if first <= ns - START_NS <= last else None
                if made is not None:
                    while not out.write(ids[topic], ns, ns, made):
                        out.flush()
    (folder / "scorecard.json").write_text(
        json.dumps({"episode_id": folder.name, "outcome": "success"} | card), encoding="utf-8"
    )
    return folder


def at(topic, when, make):
    """A change of the messages of `topic` at `when` seconds, or at all for None."""

    def change(name, ns, raw):
        hit = name == topic and (when is None or abs(ns - START_NS - when * 1e9) < 1e6)
        return make(raw) if hit else raw

    return change


def joints_with(**changes):
    """Of a serialized joint state, another one with fields changed."""

    def make(raw):
        m = Messages()
        message = m.store.deserialize_cdr(raw, "sensor_msgs/msg/JointState")
        for name, value in changes.items():
            setattr(message, name, value(getattr(message, name)))
        return m.serialize(message)

    return make


def info_with(**changes):
    def make(raw):
        m = Messages()
        message = m.store.deserialize_cdr(raw, "sensor_msgs/msg/CameraInfo")
        for name, value in changes.items():
            setattr(message, name, value)
        return m.serialize(message)

    return make


def no_stamp(raw):
    return raw[:4] + struct.pack("<iI", 0, 0) + raw[12:]


BAD = {
    "short": (at(JOINT_STATES, 0.5, lambda raw: raw[:40]), JOINT_STATES, "not a whole"),
    "nan": (at(JOINT_STATES, 0.5, joints_with(position=lambda p: p * np.nan)), JOINT_STATES, "not finite"),
    "few": (at(JOINT_STATES, 0.5, joints_with(position=lambda p: p[:3])), JOINT_STATES, "8 names, but positions (3,)"),
    "twice": (at(JOINT_STATES, 0.5, joints_with(name=lambda n: ["fr3_joint1"] * len(n))), JOINT_STATES, "stands twice"),
    "stampless": (at(JOINT_STATES, 0.5, no_stamp), JOINT_STATES, "stamp 0"),
    "info": (at(INFO, 0.6, info_with(width=64)), INFO, "camera_info is of 64x24 pixels"),
    "focal": (at(INFO, 0.6, info_with(k=np.full(9, np.nan))), INFO, "K is not finite"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_message_is_left_out_and_named(plain, tmp_path, kind):
    change, topic, said = BAD[kind]
    run = make_run(tmp_path / "run", plain, change)
    report = build_from_bags([run], tmp_path / "set")
    assert report.added == ["run"] and not report.whole
    (note,) = report.notes[str(run)]
    assert note.startswith(f"{topic}: 1 message skipped") and said in note
    assert check(tmp_path / "set") == [] and len(Dataset(tmp_path / "set").episode(0)) == 11


def test_a_chunk_that_motion_refuses_is_no_command(plain, tmp_path):
    def nonsense(raw):
        m = Messages()
        message = m.store.deserialize_cdr(raw, "vipa_msgs/msg/ActionChunk")
        message.groups[0].poses[0].position.x = float("nan")
        return m.serialize(message)

    run = make_run(tmp_path / "run", plain, at(CHUNKS, 0.5, nonsense))
    report = build_from_bags([run], tmp_path / "set")
    assert "/vipa/action_chunk: 1 message skipped: steps hold NaN" in report.notes[str(run)][0]
    assert check(tmp_path / "set") == []


def test_one_bad_run_stops_nobody(plain, tmp_path, monkeypatch):
    """A bag of garbage, one of another robot, one that makes the code stumble, and two good ones."""
    good = [make_run(tmp_path / name, plain) for name in ("one", "two")]
    broken = shutil.copytree(good[0], tmp_path / "broken")
    next((broken / "bag").glob("*.mcap")).write_bytes(b"garbage" * 100)
    other = make_run(tmp_path / "other", plain, robot="ur5e_single")
    odd = make_run(tmp_path / "odd", plain)
    write = DatasetWriter.save_episode

    def stumble(self, instruction, subtasks, meta):
        if meta["run_folder"] == "odd":
            raise KeyError("surprise")
        write(self, instruction, subtasks, meta)

    monkeypatch.setattr(DatasetWriter, "save_episode", stumble)
    runs = [str(r) for r in (broken, odd, good[0], other, good[1])]
    report = build_from_bags([odd, *runs], tmp_path / "set")
    assert sorted(report.added) == ["one", "two"]
    assert set(report.failed) == {str(broken), str(odd), str(other)}
    assert report.failed[str(odd)] == "KeyError: 'surprise'"
    assert check(tmp_path / "set") == []
    assert not (tmp_path / "set" / ".staging").exists()


def test_exit_status_and_list(plain, tmp_path, capsys):
    parser = argparse.ArgumentParser()
    command.arguments(parser)

    def vipa_dataset(*words):
        return command.run(parser.parse_args([str(w) for w in words]))

    good = make_run(tmp_path / "runs" / "20260102-030405-put_three_obj-aa", plain, seed=5, commander="expert")
    bad = make_run(tmp_path / "bad", plain, BAD["nan"][0])
    timeout = make_run(tmp_path / "timeout", plain, outcome="timeout")
    assert vipa_dataset("build", good, timeout, "--out", tmp_path / "set") == 0
    out = capsys.readouterr().out
    assert "seed 5  outcome success  commander expert  recorded 20260102-030405" in out
    assert f"skipped  {timeout}: not a success (timeout)" in out
    assert vipa_dataset("show", tmp_path / "set") == 0
    assert "seed 5  outcome success  commander expert" in capsys.readouterr().out
    assert vipa_dataset("build", bad, "--out", tmp_path / "set") == 1
    assert "NOTE     " in capsys.readouterr().out


def test_nothing_is_left_where_nothing_is_added(plain, tmp_path):
    still = make_run(tmp_path / "still", plain, at(JOINT_STATES, None, joints_with(position=lambda p: p * 0)))
    with pytest.raises(VipaError, match="nothing moved"):
        build_from_bags([still], tmp_path / "set", everything=True)
    assert not (tmp_path / "set").exists()
    (tmp_path / "mine").mkdir()
    with pytest.raises(VipaError, match="nothing was written"):
        build_from_bags([still], tmp_path / "mine")
    assert list((tmp_path / "mine").iterdir()) == []
    with pytest.raises(VipaError, match="no run folder can be used"):
        build_from_bags([], tmp_path / "set")


def test_episodes_stand_in_the_order_of_their_recording(plain, tmp_path):
    names = ["20260103-000000-task-a", "20260101-000000-task-c", "20260102-000000-task-b"]
    runs = [make_run(tmp_path / n, plain, episode_id=key) for n, key in zip(names, ("1-a", "3-c", "2-b"), strict=True)]
    assert build_from_bags(runs, tmp_path / "set").added == ["3-c", "2-b", "1-a"]
    assert [e.key for e in Dataset(tmp_path / "set")] == ["3-c", "2-b", "1-a"]


SECOND = 10**9


def test_a_jump_of_time_ends_the_episode(plain, tmp_path):
    """The episode runs to 0.6 s; then its time begins anew and it succeeds."""
    run = make_run(tmp_path / "run", plain, passes=[(0, 0.6 * SECOND), (0, 10**19)])
    with pytest.raises(VipaError, match="time jumps back 0.6 s at 5.60 s"):
        build_from_bags([run], tmp_path / "set")
    report = build_from_bags([run], tmp_path / "set", everything=True)
    assert report.notes[str(run)][0].startswith("ends at the jump: time jumps back")
    episode = Dataset(tmp_path / "set").episode(0)
    assert len(episode) == 7 and not episode.meta["success"] and "jumps back" in episode.meta["cut"]
    assert check(tmp_path / "set") == []


def test_a_gap_ends_the_episode(plain, tmp_path):
    source = write_episode(tmp_path / "long", seconds=3.0)
    run = make_run(tmp_path / "run", source, passes=[(0, 1 * SECOND), (2.5 * SECOND, 10**19)])
    report = build_from_bags([run], tmp_path / "set", everything=True)
    assert "jumps ahead or stands still for 1.5 s" in report.notes[str(run)][0]
    assert len(Dataset(tmp_path / "set").episode(0)) == 11 and check(tmp_path / "set") == []


def test_what_comes_after_the_episode_does_not_matter(plain, tmp_path):
    run = make_run(tmp_path / "run", plain, passes=[(0, 10**19), (0, 0.5 * SECOND)])
    report = build_from_bags([run], tmp_path / "set")
    assert report.added == ["run"] and report.whole and len(Dataset(tmp_path / "set").episode(0)) == 11


def test_check_finds_two_pasts_in_one_episode(plain, tmp_path):
    """Frames of two movements in turns, as a reader by log time alone made of them."""
    interleaved = at(JOINT_STATES, 0.48, joints_with(position=lambda p: p + 1.0))
    build_from_bags([make_run(tmp_path / "run", plain, interleaved)], tmp_path / "set")
    (finding,) = [f for f in check(tmp_path / "set") if f.level == "error"]
    assert "2 leaps: arm.fr3_joint" in finding.what and "allowed:" in finding.what


def test_two_builds_at_once(plain, tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    runs = [make_run(tmp_path / f"run{n}", plain) for n in range(4)]
    with ThreadPoolExecutor(2) as pool:
        parts = [pool.submit(build_from_bags, part, tmp_path / "set") for part in (runs[:3], runs[1:])]
        for part in parts:
            assert not part.result().failed
    assert sorted(e.key for e in Dataset(tmp_path / "set")) == ["run0", "run1", "run2", "run3"]
    assert check(tmp_path / "set") == [] and EPISODE_ID not in [e.key for e in Dataset(tmp_path / "set")]


def in_parts(source, folder):
    """The bag with arm and gripper in joint states of their own, the gripper's without velocities, at half the rate."""
    m = Messages()
    with BagReader(source) as bag, BagWriter(folder / "bag", bag.custom_data) as out:
        ids = {t.name: out.add_topic(t.name, t.type) for t in bag.topics.values()}
        count = 0

        def put(topic, ns, raw):
            while not out.write(ids[topic], ns, ns, raw):
                out.flush()

        for topic, ns, raw in bag.raw():
            if topic != JOINT_STATES:
                put(topic, ns, raw)
                continue
            whole = m.store.deserialize_cdr(raw, "sensor_msgs/msg/JointState")
            for part, velocity in ((slice(0, 7), whole.velocity[:7]),) + (
                ((slice(7, 8), np.zeros(0)),) if count % 2 == 0 else ()
            ):
                message = m(
                    "sensor_msgs/msg/JointState",
                    header=whole.header,
                    name=whole.name[part],
                    position=whole.position[part],
                    velocity=velocity,
                )
                put(topic, ns, m.serialize(message))
            count += 1
    (folder / "scorecard.json").write_text(json.dumps({"episode_id": "parts", "outcome": "success"}), encoding="utf-8")
    return folder


def test_joint_states_may_come_in_parts(plain, tmp_path):
    whole = make_run(tmp_path / "whole", plain)
    report = build_from_bags([whole, in_parts(plain, tmp_path / "parts")], tmp_path / "set")
    assert report.whole and sorted(report.added) == ["parts", "whole"]
    a, b = Dataset(tmp_path / "set")
    np.testing.assert_allclose(a["observation.state"], b["observation.state"], atol=1e-6)
    np.testing.assert_allclose(a["observation.tool_velocity"], b["observation.tool_velocity"], atol=1e-6)


DEPTH_TOPIC = "/camera/wrist/aligned_depth_to_color/image_raw"


def test_cameras_that_a_live_robot_would_not_trust_are_refused(plain, tmp_path):
    def empty(raw):
        m = Messages()
        message = m.store.deserialize_cdr(raw, "sensor_msgs/msg/Image")
        message.data = np.zeros_like(message.data)
        return m.serialize(message)

    good, blind = make_run(tmp_path / "good", plain), make_run(tmp_path / "blind", plain, at(DEPTH_TOPIC, None, empty))
    long = write_episode(tmp_path / "long", seconds=7.0)
    first = {}

    def stuck(topic, ns, raw):
        if topic != DEPTH_TOPIC or ns - START_NS < SECOND:
            return raw
        data = first.setdefault("pixels", raw[12:])
        return raw[:12] + data

    frozen = make_run(tmp_path / "frozen", long, stuck)
    report = build_from_bags([good, blind, frozen], tmp_path / "set")
    assert report.added == ["good"]
    assert "camera wrist: depth is empty: 0.0 % of its pixels have one" in report.failed[str(blind)]
    assert "camera wrist: the same depth for " in report.failed[str(frozen)]


def test_a_task_file_of_another_version_costs_the_targets_alone(plain, tmp_path):
    run = make_run(tmp_path / "old", plain)
    (run / "config.yaml").write_text(
        "task: {name: put_three_obj, subtasks: [{name: open drawer, oldkey: 1}]}", encoding="utf-8"
    )
    report = build_from_bags([run], tmp_path / "set")
    assert report.added == ["old"] and not report.whole
    (note,) = report.notes[str(run)]
    assert note.startswith("without targets: ") and "config.yaml: task" in note
    episode = Dataset(tmp_path / "set").episode(0)
    assert not episode["target"].any() and len(episode.meta["subtasks"]) > 1


def test_a_bag_that_was_logged_by_another_clock_is_refused(tmp_path):
    """As `ros2 bag record` without --use-sim-time does beside a simulated cell."""
    write_episode(tmp_path / "run/bag", seconds=1.0, log_ahead_ns=1_700_000_000 * SECOND)
    with pytest.raises(VipaError, match="was stamped at .* s and logged at 17.* --use-sim-time"):
        build_from_bags([tmp_path / "run"], tmp_path / "set")
