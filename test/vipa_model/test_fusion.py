"""Eq. 9 against a few lines of plain torch."""

import pytest

pytestmark = pytest.mark.train
torch = pytest.importorskip("torch")

from vipa_model.configuration_vipa import FusionConfig  # noqa: E402
from vipa_model.network.fusion import Fusion, FusionLayer  # noqa: E402


def test_equation_nine():
    layer = FusionLayer(FusionConfig(width=8, heads=2), 12, 6).eval()
    semantic, spatial = torch.randn(2, 5, 12), torch.randn(2, 7, 6)
    q, k, v = layer.query(semantic), layer.key(spatial), layer.value(spatial)
    parts = []
    for h in (slice(0, 4), slice(4, 8)):
        weights = torch.softmax(q[..., h] @ k[..., h].transpose(1, 2) / 4**0.5, -1)
        parts.append(weights @ v[..., h])
    f_spa = torch.cat(parts, -1) @ layer.out.weight.T + layer.out.bias
    wanted = torch.nn.functional.layer_norm(semantic + 0.5 * f_spa, (12,), layer.norm.weight, layer.norm.bias)
    torch.testing.assert_close(layer(semantic, spatial), wanted, atol=1e-6, rtol=1e-5)


def test_alpha_starts_at_half_and_learns():
    fusion = Fusion(FusionConfig(layers=2, width=8, heads=2), 12, 6)
    assert [layer.alpha.item() for layer in fusion.layers] == [0.5, 0.5]
    optimizer = torch.optim.SGD(fusion.parameters(), 0.5)
    out = fusion(torch.randn(2, 5, 12), torch.randn(2, 7, 6))
    (out * torch.randn_like(out)).sum().backward()
    optimizer.step()
    assert all(layer.alpha.item() != 0.5 for layer in fusion.layers)


def test_dropout_acts_before_the_norm():
    layer = FusionLayer(FusionConfig(width=8, heads=2, dropout=1.0), 12, 6).train()
    torch.testing.assert_close(layer(torch.randn(1, 3, 12), torch.randn(1, 3, 6)), torch.zeros(1, 3, 12))


def test_heads_must_divide():
    with pytest.raises(ValueError, match="fusion.heads"):
        FusionLayer(FusionConfig(width=8, heads=3), 12, 6)
