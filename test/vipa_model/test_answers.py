"""Option `answers`: target and tip read from the action queries, by no other way than fusion and language model."""

import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from helpers.synthetic_frames import make_store  # noqa: E402
from helpers.tiny_model import random_batch, tiny_config  # noqa: E402
from vipa_model.data.frame_source import prepare_frames  # noqa: E402
from vipa_model.network.modeling_vipa import VipaForActionPrediction  # noqa: E402
from vipa_model.processing.processing_vipa import VipaProcessor  # noqa: E402
from vipa_model.processing.tokenization_vipa import ByteTokenizer  # noqa: E402
from vipa_model.recipes import named_recipe  # noqa: E402
from vipa_model.runtime.export import export  # noqa: E402
from vipa_model.training.loop import train  # noqa: E402


@pytest.fixture
def model():
    torch.manual_seed(0)
    return VipaForActionPrediction(tiny_config(answers=True, tip=True, target=True, aux_weight=1.0)).eval()


def test_places_come_from_the_hidden_states_alone(model):
    """With the language model's words for the queries frozen, neither picture nor depth says anything more."""
    batch = random_batch(model.config)
    queries = model.config.head.queries
    with torch.no_grad():
        h_cond = model.model.encode(batch)
        assert h_cond.shape == (3, queries + 2, model.config.text.width)
        assert torch.equal(h_cond[:, queries:], model.model.answers(h_cond[:, :queries]))
        places = model.auxiliary(h_cond)
        assert list(places) == ["target", "tip"] == model.auxiliary_names
        for change in ({"pixels": 255 - batch["pixels"]}, {"pointmap": batch["pointmap"] + 0.1}):
            other = model.auxiliary(model.model.encode(batch | change))
            assert not torch.allclose(other["target"], places["target"], atol=1e-6)


def test_what_is_answered_can_be_taught_and_leads_the_chunk(model):
    batch = random_batch(model.config)
    rng = np.random.default_rng(1)
    for name in ("target", "tip"):
        batch[name] = torch.from_numpy(rng.uniform(0.1, 0.5, (3, 3)).astype(np.float32))
    optimizer = torch.optim.AdamW(model.parameters(), 5e-3)
    for _ in range(80):
        optimizer.zero_grad()
        sum(
            model.model.answers.losses(model.model.encode(batch)[:, model.config.head.queries :], batch).values()
        ).backward()
        optimizer.step()
    with torch.no_grad():
        h_cond = model.model.encode(batch)
        for name, place in model.auxiliary(h_cond).items():
            torch.testing.assert_close(place, batch[name], atol=0.01, rtol=0)
        state = model.state_token(batch["state"], h_cond)
        assert state.shape[-1] == model.config.head.width + model.aim.leads
        position = batch["state"][:, :3] * model.aim.tool_scale[:3] + model.aim.tool_offset[:3]
        way = (batch["target"] - torch.tensor(model.config.spatial.centre)) / model.config.spatial.scale - position
        torch.testing.assert_close(state[:, model.config.head.width :][:, :3], way, atol=0.03, rtol=0)


def test_the_flow_teaches_the_language_model_through_what_it_answers(model):
    batch = random_batch(model.config)
    torch.nn.init.normal_(model.head.lead.weight)
    torch.nn.init.normal_(model.head.out.weight)
    model(batch, torch.Generator().manual_seed(0))["flow"].backward()
    assert model.model.answers.read[2].weight.grad.abs().max() > 0
    assert model.model.fusion.layers[0].alpha.grad.abs() > 0


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return make_store(tmp_path_factory.mktemp("demos"), 4, size=32)


def test_the_head_trains_on_conditions_computed_before(model, store, tmp_path):
    recipe = named_recipe("head").changed(steps=30, batch=16, cache_condition=3, held_out=0.25, precision="fp32")
    prepared, processor, source = prepare_frames([store], recipe, model=model, processor=_processor(model, store))
    assert source.dataset.conditions.shape[:2] == (len(store), 3)
    batch, conditions = source.batch(source.train[:5], None), source.dataset.conditions
    assert "pixels" not in batch
    source.dataset.conditions = None
    with torch.no_grad():
        fresh = prepared.model.eval().encode(source.batch(source.train[:5], None))
    torch.testing.assert_close(batch["condition"], fresh, atol=2e-3, rtol=2e-3)
    assert not np.allclose(conditions[:, 1], conditions[:, 0], atol=1e-2)  # the others are augmented
    source.dataset.conditions = conditions
    before = {k: v.clone() for k, v in prepared.state_dict().items()}
    train(recipe, prepared, processor, source, tmp_path / "run", quiet=True)
    changed = {k for k, v in prepared.state_dict().items() if not torch.equal(v, before[k])}
    assert changed and all(k.startswith(("head.", "aim.")) for k in changed)


def test_conditions_are_computed_before_only_where_nothing_changes_them(model, store):
    recipe = named_recipe("small").changed(cache_condition=2)
    with pytest.raises(ValueError, match="cache_condition with stage 'scratch'; allowed: stage 'head'"):
        prepare_frames([store], recipe, model=model, processor=_processor(model, store))


@pytest.mark.parametrize("look", [False, True])
def test_the_graphs_answer_as_the_model_does(model, store, tmp_path, look):
    pytest.importorskip("onnx")
    if look:
        model = VipaForActionPrediction(dataclasses.replace(model.config, look=True)).eval()
        torch.nn.init.normal_(model.model.look.out.weight)
    model.save_pretrained(tmp_path)
    _processor(model, store).save_pretrained(tmp_path)
    differences = export(tmp_path, ("fp32",))
    assert set(differences) == {"condition-fp32", "velocity-fp32"} and max(differences.values()) < 1e-4


def _processor(model, store):
    return VipaProcessor(model.config, ByteTokenizer.train(store.instructions, model.config.text.vocab), store.crops)
