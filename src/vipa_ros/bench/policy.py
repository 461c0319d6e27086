"""`vipa bench policy`: what a checkpoint takes to act, and how much of it is not the model. One thread, one process."""

from pathlib import Path

import numpy as np

from vipa_model.policy import Policy
from vipa_ros import files
from vipa_ros.errors import VipaError
from vipa_ros.policy.commander import load_policy

SIZES = ((320, 240), (640, 480))  # width, height of the cameras' images
WARM_UP = 5


def observation(policy: Policy, width: int, height: int) -> dict:
    """An observation of noise in the shapes that `policy` takes from cameras of that size."""
    random = np.random.default_rng(0)
    cameras = policy.config.cameras
    pose = np.array([0.4, 0.0, 0.3, 1.0, 0.0, 0.0, 0.0])
    intrinsics = np.array([[width, 0, width / 2], [0, width, height / 2], [0, 0, 1.0]])
    return {
        "images": {c: random.integers(0, 255, (height, width, 3), dtype=np.uint8) for c in cameras},
        "depths": {c: random.integers(300, 1500, (height, width), dtype=np.uint16) for c in cameras},
        "intrinsics": {c: intrinsics for c in cameras},
        "extrinsics": {c: np.eye(4) for c in cameras},
        "state": {
            g.name: {"tool_pose": pose, "tool_velocity": np.zeros(3), "hand": np.ones(g.hand), "positions": np.zeros(g.joints)}
            for g in policy.config.groups
        },
        "instruction": "water the plant",
    }


def measure(policy: Policy, given: dict, count: int) -> dict[str, float]:
    """Milliseconds of `count` calls: p50 and p99 of the whole, p50 of its parts, share that is not the model."""
    rows = [policy.act(given).timing for _ in range(WARM_UP + count)][WARM_UP:]
    parts = {key: float(np.median([r[key] for r in rows])) for key in rows[0]}
    rest = parts["prepare"] + parts["decode"]
    total = np.array([r["total"] for r in rows])
    return {
        "p50_ms": float(np.percentile(total, 50)),
        "p99_ms": float(np.percentile(total, 99)),
        "condition_ms": parts["condition"],
        "integrate_ms": parts["integrate"],
        "not_model_ms": rest,
        "not_model_share": rest / parts["total"],
    }


def run(checkpoint: Path, count: int, json_path: Path | None = None) -> dict:
    """All cases; prints the table, writes it to `json_path` if given, and returns it. Raises VipaError."""
    if count < 1:
        raise VipaError("--count must be at least 1")
    result: dict = {"checkpoint": checkpoint.name, "count": count}
    print(f"{checkpoint}: milliseconds of {count} calls, ONNX Runtime, one thread")
    print(f"  {'case':34} {'p50':>7} {'p99':>7} {'condition':>10} {'integrate':>10} {'not model':>10}")
    for precision in ("fp32", "int8"):
        policy = load_policy(str(checkpoint), precision)
        for steps in (4, 10):
            policy.steps = steps
            for width, height in SIZES:
                name = f"{precision}, {steps} steps, {len(policy.config.cameras)} x {width}x{height}"
                row = result[name] = measure(policy, observation(policy, width, height), count)
                print(f"  {name:34} {row['p50_ms']:7.1f} {row['p99_ms']:7.1f} {row['condition_ms']:10.1f} "
                      f"{row['integrate_ms']:10.1f} {row['not_model_ms']:6.2f} {100 * row['not_model_share']:2.0f} %")  # fmt: skip
    if json_path:
        files.write_json(json_path, result)
    return result
