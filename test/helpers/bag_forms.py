"""One bag in the forms that `ros2 bag record` writes: storage, compression by file or message, split.

Written by `rosbags`, as rosbag2 itself is not in the tests' environment; the split bag's metadata.yaml is put together as rosbag2's
writers do it: files `<bag>_0`, `<bag>_1`, … in order, with a list of them.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import yaml
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from helpers.synthetic_bag import Messages
from vipa import compressed_images
from vipa.recording import definitions
from vipa.recording.metadata import joined
from vipa.recording.reader import COMPRESSED_IMAGE, IMAGE, BagReader, image_array

FORMS = {
    f"{storage}, {mode}, {'split' if split else 'one file'}": (storage, mode, split)
    for storage in ("mcap", "sqlite3")
    for mode in ("none", "file", "message")
    for split in (False, True)
    if (storage, mode) != ("mcap", "message")  # rosbag2's MCAP compresses chunks, and rosbags refuses it
}
Raw = tuple[str, int, bytes]  # topic, log time, serialized


def rewrite(
    source: Path,
    out: Path,
    form: str = "mcap, none, one file",
    more: Iterable[tuple[str, str, int, bytes]] = (),
    parts: int = 3,
    keep: Callable[[Raw], bool] = lambda _: True,
) -> Path:
    """Writes the bag `source` to `out` in another form. more: (topic, type, log time, serialized) that are put among its messages."""
    storage, mode, split = FORMS[form]
    with BagReader(source) as bag:
        types = {name: info.type for name, info in bag.topics.items()}
        messages = [message for message in bag.raw() if keep(message)]
        custom = dict(bag.custom_data)
    for topic, kind, at, data in more:
        types[topic] = kind
        messages.append((topic, at, data))
    messages.sort(key=lambda message: message[1])
    count = parts if split else 1
    size = -(-len(messages) // count)
    if not split:
        _write(out, storage, mode, types, messages, custom)
        return out
    out.mkdir()
    told = []
    for number in range(count):
        part = out / f"{out.name}_{number}"
        _write(part, storage, mode, types, messages[number * size : (number + 1) * size], custom)
        information = yaml.safe_load((part / "metadata.yaml").read_text("utf-8"))["rosbag2_bagfile_information"]
        for file in sorted(part.iterdir()):
            if file.name != "metadata.yaml":
                file.rename(out / file.name)
        (part / "metadata.yaml").unlink()
        part.rmdir()
        told.append(information)
    text = yaml.safe_dump({"rosbag2_bagfile_information": joined(told)}, sort_keys=False)
    (out / "metadata.yaml").write_text(text, encoding="utf-8")
    return out


def _write(
    out: Path, storage: str, mode: str, types: dict[str, str], messages: list[Raw], custom: dict[str, str]
) -> None:
    plugin = {"mcap": StoragePlugin.MCAP, "sqlite3": StoragePlugin.SQLITE3}[storage]
    writer = Writer(out, version=9, storage_plugin=plugin)
    if mode != "none":
        how = {"file": CompressionMode.FILE, "message": CompressionMode.MESSAGE}[mode]
        writer.set_compression(how, CompressionFormat.ZSTD)
    for key, value in custom.items():
        writer.set_custom_data(key, value)
    store = definitions.typestore()
    with writer:
        ids = {topic: writer.add_connection(topic, kind, typestore=store) for topic, kind in types.items()}
        for topic, at, data in messages:
            writer.write(ids[topic], at, data)


def compress(source: Path, out: Path, damaged: int = -1) -> Path:
    """Writes the bag `source` to `out`, its pictures as image_transport's plugins have them. damaged: number of a message of each whose data are cut."""
    m, counts = Messages(), {}
    with BagReader(source) as bag:
        plain = {name for name, info in bag.topics.items() if info.type == IMAGE}
        more = []
        for message in bag.messages(sorted(plain)):
            pixels, deep = image_array(message.data), message.data.encoding == "16UC1"
            data = (compressed_images.depth_bytes if deep else compressed_images.color_bytes)(pixels)
            counts[message.topic] = counts.get(message.topic, 0) + 1
            if counts[message.topic] - 1 == damaged:
                data = data[: len(data) // 2]
            stamp = message.data.header.stamp
            picture = m(
                COMPRESSED_IMAGE,
                header=m.header(stamp.sec * 10**9 + stamp.nanosec, message.data.header.frame_id),
                format=compressed_images.DEPTH if deep else compressed_images.COLOR,
                data=np.frombuffer(data, np.uint8),
            )
            name = f"{message.topic}/{'compressedDepth' if deep else 'compressed'}"
            more.append((name, COMPRESSED_IMAGE, message.log_time_ns, m.serialize(picture)))
    return rewrite(source, out, more=more, keep=lambda raw: raw[0] not in plain)
