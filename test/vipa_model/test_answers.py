"""Option `answers`: target and tip read from the action queries, by no other way than fusion and language model."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from helpers.tiny_model import random_batch, tiny_config  # noqa: E402
from vipa_model.network.modeling_vipa import VipaForActionPrediction  # noqa: E402


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
