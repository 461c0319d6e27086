"""A checkpoint is a model of transformers: Auto classes, shards, dtype, device_map, and its own generate with a cache."""

import json

import numpy as np
import pytest

from helpers.tiny_internvl import make_internvl, normalised, prompt
from helpers.tiny_model import random_batch, tiny_config

pytestmark = pytest.mark.train
torch = pytest.importorskip("torch")

from transformers import AutoConfig, AutoModel, AutoModelForImageTextToText  # noqa: E402

from vipa_model.configuration_vipa import VipaConfig  # noqa: E402
from vipa_model.network import pretrained  # noqa: E402
from vipa_model.network.modeling_vipa import VipaForActionPrediction  # noqa: E402


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """(folder, model) as `vipa train` writes it, with every part that has constants."""
    folder = tmp_path_factory.mktemp("saved")
    torch.manual_seed(0)
    model = VipaForActionPrediction(tiny_config(grounding=8, subtasks=3, target=True, motion_tokens=12)).eval()
    model.save_pretrained(folder)
    return folder, model


def test_auto_classes_read_what_training_wrote(saved):
    folder, model = saved
    config = AutoConfig.from_pretrained(folder)
    assert config.vipa == model.config and config.vision == model.config.vision and config.vocab_size == 312
    loaded = AutoModel.from_pretrained(folder)
    assert isinstance(loaded, pretrained.VipaForRobotActions) and not loaded.training
    batch, noise = random_batch(model.config), torch.randn(3, 8, 10)
    assert torch.equal(loaded.predict_actions(batch, noise), model.predict_actions(batch, noise))
    draws = torch.Generator().manual_seed(1), torch.Generator().manual_seed(1)
    assert torch.equal(loaded(generator=draws[0], **batch)["loss"], model(batch, draws[1])["loss"])
    assert isinstance(AutoModelForImageTextToText.from_pretrained(folder), pretrained.VipaForConditionalGeneration)


@pytest.mark.parametrize("kind", ["pointmap", "recurrent", "colour", "none"])
def test_constants_are_there_after_loading(kind, tmp_path):
    model = VipaForActionPrediction(tiny_config(kind)).eval()
    model.save_pretrained(tmp_path)
    loaded = AutoModel.from_pretrained(tmp_path, device_map="cpu")
    assert {n for n, _ in loaded.named_buffers()} == {n for n, _ in model.named_buffers()}
    for name, value in model.named_buffers():
        assert torch.equal(loaded.get_buffer(name), value), name


def test_shards_are_written_and_read_by_both(saved, tmp_path):
    folder, model = saved
    AutoModel.from_pretrained(folder).save_pretrained(tmp_path, max_shard_size="100KB")
    shards = sorted(p.name for p in tmp_path.glob("*.safetensors"))
    assert len(shards) > 1 and (tmp_path / "model.safetensors.index.json").is_file()
    assert VipaConfig.from_pretrained(tmp_path) == model.config
    again = VipaForActionPrediction.from_pretrained(tmp_path).state_dict()
    assert all(torch.equal(v, again[k]) for k, v in model.state_dict().items())
    loaded = AutoModel.from_pretrained(tmp_path, device_map={"": "cpu"}).state_dict()
    assert all(torch.equal(v, loaded[k]) for k, v in model.state_dict().items())
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text(encoding="utf-8"))
    index["weight_map"]["model.queries"] = "../elsewhere.safetensors"
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    with pytest.raises(ValueError, match="allowed: weight_map with files beside it"):
        VipaForActionPrediction.from_pretrained(tmp_path)


def test_half_precision_halves_matrices_alone(saved):
    folder, model = saved
    half = AutoModel.from_pretrained(folder, dtype="bfloat16")
    assert half.head.out.weight.dtype == torch.bfloat16 and half.model.queries.dtype == torch.float32
    assert half.model.spatial.octaves.dtype == torch.float32
    batch, noise = random_batch(model.config), torch.randn(3, 8, 10)
    a, b = model.predict_actions(batch, noise), half.predict_actions(batch, noise)
    assert b.dtype == torch.float32 and (a - b).abs().max() < 0.05 * a.abs().max()


def test_a_checkpoint_without_all_tensors_is_refused(saved, tmp_path):
    from safetensors.torch import load_file, save_file

    folder, _ = saved
    weights = load_file(folder / "model.safetensors")
    weights.pop("model.queries")
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match=r"missing tensors \['model.queries'\]"):
        AutoModel.from_pretrained(tmp_path)


@pytest.fixture(scope="module", params=[True, False], ids=["tied", "untied"])
def speaking(request, tmp_path_factory):
    """(transformers' InternVL, ours of the same folder without spatial encoder)."""
    folder = tmp_path_factory.mktemp("internvl")
    theirs = make_internvl(folder, request.param)
    ours = VipaForActionPrediction.from_internvl(folder, tiny_config("none")).eval()
    return theirs, ours, pretrained.VipaForConditionalGeneration.of(ours)


def test_it_generates_what_transformers_own_model_does(speaking):
    theirs, ours, model = speaking
    batch = prompt()
    given = {"input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"].long()}
    wanted = theirs.generate(**given, pixel_values=normalised(ours, batch["pixels"]), max_new_tokens=8, do_sample=False)
    found = model.generate(**given, pixels=batch["pixels"], max_new_tokens=8, do_sample=False)
    assert torch.equal(found, wanted)
    for row in range(2):
        one = {"pixels": batch["pixels"][row : row + 1], "input_ids": batch["input_ids"][row : row + 1]}
        assert torch.equal(ours.model.generate(one, 8), wanted[row, -8:])


def test_the_cache_changes_nothing_and_sees_no_picture_twice(speaking, monkeypatch):
    _, ours, model = speaking
    batch, looked = prompt(), []
    whole = ours.model.image_tokens
    monkeypatch.setattr(ours.model, "image_tokens", lambda b: looked.append(1) or whole(b))
    ids, pixels = batch["input_ids"], batch["pixels"]
    mask = torch.ones_like(ids)
    mask[0, :3] = 0  # padding on the left
    cached = model.generate(input_ids=ids, attention_mask=mask, pixels=pixels, max_new_tokens=6, do_sample=False)
    assert len(looked) == 1
    slow = model.generate(
        input_ids=ids, attention_mask=mask, pixels=pixels, max_new_tokens=6, do_sample=False, use_cache=False
    )
    assert torch.equal(cached, slow) and len(looked) == 7
    with torch.no_grad():
        logits = model(ids, mask, pixels).logits
        hidden = ours.model.run_language(ours.model.embed_prompt(batch), mask.bool())
    torch.testing.assert_close(logits, ours.model.logits(hidden), atol=1e-5, rtol=1e-4)
    beams = model.generate(input_ids=ids, pixels=pixels, max_new_tokens=4, num_beams=2, do_sample=False)
    assert beams.shape[0] == 2 and np.isfinite(logits.numpy()).all()


def test_the_loss_is_the_one_that_is_trained(speaking):
    _, ours, model = speaking
    batch = prompt()
    with torch.no_grad():
        loss = model(batch["input_ids"], pixels=batch["pixels"], labels=batch["labels"]).loss
        torch.testing.assert_close(loss, ours(batch)["loss"], atol=1e-6, rtol=1e-5)
