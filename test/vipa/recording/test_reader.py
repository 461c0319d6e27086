"""Reading bags back."""

import numpy as np
import pytest

from helpers.synthetic_bag import START_NS, Messages, depth_picture, picture, write_episode
from vipa.errors import VipaError
from vipa.recording.bag import BagWriter
from vipa.recording.mcap_file import McapFile
from vipa.recording.reader import BagReader, image_array, stamp_ns


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_episode(tmp_path_factory.mktemp("read") / "bag", seconds=1.0)


def test_what_was_written_comes_back(folder):
    with BagReader(folder) as bag:
        assert bag.custom_data["task"] == "put_three_obj"
        assert bag.topics["/arm/wrench"].type == "geometry_msgs/msg/WrenchStamped"
        assert bag.duration == 1.0 and bag.start_ns == START_NS
        assert bag.camera_names() == ["scene", "wrist"]
        statuses = [m.data for m in bag.messages(["/vipa/episode_status"])]
        assert statuses[-1].outcome == "success" and statuses[-1].subtasks[0].name == "open drawer"
        times = [m.log_time_ns for m in bag.messages()]
        assert times == sorted(times)


def test_images_come_back_exactly(folder):
    with BagReader(folder) as bag:
        colour = next(iter(bag.messages(["/camera/scene/color/image_raw"]))).data
        np.testing.assert_array_equal(image_array(colour), picture(0.0, 24, 32, 0.0))
        depth = next(iter(bag.messages(["/camera/wrist/aligned_depth_to_color/image_raw"]))).data
        assert image_array(depth).dtype == np.uint16
        np.testing.assert_array_equal(image_array(depth), depth_picture(0.0, 24, 32))
        assert stamp_ns(depth) == START_NS


def test_a_part_of_the_time(folder):
    with BagReader(folder) as bag:
        middle = START_NS + 500_000_000
        messages = list(bag.messages(["/joint_states"], start_ns=START_NS + 1, stop_ns=middle))
        assert len(messages) == 24
        assert all(START_NS < m.log_time_ns < middle for m in messages)
        assert len(list(bag.raw(["/joint_states"]))) == 51


def test_some_channels_of_a_file_keep_the_places_of_the_others(folder):
    file = McapFile(next(folder.glob("*.mcap")))
    for part in file.parts:
        every = file.read(part)
        for channels in ({every[0].channel}, set(), {m.channel for m in every}):
            assert file.read(part, channels) == [m if m.channel in channels else None for m in every]
    file.close()


def test_a_checksum_is_verified_whatever_is_read_first(folder, tmp_path):
    """Once is enough for a chunk, and it must be the first time, also where nothing of the chunk is wanted."""
    path = tmp_path / "damaged.mcap"
    path.write_bytes(next(folder.glob("*.mcap")).read_bytes())
    chunk = McapFile(path).parts[0].chunk
    with path.open(
        "r+b"
    ) as file:  # the CRC stands before the length and name of the compression and the length of the data
        file.seek(chunk.start - 8 - len(chunk.compression) - 4 - 4)
        file.write((chunk.crc ^ 1).to_bytes(4, "little"))
    damaged = McapFile(path)
    for _ in range(2):
        with pytest.raises(VipaError, match="CRC"):
            damaged.read(damaged.parts[0], set())
    damaged.close()


def test_errors(folder, tmp_path):
    with BagReader(folder) as bag, pytest.raises(VipaError, match="allowed: .*/joint_states"):
        list(bag.messages(["/nothing"]))
    with pytest.raises(VipaError, match="metadata.yaml"):
        BagReader(tmp_path)
    cut = BagWriter(tmp_path / "cut")
    cut.add_topic("/a", "std_msgs/msg/String")
    cut.flush()
    with pytest.raises(VipaError, match="repair"):
        BagReader(tmp_path / "cut")
    cut.close()
    with BagReader(tmp_path / "cut") as bag:
        assert bag.duration == 0.0 and list(bag.messages()) == []


@pytest.mark.parametrize("encoding, channels", [("bgr8", 3), ("rgba8", 4)])
def test_colour_encodings_become_rgb(encoding, channels):
    m = Messages()
    rgb = picture(0.0, 5, 7, 0.0)
    stored = rgb[..., ::-1] if encoding == "bgr8" else np.dstack([rgb, np.full((5, 7), 255, np.uint8)])
    padded = np.zeros((5, 7 * channels + 3), np.uint8)
    padded[:, : 7 * channels] = stored.reshape(5, -1)
    image = m(
        "sensor_msgs/msg/Image", height=5, width=7, encoding=encoding, step=padded.shape[1], data=padded.reshape(-1)
    )
    np.testing.assert_array_equal(image_array(image), rgb)


def test_images_that_do_not_fit_are_refused():
    m = Messages()
    with pytest.raises(VipaError, match="allowed: .*rgb8"):
        image_array(m("sensor_msgs/msg/Image", height=1, width=1, encoding="yuv"))
    with pytest.raises(VipaError, match="step >= 6"):
        image_array(m("sensor_msgs/msg/Image", height=1, width=2, encoding="rgb8", step=6, data=np.zeros(5, np.uint8)))
    big = m(
        "sensor_msgs/msg/Image",
        height=1,
        width=1,
        encoding="16UC1",
        is_bigendian=1,
        step=2,
        data=np.array([1, 2], np.uint8),
    )
    assert image_array(big)[0, 0] == 258
