"""Flow matching solved by hand, prefixes, and the head's parts."""

import pytest

pytestmark = pytest.mark.train
torch = pytest.importorskip("torch")

from vipa_model.configuration_vipa import HeadConfig  # noqa: E402
from vipa_model.network import flow_matching  # noqa: E402
from vipa_model.network.dit import DiT  # noqa: E402


def test_interpolation_and_target_by_hand():
    actions, noise = torch.tensor([[[2.0, 4.0]]]), torch.tensor([[[1.0, 0.0]]])
    torch.testing.assert_close(
        flow_matching.interpolate(actions, noise, torch.tensor([0.25])), torch.tensor([[[1.25, 1.0]]])
    )
    torch.testing.assert_close(flow_matching.interpolate(actions, noise, torch.tensor([0.0])), noise)
    torch.testing.assert_close(flow_matching.interpolate(actions, noise, torch.tensor([1.0])), actions)
    torch.testing.assert_close(flow_matching.velocity_target(actions, noise), torch.tensor([[[1.0, 4.0]]]))


def test_integration_goes_from_noise_to_actions():
    actions, noise = torch.randn(2, 3, 4), torch.randn(2, 3, 4)
    seen = []

    def velocity(x, tau):
        seen.append(tau[0].item())
        return actions - noise

    torch.testing.assert_close(flow_matching.integrate(velocity, noise, 4), actions)
    assert seen == [0.0, 0.25, 0.5, 0.75]


def test_loss_leaves_out_the_prefix():
    prefix = flow_matching.prefix_mask(torch.tensor([0, 2]), 3)
    assert prefix.tolist() == [[False] * 3, [True, True, False]]
    velocity, target = torch.zeros(2, 3, 2), torch.ones(2, 3, 2)
    target[1, :2] = 100.0
    assert flow_matching.flow_loss(velocity, target, prefix).item() == 1.0
    assert flow_matching.flow_loss(velocity, target, torch.ones(2, 3, dtype=torch.bool)).item() == 0.0


def test_prefix_comes_back_unchanged():
    known, noise = torch.randn(2, 5, 3), torch.randn(2, 5, 3)
    prefix = flow_matching.prefix_mask(torch.tensor([2, 4]), 5)
    out = flow_matching.integrate(lambda x, tau: x + 1, noise, 4, known, prefix)
    assert torch.equal(out[prefix], known[prefix]) and not torch.equal(out[~prefix], noise[~prefix])


def head() -> DiT:
    model = DiT(HeadConfig(queries=4, width=32, layers=2, heads=2, mlp=48, horizon=5), 3, 6, 16)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return model.eval()


def test_cached_keys_and_values_equal_recomputed_ones():
    model = head()
    h_cond, noisy, state = torch.randn(2, 4, 16), torch.randn(2, 5, 3), model.embed_state(torch.randn(2, 6))
    keys, values = model.condition(h_cond)
    prefix = torch.zeros(2, 5, dtype=torch.bool)
    for tau in (0.0, 0.5):
        tau = torch.full((2,), tau)
        cached = model(noisy, state, tau, prefix, keys, values)
        torch.testing.assert_close(
            cached, model(noisy, state, tau, prefix, *model.condition(h_cond)), atol=1e-5, rtol=0
        )


def test_tau_is_per_token():
    """With tau = 1 everywhere, marking steps as prefix changes nothing; with another tau it does."""
    model = head()
    keys, values = model.condition(torch.randn(1, 4, 16))
    noisy, state = torch.randn(1, 5, 3), model.embed_state(torch.randn(1, 6))
    none, some = torch.zeros(1, 5, dtype=torch.bool), flow_matching.prefix_mask(torch.tensor([2]), 5)
    one, half = torch.tensor([1.0]), torch.tensor([0.5])
    torch.testing.assert_close(
        model(noisy, state, one, none, keys, values), model(noisy, state, one, some, keys, values)
    )
    assert not torch.allclose(
        model(noisy, state, half, none, keys, values), model(noisy, state, half, some, keys, values)
    )


def test_hidden_state_is_the_learned_unknown():
    model = head()
    token = model.embed_state(torch.randn(2, 6), torch.tensor([True, False]))
    torch.testing.assert_close(token[0], model.no_state)
    assert not torch.allclose(token[1], model.no_state)
