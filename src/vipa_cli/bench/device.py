"""`vipa bench device`: what the model takes on a GPU: to act at any size, and to train a step of every stage.

Weights are random: a forward pass costs the same as a trained one's. Beside each time stands its floor on this device: bytes
that must be read over the bandwidth, operations over the rate, both measured first. `--device cpu --size xs` runs the same
code without a GPU.
"""

import gc
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from vipa import files, provenance
from vipa.errors import VipaError
from vipa_cli.bench.checkpoints import tremble, trembling_processor
from vipa_cli.bench.observations import HEIGHT, WIDTH, observation
from vipa_model.configuration_vipa import VipaConfig
from vipa_model.runtime.policy import Policy

CAMERAS = ("scene", "wrist", "side")
WARM_UP = 4
STEPS = (4, 10)
MATRIX = {"cuda": 8192, "cpu": 1024}  # side of the matrices whose product gives the rate
COPIED = {"cuda": 2**32, "cpu": 2**27}  # bytes copied for the bandwidth
MICRO_BATCHES = (1, 2, 4, 8, 16)


def run(size: str, device: str, views: str, count: int, budget: float, json_path: Path | None = None) -> dict:
    """Measures what `budget` wall seconds allow, most important first; prints as it goes and returns the figures. Raises
    VipaError for a device that is not there."""
    try:
        import torch
    except ModuleNotFoundError:
        raise VipaError("torch is not installed; run: make train-env") from None
    if device == "cuda" and not torch.cuda.is_available():
        raise VipaError("device 'cuda': torch finds none; allowed here: cpu")
    ends = time.monotonic() + budget
    name = torch.cuda.get_device_name() if device == "cuda" else "cpu"
    result: dict = {"device": name, "size": size, "torch": torch.__version__, "git": provenance.git_commit(),
                    "images": f"{WIDTH} x {HEIGHT} colour and depth", "act": {}, "train": {}}  # fmt: skip
    result["bandwidth_gb_s"], result["rate_tflop_s"] = bandwidth(device), rate(device)
    print(
        f"{name}: copies {result['bandwidth_gb_s']:.0f} GB/s, bf16 products {result['rate_tflop_s']:.1f} TFLOP/s",
        flush=True,
    )
    parts: list[tuple[str, Iterator[tuple[str, dict]]]] = [
        ("act", acting(size, device, [int(v) for v in views.split(",")], count, result)),
        ("train", training(size, device, result)),
        ("act", compiled(size, device, count, result)),
    ]
    for part, rows in parts:
        for case, row in rows:
            result[part][case] = row
            print(f"  {case:44} " + "  ".join(f"{k} {_short(v)}" for k, v in row.items()), flush=True)
            if json_path:
                files.write_json(json_path, result)
            if time.monotonic() > ends:
                print(f"  the {budget:.0f} s are over", flush=True)
                return result
    return result


def config_of(size: str, views: int) -> VipaConfig:
    """The paper's model at `size`: with a recurrent spatial encoder, which sees colour alone."""
    config = VipaConfig.named(size, cameras=list(CAMERAS[:views]))
    data = config.to_dict()
    if config.spatial.kind != "recurrent":  # the small sizes lift depth by default
        data["spatial"] |= {"kind": "recurrent", "patch": 16, "image_size": config.vision.image_size}
    return VipaConfig.from_dict(data)


def acting(size: str, device: str, views: list[int], count: int, result: dict) -> Iterator[tuple[str, dict]]:
    """Policy.act with CUDA graphs and eagerly, for each number of views and steps."""
    for number in views:
        config = config_of(size, number)
        model = make(config, device).requires_grad_(False)
        for graphs in (True, False) if device == "cuda" else (False,):
            yield from _act(model, config, device, number, count, result, graphs)
        del model
        _free(device)


def compiled(size: str, device: str, count: int, result: dict) -> Iterator[tuple[str, dict]]:
    """The same through torch.compile, with graphs, two views; last, since compiling takes minutes at full size."""
    if device == "cuda":
        config = config_of(size, 2)
        yield from _act(make(config, device).requires_grad_(False), config, device, 2, count, result, True, True)
        _free(device)


def _act(model, config, device, number, count, result, graphs, compile=False) -> Iterator[tuple[str, dict]]:
    import torch

    from vipa_model.runtime.policy_torch import Recorded, TorchRuntime

    _reset_peak(device)
    runtime = TorchRuntime(model, "bf16", device, graphs, compile)
    policy = Policy(config, trembling_processor(config), runtime)
    seen = observation(policy)
    how = "compiled, graphs" if compile else "graphs" if graphs else "eager"
    for steps in STEPS:
        policy.steps = steps
        begin = time.perf_counter()
        policy.act(seen)
        first = time.perf_counter() - begin
        totals = timed(lambda: policy.act(seen).timing["total"], count)
        timing = policy.act(seen).timing
        row = {"p50_ms": float(np.median(totals)), "p99_ms": float(np.percentile(totals, 99)), "first_s": first,
               "prepare_ms": timing["prepare"], "condition_ms": timing["condition"], "integrate_ms": timing["integrate"],
               "floor_ms": floor_ms(model, runtime, policy, seen, steps, result)}  # fmt: skip
        if graphs:
            row["recorded"] = all(isinstance(r, Recorded) and r.graph is not None
                                  for r in (runtime._encode, runtime._integrate[steps]))  # fmt: skip
        if device == "cuda":
            row["memory_gib"] = torch.cuda.max_memory_allocated() / 2**30
        yield f"act, {number} views, {steps} steps, {how}", row


def floor_ms(model, runtime, policy, seen, steps: int, result: dict) -> float:
    """The larger of two times no implementation on this device can beat: weights read once (the head's once a step) at the
    measured bandwidth, counted operations at the measured rate."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    size = {id(m): sum(p.numel() * p.element_size() for p in m.parameters()) for m in (model, model.head)}
    table = model.model.language.embed_tokens.weight  # looked up, not read
    bytes_read = size[id(model)] - table.numel() * table.element_size() + (steps - 1) * size[id(model.head)]
    batch = {key: runtime._in(value) for key, value in policy.processor(seen).items()}
    noise = np.zeros((1, policy.horizon, policy.config.action_dim), np.float32)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        out = runtime._condition(**batch)
        mask = runtime._in(np.zeros((1, policy.horizon), bool))
        runtime._euler(
            steps, runtime._in(noise), runtime._in(noise), mask, out["keys"], out["values"], out["state_token"]
        )
    return 1e3 * max(
        bytes_read / (1e9 * result["bandwidth_gb_s"]), counter.get_total_flops() / (1e12 * result["rate_tflop_s"])
    )


def training(size: str, device: str, result: dict) -> Iterator[tuple[str, dict]]:
    """A step of every stage: float32 weights, bf16 autocast, AdamW; micro-batches doubled until memory is full."""
    import torch

    from vipa_model.recipes import named_recipe
    from vipa_model.training.stages import set_stage

    for stage in ("1", "2", "3"):
        recipe = named_recipe(f"stage{stage}")
        config = config_of(size, 1 if stage != "3" else 2)
        _free(device)
        model = make(config, device).train()
        trained = set_stage(model, recipe.stage, recipe.train_fusion)
        weights = sum(p.numel() for p in model.parameters())
        estimate = (4 * weights + 12 * sum(p.numel() for p in trained)) / 2**30
        optimizer = torch.optim.AdamW(trained, lr=recipe.lr, betas=(0.9, 0.95), fused=device == "cuda")
        for micro in MICRO_BATCHES:
            _reset_peak(device)
            batch = noise_batch(config, micro, stage, device)

            def step(batch=batch, model=model, optimizer=optimizer):
                with torch.autocast(device, torch.bfloat16):
                    loss = model(batch)["loss"]
                loss.backward()
                optimizer.step()
                optimizer.zero_grad()
                return loss.item()

            try:
                losses = [step() for _ in range(2)]
                begin = time.perf_counter()
                losses += [step() for _ in range(3)]
                seconds = (time.perf_counter() - begin) / 3
            except torch.cuda.OutOfMemoryError:
                yield f"train, stage {stage}, micro-batch {micro}", {"out_of_memory": True}
                break
            row = {"samples_per_s": micro / seconds, "step_ms": 1e3 * seconds, "first_loss": losses[0], "last_loss": losses[-1],
                   "estimate_gib": estimate}  # fmt: skip
            if device == "cuda":
                row["memory_gib"] = torch.cuda.max_memory_allocated() / 2**30
            yield f"train, stage {stage}, micro-batch {micro}", row
            if device == "cpu":
                break
        del model, optimizer, trained, step
        _free(device)


def noise_batch(config: VipaConfig, count: int, stage: str, device: str) -> dict:
    """A batch of noise in the shapes of a stage's data: one view and a short answer, or all views and actions."""
    import torch

    rng = np.random.default_rng(0)
    views = len(config.cameras)
    side, text = config.vision.image_size, 32
    ids = np.concatenate([np.full((count, config.vision.tokens * views), config.text.image_token),
                          rng.integers(0, 256, (count, text))], 1)  # fmt: skip
    batch = {"pixels": rng.integers(0, 256, (count, views, side, side, 3), np.uint8), "input_ids": ids,
             "attention_mask": np.ones(ids.shape, bool)}  # fmt: skip
    if stage == "3":
        batch |= {"state": rng.standard_normal((count, config.state_dim), np.float32),
                  "actions": rng.standard_normal((count, config.head.horizon, config.action_dim), np.float32)}  # fmt: skip
    else:
        labels = np.full(ids.shape, -100)
        labels[:, -text // 2 :] = ids[:, -text // 2 :]
        batch["labels"] = labels
    return {key: torch.from_numpy(value).to(device) for key, value in batch.items()}


def make(config: VipaConfig, device: str):
    """The model with random weights, made on the device."""
    import torch

    from vipa_model.network.modeling_vipa import VipaForActionPrediction

    torch.manual_seed(0)
    with torch.device(device):
        return tremble(VipaForActionPrediction(config))


def timed(call: Callable[[], float], count: int) -> np.ndarray:
    """What `call` returns, `count` times (count,), after WARM_UP calls that do not count."""
    return np.array([call() for _ in range(WARM_UP + count)][WARM_UP:])


def bandwidth(device: str) -> float:
    """GB/s of a copy on the device, bytes read and written."""
    import torch

    source = torch.empty(COPIED[device] // 4, dtype=torch.float32, device=device).normal_()
    target = torch.empty_like(source)
    return 2 * source.numel() * 4 / _seconds(lambda: target.copy_(source), device) / 1e9


def rate(device: str) -> float:
    """TFLOP/s of a bf16 matrix product on the device, random data."""
    import torch

    side = MATRIX[device]
    a, b = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    return 2 * side**3 / _seconds(lambda: a @ b, device) / 1e12


def _seconds(call: Callable[[], object], device: str, count: int = 10) -> float:
    import torch

    for _ in range(3):
        call()
    if device == "cuda":
        torch.cuda.synchronize()
    begin = time.perf_counter()
    for _ in range(count):
        call()
    if device == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - begin) / count


def _reset_peak(device: str) -> None:
    if device == "cuda":
        import torch

        torch.cuda.reset_peak_memory_stats()


def _free(device: str) -> None:
    gc.collect()
    if device == "cuda":
        import torch

        torch.cuda.empty_cache()


def _short(value) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
