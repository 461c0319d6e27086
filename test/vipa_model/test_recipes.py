"""The recipes are the paper's, number by number, and what they say is what the optimiser does. (Paper: section 3, supplement B.)"""

import json

import numpy as np
import pytest

from helpers.tiny_model import tiny_config
from vipa_model.configuration_vipa import VipaConfig
from vipa_model.recipes import RECIPES, named_recipe

PAPER = {
    # recipe: stage, data, learning rate, weight decay, warm-up, batch, steps, epochs
    "stage1": ("1", "hand3d-visual", 1e-5, 0.01, 0.03, 32, 0, 1),
    "stage2": ("2", "hand3d-action", 1e-5, 0.01, 0.03, 32, 0, 1),
    "stage3": ("3", "frames", 5e-5, 1e-5, 0.05, 128, 30_000, 1),
}
OURS = {  # assumed
    "stage0": ("0", "frames", 3e-4, 0.05, 0.03, 32, 20_000, 1),
    "align1": ("1-small", "alignment", 1e-3, 0.01, 0.03, 64, 3000, 1),
    "align2": ("2-small", "alignment", 5e-4, 0.01, 0.03, 64, 1000, 1),
    "head": ("head", "frames", 1e-3, 0.01, 0.03, 128, 4000, 1),
    "small": ("scratch", "frames", 1e-3, 0.01, 0.03, 64, 20_000, 1),
}


@pytest.mark.parametrize("name", sorted(PAPER | OURS))
def test_a_recipe_is_as_written(name):
    r = named_recipe(name)
    assert (r.stage, r.data, r.lr, r.weight_decay, r.warmup, r.batch, r.steps, r.epochs) == (PAPER | OURS)[name]
    if name in PAPER:
        assert (r.size, r.final_lr, r.ema, r.train_fusion) == ("full", 0.0, 0.0, False) and r.augmentation is None
    assert r.clip == 1.0 and r.micro_batch == 0 and r.precision == "auto"


def test_no_recipe_is_left_out():
    assert set(RECIPES) == set(PAPER | OURS)


def test_the_model_is_the_papers():
    c = VipaConfig.full()
    vision = {"image_size": 448, "width": 1024, "layers": 24, "heads": 16, "mlp": 4096, "patch": 14, "downsample": 0.5}
    text = {"vocab": 151936, "width": 2048, "layers": 28, "heads": 16, "kv_heads": 8, "head_dim": 128, "mlp": 6144}
    fusion = {"layers": 1, "alpha": 0.5}
    for part, wanted in (("vision", vision), ("text", text), ("fusion", fusion)):
        assert {k: getattr(getattr(c, part), k) for k in wanted} == wanted
    assert c.vision.tokens == 256 and c.motion_tokens == 3 * 1024 and c.spatial.width == 768 and c.aux_weight == 0.1


torch = pytest.importorskip("torch")

from vipa_model.data.frame_source import prepare_frames  # noqa: E402
from vipa_model.training.loop import learning_rate, train  # noqa: E402

SMALL = named_recipe("small").changed(
    batch=8, steps=10, warmup=0.5, save_every=100, log_every=1, precision="fp32", augmentation=None, ema=0.0
)


def trained(store, out, recipe, stop_after):
    model, processor, source = prepare_frames([store], recipe, tiny_config())
    before = {k: v.detach().clone() for k, v in model.named_parameters()}
    source.held_out = source.held_out[:4]
    train(recipe, model, processor, source, out, stop_after, quiet=True)
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    return before, dict(model.named_parameters()), rows


@pytest.mark.train
def test_the_optimiser_steps_by_the_schedule_and_decays(store, tmp_path):
    """AdamW's first step moves a weight by at most the learning rate; a word that no instruction has moves by decay alone."""
    recipe = SMALL.changed(lr=1e-3, weight_decay=0.5)
    before, after, _ = trained(store, tmp_path / "one", recipe, 1)
    rate = learning_rate(recipe, 0, 10)
    assert rate == pytest.approx(1e-3 / 5)
    largest = max(
        (after[k] - before[k]).abs().max().item() for k in before if k.startswith("head.") and before[k].ndim == 1
    )
    assert 0.9 * rate < largest < 1.01 * rate
    word = "model.language.embed_tokens.weight"
    torch.testing.assert_close(after[word][290], before[word][290] * (1 - rate * 0.5), atol=1e-9, rtol=1e-5)
    norm = next(k for k in before if k.startswith("model.language") and before[k].ndim == 1)
    assert ((after[norm] - before[norm]).abs() <= 1.01 * rate).all()  # no decay: 0.5 * rate of 1.0 would come on top
    _, later, rows = trained(store, tmp_path / "four", recipe, 4)
    total = np.prod([1 - learning_rate(recipe, s, 10) * 0.5 for s in range(4)])
    torch.testing.assert_close(later[word][290], before[word][290] * total, atol=1e-9, rtol=1e-5)
    assert [r["lr"] for r in rows if "lr" in r] == pytest.approx([1e-3 * (s + 1) / 5 for s in range(4)])


@pytest.mark.train
def test_no_kind_of_parameter_decays_but_matrices(store, tmp_path):
    recipe = SMALL.changed(lr=1e-12, weight_decay=1e11)  # a step is nothing, decay a tenth
    before, after, _ = trained(store, tmp_path, recipe.changed(warmup=0.1), 1)
    for name, value in before.items():
        factor = 0.9 if value.ndim > 1 else 1.0
        torch.testing.assert_close(after[name], value * factor, atol=1e-6, rtol=1e-4)
