"""What CUDA adds: the same numbers as on a CPU, CUDA graphs that follow their inputs, bfloat16 within its rounding."""

import numpy as np
import pytest

from helpers.tiny_model import random_batch, tiny_config

pytestmark = [pytest.mark.train, pytest.mark.gpu]
torch = pytest.importorskip("torch")

from vipa_model.network.modeling_vipa import VipaForActionPrediction  # noqa: E402
from vipa_model.recipes import named_recipe  # noqa: E402
from vipa_model.runtime.policy_torch import Recorded, TorchRuntime  # noqa: E402
from vipa_model.training.stages import set_stage  # noqa: E402

KINDS = ("pointmap", "recurrent")


@pytest.fixture(autouse=True)
def exact_products():
    """float32 products in float32, not TensorFloat-32."""
    assert torch.cuda.is_available(), "these tests are for a machine with a GPU: leave out -m gpu elsewhere"
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False


def model(kind, **changes):
    torch.manual_seed(0)
    made = VipaForActionPrediction(
        tiny_config(kind, grounding=8 if kind == "pointmap" else 0, subtasks=3, **changes)
    ).eval()
    for layer in (made.head.out, made.head.modulation):  # zero at the start: every velocity would be zero
        layer.weight.data.normal_(0.0, 0.2)
    return made


def arrays(config, seed):
    batch = random_batch(config, 1, seed=seed)
    return {k: v.numpy() for k, v in batch.items() if k != "actions"}


def chunk(runtime, given, config, steps=4):
    noise = np.random.default_rng(3).normal(size=(1, config.head.horizon, config.action_dim)).astype(np.float32)
    known, prefix = np.full_like(noise, 0.25), np.arange(config.head.horizon)[None] < 2
    return runtime.integrate(noise, known, prefix, runtime.condition(given), steps)


@pytest.mark.parametrize("kind", KINDS)
def test_cuda_equals_cpu_and_replays_follow_their_inputs(kind):
    config = model(kind).config
    here, there = TorchRuntime(model(kind), "fp32", "cpu"), TorchRuntime(model(kind), "fp32", "cuda")
    first = None
    for seed in (0, 1, 2, 0):  # each replay of the graphs must see its own observation
        given = arrays(config, seed)
        expected, found = chunk(here, given, config), chunk(there, given, config)
        np.testing.assert_allclose(found, expected, atol=2e-4)
        np.testing.assert_array_equal(found[:, :2], np.float32(0.25))
        if first is not None and seed:
            assert np.abs(found - first).max() > 1e-3
        first = found if first is None else first
    recorded = [there._encode, *there._integrate.values()]
    assert all(isinstance(r, Recorded) and r.graph is not None for r in recorded)


@pytest.mark.parametrize("kind", KINDS)
def test_bfloat16_is_within_its_rounding(kind):
    config = model(kind).config
    exact, half = TorchRuntime(model(kind), "fp32", "cuda"), TorchRuntime(model(kind), "bf16", "cuda")
    given = arrays(config, 5)
    a, b = chunk(exact, given, config), chunk(half, given, config)
    assert np.abs(a - b).max() < 0.05 * np.abs(a).max()
    eager = TorchRuntime(model(kind), "bf16", "cuda", graphs=False)
    np.testing.assert_allclose(chunk(eager, given, config), b, atol=1e-2)


def test_another_number_of_steps_is_another_recording():
    config = model("pointmap").config
    runtime, given = TorchRuntime(model("pointmap"), "fp32", "cuda"), arrays(config, 1)
    four, ten = chunk(runtime, given, config, 4), chunk(runtime, given, config, 10)
    assert np.abs(four - ten).max() > 1e-5 and sorted(runtime._integrate) == [4, 10]


@pytest.mark.parametrize("stage", ["2", "3", "scratch"])
def test_a_training_step_is_the_same_on_both(stage):
    losses = {}
    for device in ("cpu", "cuda"):
        made = model("pointmap", motion_tokens=12).to(device).train()
        recipe = named_recipe("stage3")
        trained = set_stage(made, stage)
        batch = random_batch(made.config)
        if stage == "2":
            batch["labels"] = batch["input_ids"].clone()
            batch["labels"][:, :-4] = -100
        batch = {k: v.to(device) for k, v in batch.items()}
        optimizer = torch.optim.AdamW(trained, lr=1e-3, weight_decay=recipe.weight_decay)
        losses[device] = []
        for step in range(3):
            with fixed_draws(step):
                loss = made(batch)["loss"]
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            losses[device].append(loss.item())
    np.testing.assert_allclose(losses["cuda"], losses["cpu"], rtol=2e-3)


class fixed_draws:  # noqa: N801
    """Within it torch.rand, randn and randint draw on the CPU with `seed`, whatever device they are asked for: a GPU's own
    draws are others."""

    def __init__(self, seed):
        self.generator = torch.Generator().manual_seed(seed)

    def __enter__(self):
        self.kept = {name: getattr(torch, name) for name in ("rand", "randn", "randint")}
        for name, function in self.kept.items():

            def draw(*args, function=function, device=None, generator=None, **rest):
                return function(*args, generator=self.generator, **rest).to(device or "cpu")

            setattr(torch, name, draw)

    def __exit__(self, *error):
        for name, function in self.kept.items():
            setattr(torch, name, function)
