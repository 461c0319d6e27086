"""What recording three cameras costs: our writer and the bare one of `rosbags`, fed with the same messages at the same pace."""

import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from vipa.recording.topic_names import camera_topics

WIDTH, HEIGHT, RATE_HZ, CAMERAS = 640, 480, 30, 3
TOPICS = [camera_topics(f"c{k}")[kind] for k in range(CAMERAS) for kind in ("color", "depth")]
PICTURES = 15  # different ones, in turn
WRITERS = ("vipa", "rosbags", "rosbags zstd")


def pictures(seed: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    """(colour, depth) of a view with things in it, and a sensor's noise on both: what a lossless compressor meets on a robot."""
    random = np.random.default_rng(seed)
    v, u = np.mgrid[0:HEIGHT, 0:WIDTH]
    found = []
    for k in range(PICTURES):
        color = np.stack([u * 90 // WIDTH + 80, v * 90 // HEIGHT + 60, np.full_like(u, 110)], -1).astype(np.int16)
        depth = (900 + v // 2 + u // 8).astype(np.float32)
        for _ in range(12):
            left, top = random.integers((0, 0), (WIDTH - 90, HEIGHT - 90))
            color[top : top + 80, left + k : left + k + 80] = random.integers(20, 235, 3)
            depth[top : top + 80, left + k : left + k + 80] = random.integers(500, 1200)
        color += random.normal(0, 1.5, color.shape).round().astype(np.int16)
        depth += random.normal(0, 0.0015 * depth)
        depth[random.random(depth.shape) < 0.03] = 0
        found.append((color.clip(0, 255).astype(np.uint8), depth.clip(0, 65535).astype(np.uint16)))
    return found


def serialized() -> list[list[bytes]]:
    """CDR of colour and depth messages in turn: of each picture, [colour, depth]."""
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS2_JAZZY)
    image, header, stamp = (
        store.types[n] for n in ("sensor_msgs/msg/Image", "std_msgs/msg/Header", "builtin_interfaces/msg/Time")
    )
    out = []
    for color, depth in pictures():
        parts = ((color, "rgb8", 3 * WIDTH), (depth, "16UC1", 2 * WIDTH))
        row = []
        for pixels, encoding, step in parts:
            data = np.frombuffer(pixels.tobytes(), np.uint8)
            message = image(header(stamp(1, 0), "camera"), HEIGHT, WIDTH, encoding, 0, step, data)
            row.append(bytes(store.serialize_cdr(message, "sensor_msgs/msg/Image")))
        out.append(row)
    return out


def _vipa(folder: Path) -> tuple[Callable, Callable]:
    from vipa.recording.bag import BagWriter

    writer = BagWriter(folder)
    ids = [writer.add_topic(topic, "sensor_msgs/msg/Image") for topic in TOPICS]

    def close() -> int:
        return sum(writer.close().dropped.values())

    return lambda topic, ns, data: writer.write(ids[topic], ns, ns, data), close


def _rosbags(folder: Path, compressed: bool) -> tuple[Callable, Callable]:
    from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
    from rosbags.typesys import Stores, get_typestore

    writer, store = Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP), get_typestore(Stores.ROS2_JAZZY)
    if compressed:
        writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
    writer.open()
    topics = [writer.add_connection(topic, "sensor_msgs/msg/Image", typestore=store) for topic in TOPICS]

    def close() -> int:
        writer.close()
        return 0

    return lambda topic, ns, data: writer.write(topics[topic], ns, data), close


def record(kind: str, seconds: float, folder: str, results) -> None:
    """Records for `seconds` at the cameras' pace, in a process of its own, and puts the figures into `results`."""
    messages = serialized()
    out = Path(folder) / kind.replace(" ", "_")
    write, close = _vipa(out) if kind == "vipa" else _rosbags(out, kind.endswith("zstd"))
    used, began = time.process_time(), time.perf_counter()
    sent, late, frames = 0, 0.0, round(seconds * RATE_HZ)
    for k in range(frames):
        wait = began + k / RATE_HZ - time.perf_counter()
        if wait > 0:
            time.sleep(wait)
        late = max(late, -wait)
        for topic in range(2 * CAMERAS):
            data = messages[(k + 5 * (topic // 2)) % PICTURES][topic % 2]  # no two cameras show the same
            write(topic, 1 + round(k * 1e9 / RATE_HZ), data)
            sent += len(data)
    fed = time.perf_counter() - began
    dropped = close()
    wall, cpu = time.perf_counter() - began, time.process_time() - used
    size = sum(p.stat().st_size for p in out.rglob("*") if p.is_file())
    results.put(
        {
            "writer": kind,
            "asked_MB_s": sent / seconds / 1e6,
            "fed_MB_s": sent / fed / 1e6,
            "wall_s": wall,
            "cores": cpu / wall,
            "processor_s_a_GB": cpu / (sent / 1e9),
            "dropped": dropped,
            "messages": frames * 2 * CAMERAS,
            "latest_s": late,
            "file_share": size / sent,
            "peak_MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
    )


def run(seconds: float, folder: Path | None = None) -> list[dict]:
    """Each writer in turn, each in a process of its own. folder: where the bags are written for the time being."""
    context, found = multiprocessing.get_context("spawn"), []
    for kind in WRITERS:
        with tempfile.TemporaryDirectory(dir=folder) as place:
            results = context.SimpleQueue()
            process = context.Process(target=record, args=(kind, seconds, place, results))
            process.start()
            process.join()
            found.append(
                results.get() if process.exitcode == 0 else {"writer": kind, "error": f"exit status {process.exitcode}"}
            )
    return found


def line(row: dict) -> str:
    """A row of figures in words."""
    if "error" in row:
        return f"recording   {row['writer']:<13} {row['error']}"
    return (
        f"recording   {row['writer']:<13} {row['fed_MB_s']:.0f} of {row['asked_MB_s']:.0f} MB/s, {row['dropped']} of {row['messages']} messages "
        f"dropped, {row['cores']:.2f} cores ({row['processor_s_a_GB']:.1f} s a GB), at most {row['latest_s']:.2f} s late, file {100 * row['file_share']:.0f} %, {row['peak_MB']:.0f} MB"
    )
