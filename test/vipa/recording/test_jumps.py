"""Where time jumps in a bag, and that no second past is read among the first."""

import pytest

from helpers.synthetic_bag import Messages
from vipa.recording.bag import BagWriter
from vipa.recording.reader import BagReader, stamp_ns

M = Messages()
STEP = 20_000_000


def _bag(folder, stamps, log_times=None, other=True):
    """Joint states at `stamps` (nanoseconds), logged at `log_times` (None: at their stamps), beside another topic."""
    with BagWriter(folder) as bag:
        joints = bag.add_topic("/joint_states", "sensor_msgs/msg/JointState")
        camera = bag.add_topic("/image", "sensor_msgs/msg/JointState") if other else None
        for k, stamp in enumerate(stamps):
            log = stamp if log_times is None else log_times[k]
            data = M.serialize(M("sensor_msgs/msg/JointState", header=M.header(stamp, str(k))))
            bag.write(joints, log, log, data)
            if other:
                bag.write(camera, log, log, data)
    return folder


def _run(start_s: float, seconds: float) -> list[int]:
    return [round(start_s * 1e9) + k * STEP for k in range(round(seconds * 1e9) // STEP)]


def test_a_bag_whose_time_runs_on_has_no_jump(tmp_path):
    with BagReader(_bag(tmp_path / "bag", _run(10, 4))) as bag:
        assert bag.jump is None
        assert len(list(bag.messages())) == 400


@pytest.mark.parametrize("by_wall_clock", [False, True], ids=["logged by ROS time", "logged by the wall's clock"])
def test_a_bag_ends_where_time_jumps_back(tmp_path, by_wall_clock):
    first, second = _run(10, 4), _run(11, 4)
    stamps = first + second
    logs = [10**18 + k * STEP for k in range(len(stamps))] if by_wall_clock else None
    with BagReader(_bag(tmp_path / "bag", stamps, logs)) as bag:
        assert bag.jump.back and bag.jump.by_ns == 11_000_000_000 - first[-1]
        if not by_wall_clock:
            assert bag.jump.at_ns == first[-1]
        assert "jumps back 3.0 s" in str(bag.jump)
        read = [(int(m.data.header.frame_id), stamp_ns(m.data)) for m in bag.messages(["/image"])]
        assert read == list(enumerate(first))
        assert len(list(bag.raw())) == 2 * len(first)


def test_a_jump_within_and_between_chunks_is_the_same(tmp_path):
    with BagReader(_bag(tmp_path / "long", _run(0, 60) + _run(30, 60), other=False)) as bag:
        assert len(list(bag.messages())) == 3000


def test_a_leap_ahead_is_named_and_what_follows_is_read(tmp_path):
    stamps = _run(10, 2) + _run(32, 2)
    with BagReader(_bag(tmp_path / "bag", stamps)) as bag:
        assert not bag.jump.back and bag.jump.by_ns == stamps[100] - stamps[99] and bag.jump.at_ns == stamps[99]
        assert len(list(bag.messages())) == 400


def test_stamps_of_zero_and_swapped_messages_are_no_jump(tmp_path):
    stamps = _run(10, 2)
    stamps[30] = 0
    stamps[50], stamps[53] = stamps[53], stamps[50]
    logs = _run(10, 2)
    with BagReader(_bag(tmp_path / "bag", stamps, logs)) as bag:
        assert bag.jump is None


def test_a_bag_sorted_by_topic_is_no_jump(tmp_path):
    """Some tools write one topic after the other."""
    with BagWriter(tmp_path / "bag") as writer:
        for name in ("/joint_states", "/b"):
            topic = writer.add_topic(name, "sensor_msgs/msg/JointState")
            for stamp in _run(10, 4):
                data = M.serialize(M("sensor_msgs/msg/JointState", header=M.header(stamp)))
                writer.write(topic, stamp, stamp, data)
    with BagReader(tmp_path / "bag") as bag:
        assert bag.jump is None
        times = [m.log_time_ns for m in bag.messages()]
        assert len(times) == 400 and times == sorted(times)
