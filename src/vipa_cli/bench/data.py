"""Recording, conversion and reading of data on this machine, beside the bare `rosbags` writer and, where it is there, LeRobot."""

import json
import multiprocessing
import resource
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from vipa import files
from vipa.dataset.build import build_from_bags
from vipa.dataset.features import IMAGES, depth_feature
from vipa.dataset.reader import Dataset
from vipa.dataset.spec import DEPTH
from vipa.dataset.writer import DatasetWriter
from vipa.errors import VipaError
from vipa.recording.reader import BagReader
from vipa_cli.bench import data_recording

READS = 300


def conversion(runs: list[Path], out: str, results) -> None:
    """Builds a dataset of `runs` in a process of its own: processor and wall seconds, and the most memory at a third and at the end."""
    memory: list[tuple[float, float]] = []

    def progress(part: float) -> None:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        memory.append((part, pages * resource.getpagesize() / 1e6))

    began, used = time.perf_counter(), time.process_time()
    result = build_from_bags(runs, Path(out), everything=True, progress=progress)
    wall, spent = time.perf_counter() - began, time.process_time() - used
    stored = sum(p.stat().st_size for run in runs for p in (run / "bag").glob("*.mcap"))
    raw = sum(_raw_bytes(run) for run in runs)
    early = max((m for part, m in memory if part <= 1 / 3), default=0.0)
    results.put(
        {
            "episodes": len(result.added),
            "bag_GB": stored / 1e9,
            "raw_GB": raw / 1e9,
            "processor_s": spent,
            "wall_s": wall,
            "processor_min_a_GB": spent / 60 / (stored / 1e9),
            "processor_min_a_raw_GB": spent / 60 / (raw / 1e9),
            "memory_MB_first_third": early,
            "memory_MB_all": max(m for _, m in memory),
        }
    )


def _raw_bytes(run: Path) -> int:
    with BagReader(run / "bag") as bag:
        return sum(len(data) for _, _, data in bag.raw())


def frames_of(dataset: Dataset, most: int) -> dict[str, np.ndarray]:
    """Frames of the first episodes, `most` at most: pictures, depth, state and action, as a writer gets them."""
    found: dict[str, list] = {}
    count = 0
    for episode in dataset:
        take = min(len(episode), most - count)
        if take <= 0:
            break
        for camera in dataset.spec.cameras:
            found.setdefault(IMAGES + camera.name, []).append(episode.images(camera.name, 0, take))
            if camera.depth:
                found.setdefault(depth_feature(camera.name), []).append(episode.depth(camera.name, 0, take))
        for name in ("observation.state", "action"):
            found.setdefault(name, []).append(episode[name][:take].reshape(take, -1))
        count += take
    return {name: np.concatenate(parts) for name, parts in found.items()}


def our_writing(dataset: Dataset, frames: dict[str, np.ndarray], out: str) -> dict:
    """The same frames through our writer: colour, depth map, and depth without loss, which LeRobot does not keep."""
    spec = dataset.spec
    columns = {n: np.zeros((1, f.size)) for n, f in spec.features.items()}
    began, used = time.perf_counter(), time.process_time()
    writer = DatasetWriter(Path(out), spec)
    count = len(frames["action"])
    for k in range(count):
        frame = {n: frames[n][k] if n in frames else v[0] for n, v in columns.items()}
        frame |= {IMAGES + c.name: frames[IMAGES + c.name][k] for c in spec.cameras}
        frame |= {DEPTH + c.name: frames[depth_feature(c.name)][k] for c in spec.cameras if c.depth}
        writer.add_frame(frame, "bench")
    writer.save_episode("bench", ["bench"])
    writer.finalize()
    return {"frames": count, "wall_s": time.perf_counter() - began, "processor_s": time.process_time() - used}


def our_reading(dataset: Dataset, count: int) -> dict:
    """Frames at random, every camera, state and action; with depth without loss in `with_depth`."""
    ends = np.cumsum([row["length"] for row in dataset.rows])
    chosen = np.random.default_rng(0).integers(0, ends[-1], count)
    found = {}
    for kind, depth in (("reads", False), ("with_depth", True)):
        began, used = time.perf_counter(), time.process_time()
        for k in chosen:
            number = int(np.searchsorted(ends, k, side="right"))
            episode, frame = dataset.episode(number), int(k - (ends[number - 1] if number else 0))
            for camera in dataset.spec.cameras:
                episode.images(camera.name, frame, 1)
                if depth and camera.depth:
                    episode.depth(camera.name, frame, 1)
            for name in ("observation.state", "action"):
                episode[name][frame]
        found[kind] = {
            "frames": count,
            "wall_s": time.perf_counter() - began,
            "processor_s": time.process_time() - used,
        }
    return found


def lerobot(python: Path, *words) -> dict:
    """What lerobot_side.py prints. Raises VipaError if it fails."""
    # -P: modules beside the script, such as bench/statistics.py, are not found instead of Python's own
    command = [str(python), "-P", str(Path(__file__).with_name("lerobot_side.py")), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    line = next((ln for ln in done.stdout.splitlines() if ln.startswith("RESULT ")), None)
    if line is None:
        raise VipaError(f"{python}: LeRobot's side failed: {(done.stderr.strip().splitlines() or ['no output'])[-1]}")
    return json.loads(line.removeprefix("RESULT "))


def run(runs: list[Path], seconds: float, python: Path | None, most: int, out: Path | None) -> None:
    """Measures, prints and writes the figures. runs: run folders to convert; none: recording alone."""
    found: dict = {"recording": data_recording.run(seconds)}
    for row in found["recording"]:
        print(data_recording.line(row))
    if runs:
        with tempfile.TemporaryDirectory() as folder:
            found |= _conversions(runs, Path(folder), python, most)
    if out:
        files.write_json(out, found)


def _conversions(runs: list[Path], folder: Path, python: Path | None, most: int) -> dict:
    context = multiprocessing.get_context("spawn")
    results = context.SimpleQueue()
    process = context.Process(target=conversion, args=(runs, str(folder / "set"), results))
    process.start()
    process.join()
    if process.exitcode:
        raise VipaError(f"the conversion ended with status {process.exitcode}")
    found: dict = {"conversion": results.get()}
    c = found["conversion"]
    print(
        f"conversion  {c['episodes']} episodes, {c['bag_GB']:.3f} GB of bags ({c['raw_GB']:.2f} GB of messages): {c['processor_s']:.1f} s of "
        f"processor, {c['processor_min_a_GB']:.2f} min a GB of bag, {c['processor_min_a_raw_GB']:.2f} of messages; memory "
        f"{c['memory_MB_first_third']:.0f} MB in the first third, {c['memory_MB_all']:.0f} MB in all"
    )
    dataset = Dataset(folder / "set")
    frames = frames_of(dataset, most)
    found["writing"] = {"vipa": our_writing(dataset, frames, str(folder / "ours"))}
    found["reading"] = {"vipa": our_reading(dataset, READS)}
    if python is not None:
        np.savez(folder / "frames.npz", fps=dataset.spec.fps, **frames)
        for how in ("streaming", "plain"):
            found["writing"][f"lerobot {how}"] = lerobot(python, "write", folder / "frames.npz", folder / how, how)
        found["reading"]["lerobot"] = lerobot(python, "read", folder / "set", READS)
    for name, row in found["writing"].items():
        print(
            f"writing     {name:<18} {1e3 * row['processor_s'] / row['frames']:7.1f} ms of processor a frame, {1e3 * row['wall_s'] / row['frames']:7.1f} ms"
        )
    ours = found["reading"]["vipa"]
    rows = {"vipa": ours["reads"], "vipa, 16-bit depth": ours["with_depth"]} | {
        n: r for n, r in found["reading"].items() if n != "vipa"
    }
    for name, row in rows.items():
        print(f"reading     {name:<18} {row['frames'] / row['processor_s']:7.1f} frames a second of processor")
    return found
