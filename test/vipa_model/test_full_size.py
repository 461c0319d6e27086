"""What makes the full size fit: recomputed activations, adapters, small moments, files in shards, and an estimate beforehand."""

import json
import sys

import pytest

from helpers.tiny_model import random_batch, tiny_config

pytestmark = pytest.mark.train
torch = pytest.importorskip("torch")

from vipa_model.configuration_vipa import FusionConfig, HeadConfig, VipaConfig  # noqa: E402
from vipa_model.data.frame_source import prepare_frames  # noqa: E402
from vipa_model.network.modeling_vipa import VipaForActionPrediction  # noqa: E402
from vipa_model.network.recompute import set_recompute  # noqa: E402
from vipa_model.network.weights import read_weights, write_weights  # noqa: E402
from vipa_model.recipes import named_recipe  # noqa: E402
from vipa_model.training.loop import train  # noqa: E402
from vipa_model.training.memory import estimate  # noqa: E402
from vipa_model.training.optimizer import make_optimizer  # noqa: E402

STAGE3 = named_recipe("stage3").changed(batch=8, steps=2, lr=1e-3, log_every=1, precision="fp32")


def gradients(model, batch):
    torch.manual_seed(3)
    losses = model(batch, torch.Generator().manual_seed(0))
    losses["loss"].backward()
    return losses["loss"].item(), {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("kind", ["pointmap", "recurrent"])
def test_recomputed_activations_give_the_same_gradients(kind):
    """With dropout; and less is kept."""
    head = HeadConfig(queries=4, width=32, layers=2, heads=2, mlp=48, horizon=8, max_prefix=3, dropout=0.2)
    config = tiny_config(kind, fusion=FusionConfig(width=16, heads=2, dropout=0.2), head=head)
    torch.manual_seed(0)
    model = VipaForActionPrediction(config).train()
    batch, kept = random_batch(config), []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.numel()) or t, lambda t: t):
        loss, wanted = gradients(model, batch)
    plain = sum(kept)
    kept.clear()
    model.zero_grad()
    set_recompute(model, True)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.numel()) or t, lambda t: t):
        again, found = gradients(model, batch)
    assert again == loss and found.keys() == wanted.keys() and sum(kept) < 0.8 * plain
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value, atol=1e-7, rtol=1e-5)


MEASURED = [  # docs/benchmarks.md: one H200; stage, views, micro-batch, GiB
    ("1", 1, 1, 15.5), ("1", 1, 16, 25.6), ("2", 1, 4, 33.3), ("2", 1, 16, 45.9), ("3", 2, 1, 35.4), ("3", 2, 4, 40.6), ("3", 2, 16, 67.3),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("stage, views, micro, gib", MEASURED)
def test_the_estimate_is_what_a_gpu_showed(stage, views, micro, gib):
    found = estimate(VipaConfig.full(), named_recipe(f"stage{stage}"), micro, views)
    assert found["peak"] == pytest.approx(gib, rel=0.1), found


def test_the_estimate_counts_what_there_is():
    config, recipe = VipaConfig.xs(), named_recipe("stage3").changed(precision="bf16")
    with torch.device("meta"):
        model = VipaForActionPrediction(config)
    one, two = estimate(config, recipe, 2, 2), estimate(config, recipe, 4, 2)
    assert one["weights"] == pytest.approx(4 * sum(p.numel() for p in model.parameters()) / 2**30)
    assert one["moments"] == pytest.approx(2 * one["gradients"])
    assert 1.5 * one["activations"] < two["activations"] < 2.1 * one["activations"]
    saved = estimate(config, recipe.changed(checkpointing=True), 4, 2)
    assert saved["activations"] < 0.7 * two["activations"] and saved["weights"] == two["weights"]
    shared = estimate(config, recipe, 4, 2, devices=4)
    assert shared["weights"] == pytest.approx(two["weights"] / 4) and shared["activations"] == two["activations"]
    assert estimate(config, recipe.changed(optimizer="adamw8bit"), 4, 2)["moments"] == pytest.approx(two["moments"] / 4)


def test_only_what_trains_is_in_the_training_state(store, tmp_path):
    model, processor, source = prepare_frames([store], STAGE3, tiny_config())
    train(STAGE3, model, processor, source, tmp_path, quiet=True)
    state = read_weights(tmp_path / "training-state")
    assert {".".join(k.split(".")[:2]) for k in state if k.startswith("model.")} >= {"model.language", "model.queries"}
    trained = {n for n, p in model.named_parameters() if p.requires_grad}
    assert state.keys() == trained and len(trained) <= len(model.state_dict())


def test_adapters_train_in_the_language_models_place(store, tmp_path):
    pytest.importorskip("peft")
    recipe = STAGE3.changed(lora=2)
    config = tiny_config()
    start = VipaForActionPrediction(config)
    start.save_pretrained(tmp_path / "start")
    from vipa_model.processing.processing_vipa import VipaProcessor
    from vipa_model.processing.tokenization_vipa import ByteTokenizer

    VipaProcessor(config, ByteTokenizer()).save_pretrained(tmp_path / "start")
    for stops in ((None,), (1, None)):
        for stop in stops:
            model, processor, source = prepare_frames([store], recipe, start=tmp_path / "start")
            train(recipe, model, processor, source, tmp_path / f"out{len(stops)}", stop, quiet=True)
    state = read_weights(tmp_path / "out1/training-state")
    language = {k for k in state if k.startswith("model.language")}
    assert language and all(".lora_" in k for k in language)
    before, after = start.state_dict(), VipaForActionPrediction.from_pretrained(tmp_path / "out1").state_dict()
    moved = {k for k, v in before.items() if k.startswith("model.language") and not torch.equal(v, after[k])}
    assert moved and all(k.endswith("_proj.weight") for k in moved)
    difference = after[min(moved)] - before[min(moved)]
    assert torch.linalg.matrix_rank(difference, atol=1e-7) <= 2
    again = VipaForActionPrediction.from_pretrained(tmp_path / "out2").state_dict()
    assert all(torch.equal(v, again[k]) for k, v in after.items())


@pytest.mark.parametrize("recipe, package", [({"lora": 4}, "peft"), ({"optimizer": "adamw8bit"}, "bitsandbytes")])
def test_an_option_whose_package_is_absent_says_which(store, tmp_path, monkeypatch, recipe, package):
    for name in (package, f"{package}.optim"):
        monkeypatch.setitem(sys.modules, name, None)
    recipe = STAGE3.changed(**recipe)
    model, processor, source = prepare_frames([store], recipe, tiny_config())
    with pytest.raises(ImportError, match=f"needs {package}, which is not installed: pip install {package}"):
        train(recipe, model, processor, source, tmp_path, quiet=True)
    with pytest.raises(ValueError, match="allowed: 'adamw', 'adamw8bit'"):
        make_optimizer([torch.nn.Parameter(torch.ones(2))], STAGE3.changed(optimizer="sgd"))


def test_a_save_in_shards_replaces_one_in_one_file(tmp_path):
    tensors = {f"t{i}": torch.full((100,), float(i)) for i in range(5)}
    write_weights(tensors, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["model.safetensors"]
    write_weights(tensors, tmp_path, 900)
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text(encoding="utf-8"))
    assert not (tmp_path / "model.safetensors").exists() and len(set(index["weight_map"].values())) == 3
    assert all(torch.equal(v, tensors[k]) for k, v in read_weights(tmp_path).items())
    write_weights(tensors, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["model.safetensors"]
