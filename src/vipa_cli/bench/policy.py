"""`vipa bench policy`: what a policy takes to act, in which parts, and what a socket adds. One thread, one process.

Without a checkpoint it makes its own, of random weights: every size with one, two and three views.
"""

import importlib.util
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from vipa import files, provenance
from vipa.commanders.inference import InferenceOptions
from vipa.commanders.policy.commander import load_policy
from vipa.errors import VipaError, unknown
from vipa_cli.bench.checkpoints import random_checkpoint
from vipa_cli.bench.observations import HEIGHT, WIDTH, observation
from vipa_cli.bench.served import served_times
from vipa_model.configuration_vipa import VipaConfig
from vipa_model.runtime.policy import Policy

SIZES, VIEWS, STEPS = ("xs", "s"), (1, 2, 3), (4, 10)
RUNTIMES = {"eager fp32": ("torch", "fp32"), "ONNX fp32": ("onnxruntime", "fp32"), "ONNX int8": ("onnxruntime", "int8")}
WARM_UP = 5
SERVED = "ONNX int8", 4  # what is also measured behind a socket


def timed(functions: dict[str, Callable[[], object]], count: int) -> dict[str, np.ndarray]:
    """{name: (count, 2)} milliseconds by the clock and of this thread's CPU time. The functions take turns, so that what else
    the machine does meets all of them alike; WARM_UP rounds do not count."""
    rows: dict[str, list] = {name: [] for name in functions}
    for _ in range(WARM_UP + count):
        for name, function in functions.items():
            wall, cpu = time.perf_counter(), time.thread_time()
            function()
            rows[name].append((time.perf_counter() - wall, time.thread_time() - cpu))
    return {name: 1e3 * np.array(values[WARM_UP:]) for name, values in rows.items()}


def measure(policy: Policy, count: int) -> dict[str, float]:
    """Milliseconds: p50 and p99 of act by the clock; medians of CPU time of act and of its parts, each called on its own; how
    act compares with their sum, and what of it is not the model."""
    given, processor, runtime = observation(policy), policy.processor, policy.runtime
    batch, reference = processor(given), processor.references(given["state"])
    condition = runtime.condition(batch)
    noise = np.zeros((1, policy.horizon, policy.config.action_dim), np.float32)
    prefix = np.zeros((1, policy.horizon), bool)
    found = timed(
        {
            "act": lambda: policy.act(given),
            "prepare": lambda: (processor(given), processor.references(given["state"])),
            "condition": lambda: runtime.condition(batch),
            "integrate": lambda: runtime.integrate(noise, noise, prefix, condition, policy.steps),
            "decode": lambda: processor.decode_actions(noise[0].astype(np.float64), reference),
        },
        count,
    )
    wall = found["act"][:, 0]
    cpu = {name: float(np.median(values[:, 1])) for name, values in found.items()}
    rest = cpu["act"] - cpu["condition"] - cpu["integrate"]
    return {
        "p50_ms": float(np.median(wall)),
        "p99_ms": float(np.percentile(wall, 99)),
        **{f"{name}_cpu_ms": value for name, value in cpu.items()},
        "act_over_parts": cpu["act"] / sum(value for name, value in cpu.items() if name != "act"),
        "not_model_ms": rest,
        "not_model_share": rest / cpu["act"],
    }


def cases(folder: Path, name: str, count: int) -> Iterator[tuple[str, dict]]:
    """Every runtime and number of steps of the checkpoint in `folder`, then the same behind a socket."""
    for label, (runtime, precision) in RUNTIMES.items():
        if runtime == "torch" and importlib.util.find_spec("torch") is None:
            print(f"  {name}, {label}: torch is not installed; run: make train-env")
            continue
        policy = load_policy(str(folder), InferenceOptions(runtime, precision, "cpu"))
        for steps in STEPS:
            policy.steps = steps
            yield f"{name}, {label}, {steps} steps", measure(policy, count)
    policy.steps = SERVED[1]
    far, near = served_times(folder, policy, observation(policy), count, WARM_UP)
    row = {
        "p50_ms": float(np.median(far)),
        "p99_ms": float(np.percentile(far, 99)),
        "in_process_p50_ms": float(np.median(near)),
    }
    yield (
        f"{name}, {SERVED[0]}, {SERVED[1]} steps, served",
        row | {"added_ms": row["p50_ms"] - row["in_process_p50_ms"]},
    )


def checkpoints(scratch: Path, sizes: list[str], views: list[int]) -> Iterator[tuple[Path, str]]:
    """Random checkpoints and their names. The cameras are called as those of fr3_single, and one more."""
    for size in sizes:
        for count in views:
            config = VipaConfig.named(size, cameras=["scene", "wrist", "side"][:count], target=True, grounding=64)
            print(f"  making {size} with {count} view{'s' * (count > 1)} …", flush=True)
            yield random_checkpoint(scratch / f"{size}{count}", config), f"{size}, {count} view{'s' * (count > 1)}"


def conditions(count: int) -> dict:
    """Where and how it was measured."""
    model = next(
        (line.split(":")[1].strip() for line in _cpuinfo() if line.startswith("model name")), platform.processor()
    )
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "load_average": [round(x, 2) for x in os.getloadavg()],
        "threads": 1,
        "calls": count,
        "images": f"{WIDTH} x {HEIGHT} colour and depth",
        "git": provenance.git_commit(),
        "versions": provenance.versions(),
    }


def run(
    checkpoint: Path | None, count: int, json_path: Path | None = None, sizes: str = "xs,s", views: str = "1,2,3"
) -> dict:
    """All cases; prints the table, writes it to `json_path` if given, and returns it. Raises VipaError."""
    if count < 1:
        raise VipaError("--count must be at least 1")
    wanted_sizes, wanted_views = sizes.split(","), views.split(",")
    for size in wanted_sizes:
        if size not in SIZES:
            raise unknown("size", size, SIZES)
    for number in wanted_views:
        if number not in map(str, VIEWS):
            raise unknown("number of views", number, VIEWS)
    _one_thread()
    result: dict = {"conditions": conditions(count), "cases": {}}
    where = result["conditions"]
    print(
        f"{where['cpu']}, one thread, load {where['load_average'][0]}; {count} calls a case, images {where['images']}"
    )
    print(
        f"  milliseconds{'':38} {'by the clock':^15}  CPU time of act, its parts alone, and what of act is not the model"
    )
    head = ("p50", "p99", "act", "prepare", "condition", "integrate", "decode", "not model", "act / parts")
    print(f"  {'case':48} " + " ".join(f"{h:>9}" for h in head))
    with tempfile.TemporaryDirectory() as scratch:
        if checkpoint is not None:
            found: Iterator = iter([(checkpoint, checkpoint.resolve().name)])
        else:
            found = checkpoints(Path(scratch), wanted_sizes, [int(v) for v in wanted_views])
        for folder, name in found:
            for case, row in cases(folder, name, count):
                result["cases"][case] = row
                print(line(case, row), flush=True)
    result["conditions"]["load_average_after"] = [round(x, 2) for x in os.getloadavg()]
    if json_path:
        files.write_json(json_path, result)
    return result


def line(case: str, row: dict) -> str:
    """One line of the table."""
    text = f"  {case:48} {row['p50_ms']:9.1f} {row['p99_ms']:9.1f}"
    if "added_ms" in row:
        return f"{text}  {row['added_ms']:+.1f} beside in-process"
    parts = " ".join(f"{row[f'{part}_cpu_ms']:9.2f}" for part in ("act", "prepare", "condition", "integrate", "decode"))
    return (
        f"{text} {parts} {row['not_model_ms']:5.2f} {100 * row['not_model_share']:2.0f}% {row['act_over_parts']:9.2f}"
    )


def _one_thread() -> None:
    cv2.setNumThreads(1)
    if importlib.util.find_spec("torch"):
        import torch

        torch.set_num_threads(1)


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []
