"""The soft arg-max over measured points."""

import numpy as np
import pytest

from helpers.tiny_model import random_batch, tiny_config

pytestmark = pytest.mark.train
torch = pytest.importorskip("torch")

from vipa_model.network.grounding import Grounding  # noqa: E402
from vipa_model.network.grounding_conditioning import TURN, TURNS, WAYS, _bearing, _turns, close_by  # noqa: E402
from vipa_model.network.modeling_vipa import VipaForActionPrediction  # noqa: E402
from vipa_model.processing.normalisation import Statistics  # noqa: E402


def test_the_token_carries_a_mean_of_the_measured_points_and_the_head_reads_it():
    torch.manual_seed(0)
    config = tiny_config(grounding=16, target=True)
    model = VipaForActionPrediction(config).eval()
    batch = random_batch(config)
    with torch.no_grad():
        hidden = model.model.encode(batch)
        target = model.auxiliary(hidden)["target"]
    assert hidden.shape == (3, config.head.queries + 1, config.text.width) and model.target_head is None
    points = batch["pointmap"][..., :3]
    assert (target >= points.amin((1, 2, 3)) - 1e-5).all() and (target <= points.amax((1, 2, 3)) + 1e-5).all()


def test_cells_without_a_reading_have_no_say():
    torch.manual_seed(0)
    config = tiny_config(grounding=16)
    grounding = Grounding(config).eval()
    pixels = torch.rand(2, 2, 3, 32, 32)
    pointmap = torch.zeros(2, 2, 8, 8, 4)
    spot = torch.tensor([0.5, 0.1, 0.2])
    pointmap[:, 1, 2:4, 4:6, :3], pointmap[:, 1, 2:4, 4:6, 3] = spot, 1.0
    with torch.no_grad():
        token = grounding(pixels, pointmap, torch.randn(2, config.text.width))
        torch.testing.assert_close(grounding.position(token[:, 0]), spot.expand(2, 3), atol=1e-5, rtol=0)
        nothing = grounding(pixels, torch.zeros_like(pointmap), torch.randn(2, config.text.width))
    assert torch.isfinite(nothing).all()


def test_it_learns_where_the_red_patch_is():
    torch.manual_seed(0)
    config = tiny_config(grounding=16, target=True, aux_weight=1.0)
    model = Grounding(config)
    generator = torch.Generator().manual_seed(1)
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    wanted = torch.zeros(32, config.text.width)

    def draw():
        pixels, pointmap = torch.zeros(32, 2, 3, 32, 32), torch.ones(32, 2, 8, 8, 4)
        pointmap[..., :3] = torch.rand(32, 2, 8, 8, 3, generator=generator)
        cell = torch.randint(0, 4, (32, 2), generator=generator)
        for sample, (row, column) in enumerate(cell.tolist()):
            pixels[sample, 0, 0, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8] = 1.0
            pointmap[sample, 0, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2, :3] = torch.rand(
                3, generator=generator
            )
        where = torch.stack([pointmap[i, 0, 2 * r, 2 * c, :3] for i, (r, c) in enumerate(cell.tolist())])
        return pixels, pointmap, where

    for _ in range(150):
        pixels, pointmap, where = draw()
        error = (model.position(model(pixels, pointmap, wanted)[:, 0]) - where).square().sum(-1).mean()
        optimiser.zero_grad()
        error.backward()
        optimiser.step()
    pixels, pointmap, where = draw()
    with torch.no_grad():
        distance = (model.position(model(pixels, pointmap, wanted)[:, 0]) - where).norm(dim=-1).mean()
    assert distance < 0.1  # metres; a guess is off by about 0.5


def test_without_a_pointmap_it_is_refused():
    with pytest.raises(ValueError, match="grounding wants spatial.kind 'pointmap'"):
        Grounding(tiny_config("none", grounding=16))


def test_the_way_to_the_target_leads_every_step_by_a_learned_share():
    torch.manual_seed(0)
    config = tiny_config(grounding=16, target=True)
    model = VipaForActionPrediction(config).eval()
    rng = np.random.default_rng(0)
    statistics = Statistics(rng.normal(size=config.state_dim), rng.uniform(0.5, 2, config.state_dim))
    model.aim.know_tool(statistics)
    batch = random_batch(config)
    with torch.no_grad():
        hidden = model.model.encode(batch)
        state = model.state_token(batch["state"], hidden)
        tool = torch.from_numpy(statistics.denormalise(batch["state"].numpy())[:, :3]).float()
        target = model.auxiliary(hidden)["target"]
        way, close = state[:, -5:-2], state[:, -2:]
        torch.testing.assert_close(way * config.spatial.scale, target - tool, atol=1e-5, rtol=0)
        torch.testing.assert_close(close, close_by(target - tool), atol=1e-5, rtol=0)
        noisy, prefix = batch["actions"], torch.zeros(batch["actions"].shape[:2], dtype=torch.bool)
        step = noisy, state, torch.full((len(noisy),), 0.5), prefix, *model.head.condition(hidden)
        before = model.head(*step)
        model.head.lead.bias.copy_(torch.tensor([2.0, 2.0, 2.0, 0.5, 0.5]))
        led = model.head(*step) - before
    led_to = 2 * way + torch.nn.functional.pad(0.5 * close, (0, 1))
    torch.testing.assert_close(led[..., :3], led_to[:, None].expand_as(led[..., :3]))
    assert not led[..., 3:].any()
    unknown = model.state_token(batch["state"], hidden, torch.ones(len(noisy), dtype=torch.bool))
    assert not unknown[:, -5:].any()


def test_the_bearing_is_the_angle_about_the_tools_own_axis():
    angle, yaw = 0.7, 0.4
    axes = torch.tensor([[np.cos(yaw), np.sin(yaw), 0.0, np.sin(yaw), -np.cos(yaw), 0.0]]).view(
        1, 2, 3
    )  # it looks down
    way = torch.tensor([[0.3 * np.cos(angle), 0.3 * np.sin(angle), -0.2]])
    expected = torch.tensor([[np.cos(angle - yaw), -np.sin(angle - yaw)]])
    torch.testing.assert_close(_bearing(way, axes), expected)
    assert not _bearing(torch.zeros(1, 3), axes).any()


@pytest.mark.parametrize("mirror", [1, -1], ids=["up", "down"])
def test_turns_are_the_sines_of_what_is_left_to_turn(mirror):
    def at(angle):
        return torch.tensor([[np.cos(angle), mirror * np.sin(angle)]], dtype=torch.float32)

    onto, across = TURN * _turns(at(0.5), at(0.2), at(np.pi / 2 - 0.1))[0]
    assert onto.item() == pytest.approx(mirror * np.sin(0.3), abs=1e-6)
    assert across.item() == pytest.approx(mirror * np.sin(0.2) / 2, abs=1e-6)
    half_a_turn_on = TURN * _turns(at(0.5), at(0.2), at(-np.pi / 2 - 0.1))[0, 1]
    assert half_a_turn_on.item() == pytest.approx(across.item(), abs=1e-6)


def test_with_a_tip_what_is_left_to_turn_leads_the_rotation():
    torch.manual_seed(0)
    config = tiny_config(grounding=16, target=True, tip=True, aux_weight=1.0)
    model = VipaForActionPrediction(config).eval()
    batch = random_batch(config)
    batch["tip"] = torch.full((3, 3), torch.nan)
    with torch.no_grad():
        assert not model(batch)["tip"]  # nobody knows where it is: nothing to learn
        hidden = model.model.encode(batch)
        assert hidden.shape == (3, config.head.queries + 2, config.text.width)
        assert model.auxiliary_names == list(model.auxiliary(hidden)) and "tip" in model.auxiliary_names
        state = model.state_token(batch["state"], hidden)
        turns = state[:, -TURNS:]
        assert turns.abs().max() <= 1 / TURN and turns.any()
        noisy, prefix = batch["actions"], torch.zeros(batch["actions"].shape[:2], dtype=torch.bool)
        step = noisy, state, torch.full((len(noisy),), 0.5), prefix, *model.head.condition(hidden)
        before = model.head(*step)
        share = torch.arange(6.0 * TURNS).view(TURNS, 6)
        model.head.lead.bias[WAYS:] = share.flatten()
        led = model.head(*step) - before
    torch.testing.assert_close(led[..., 3:9], (turns @ share)[:, None].expand(-1, led.shape[1], -1))
    assert not led[..., :3].any() and not led[..., 9:].any()


def test_close_by_counts_only_there():
    way = torch.tensor([[0.02, 0.0, 0.3], [0.0, -0.04, 0.0], [0.3, 0.1, 0.0]])
    expected = torch.tensor([[0.5 * np.exp(-0.125), 0.0], [0.0, -np.exp(-0.5)], [0.0, 0.0]], dtype=torch.float32)
    torch.testing.assert_close(close_by(way), expected, atol=1e-6, rtol=0)
