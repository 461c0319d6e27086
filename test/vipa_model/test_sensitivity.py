"""What a policy does hangs on all that it is told: each input is changed alone, and the actions change; and not on what it is not told."""

import pytest

from helpers.tiny_model import random_batch, tiny_config

pytestmark = pytest.mark.train
torch = pytest.importorskip("torch")

from vipa_model.network.modeling_vipa import VipaForActionPrediction  # noqa: E402


@pytest.fixture(scope="module", params=["pointmap", "recurrent"])
def acting(request):
    """(model, batch, noise); layers that start at zero are random, so that what reaches them shows."""
    torch.manual_seed(0)
    model = VipaForActionPrediction(tiny_config(request.param, target=True, subtasks=3)).eval()
    for module in [model.head.out, model.head.modulation, *(b.modulation for b in model.head.blocks)]:
        torch.nn.init.normal_(module.weight, std=0.3)
    batch = random_batch(model.config, count=2)
    batch["attention_mask"][:] = True
    return model, batch, torch.randn(2, 8, 10)


def moved(model, batch, noise, **changes):
    """Largest change of an action when some of the batch is another."""
    return (model.predict_actions(batch | changes, noise) - model.predict_actions(batch, noise)).abs().max().item()


def test_the_same_state_and_another_picture_is_another_action(acting):
    model, batch, noise = acting
    other = torch.randint(0, 256, batch["pixels"].shape, dtype=torch.uint8)
    assert moved(model, batch, noise, pixels=other) > 1e-4
    for view in range(2):
        one = batch["pixels"].clone()
        one[:, view] = other[:, view]
        assert moved(model, batch, noise, pixels=one) > 1e-5, f"view {view} is not looked at"


def test_the_same_picture_and_another_state_is_another_action(acting):
    model, batch, noise = acting
    for place in range(batch["state"].shape[1]):
        other = batch["state"].clone()
        other[:, place] += 1.0
        assert moved(model, batch, noise, state=other) > 1e-5, f"state {place} is not looked at"


def test_another_instruction_is_another_action(acting):
    model, batch, noise = acting
    for place in range(-6, 0):  # the words, after the image tokens
        other = batch["input_ids"].clone()
        other[:, place] = (other[:, place] + 1) % 256
        assert moved(model, batch, noise, input_ids=other) > 1e-5, f"word {place} is not read"


def test_other_depth_is_another_action_where_depth_is_lifted(acting):
    model, batch, noise = acting
    change = moved(model, batch, noise, pointmap=batch["pointmap"] * torch.tensor([1.2, 1.2, 1.2, 1.0]))
    assert change > 1e-5 if model.config.uses_depth else change == 0


def test_the_condition_is_read_at_the_action_queries(acting):
    """Other queries, or none, are another condition; an empty condition is another action."""
    model, batch, noise = acting
    before, h_cond = model.predict_actions(batch, noise), model.model.encode(batch)
    assert h_cond.shape[1] == model.config.head.queries
    kept = model.model.queries.data.clone()
    try:
        for place in range(len(kept)):
            model.model.queries.data[place] += torch.randn(kept.shape[1])
            changed = (model.model.encode(batch) - h_cond).abs().amax((0, 2)) > 1e-5
            assert changed[place:].all() and not changed[:place].any()  # causal: those before do not see it
            model.model.queries.data.copy_(kept)
        model.model.queries.data.neg_()
        assert (model.predict_actions(batch, noise) - before).abs().max() > 1e-5
    finally:
        model.model.queries.data.copy_(kept)
    keys, values = model.head.condition(torch.zeros_like(h_cond))
    state, tau, prefix = (
        model.state_token(batch["state"], h_cond),
        torch.full((2,), 0.5),
        torch.zeros(2, 8, dtype=torch.bool),
    )
    blind = model.head(noise, state, tau, prefix, keys, values)
    assert (blind - model.head(noise, state, tau, prefix, *model.head.condition(h_cond))).abs().max() > 1e-4


def test_the_time_of_the_flow_and_the_noise_count(acting):
    model, batch, noise = acting
    assert (model.predict_actions(batch, noise, 4) - model.predict_actions(batch, noise, 8)).abs().max() > 1e-5
    assert (model.predict_actions(batch, -noise) - model.predict_actions(batch, noise)).abs().max() > 1e-2


def test_the_loss_weighs_its_parts_as_configured(acting):
    model, batch, _ = acting
    given = batch | {"target": torch.full((2, 3), 0.3), "subtask": torch.tensor([0, 2])}
    losses = model(given, torch.Generator().manual_seed(0))
    assert losses["target"] > 0 and losses["subtask"] > 0 and model.config.aux_weight == 0.1
    expected = losses["flow"] + 0.1 * (losses["target"] + losses["subtask"])
    torch.testing.assert_close(losses["loss"], expected)
    losses["loss"].backward()
    for head in (model.target_head, model.subtask_head):
        assert head.weight.grad.abs().max() > 0
