"""The spatial encoders: recurrence, pointmaps, and an absent CUT3R."""

import sys

import numpy as np
import pytest

from helpers.tiny_model import tiny_config

pytestmark = pytest.mark.train
torch = pytest.importorskip("torch")

from vipa_model.configuration_vipa import SpatialConfig  # noqa: E402
from vipa_model.network.spatial import make_spatial  # noqa: E402
from vipa_model.network.spatial_pointmap import PointmapEncoder  # noqa: E402
from vipa_model.network.spatial_recurrent import pointmap_loss  # noqa: E402


def test_pointmap_tokens_know_where_they_are():
    encoder = PointmapEncoder(SpatialConfig(width=16, stride=4, point_patch=2), 32).eval()
    points = torch.rand(1, 1, 8, 8, 4)
    points[..., 3] = 1
    tokens = encoder(None, points)
    assert tokens.shape == (1, 1, 16, 16)
    moved = points.clone()
    moved[0, 0, 2, 5, 0] += 0.01
    changed = (encoder(None, moved) - tokens).abs().sum(-1)[0, 0] > 1e-6
    assert changed.nonzero().flatten().tolist() == [4 * 1 + 2]


def test_state_carries_over_from_view_to_view():
    encoder = make_spatial(tiny_config("recurrent")).eval()
    pixels = torch.rand(1, 2, 3, 32, 32)
    tokens = encoder(pixels)
    assert tokens.shape == (1, 2, 1 + 4, 16)
    other = pixels.clone()
    other[:, 0] = torch.rand(1, 3, 32, 32)
    again = encoder(other)
    assert not torch.allclose(tokens[:, 1], again[:, 1])
    torch.testing.assert_close(encoder(pixels[:, :1])[:, 0], tokens[:, 0])


def test_pointmaps_have_their_pixels_places_and_learn():
    encoder = make_spatial(tiny_config("recurrent"))
    pixels, valid = torch.rand(2, 2, 3, 32, 32), torch.ones(2, 2, 32, 32, dtype=torch.bool)
    target = torch.rand(2, 2, 1, 1, 1, 3).expand(2, 2, 2, 32, 32, 3).contiguous()
    pose = torch.tensor([0.5, 0, 0.4, 0, 0, 0, 1.0]).expand(2, 2, 7)
    optimizer = torch.optim.AdamW(encoder.parameters(), 3e-3, fused=True)
    first = None
    for _ in range(40):
        losses = pointmap_loss(*encoder.pointmaps(encoder(pixels)), target, valid, pose)
        first = first or losses["distance"].item()
        optimizer.zero_grad()
        losses["loss"].backward()
        optimizer.step()
    assert losses["distance"].item() < 0.5 * first
    points, confidence, found = encoder.pointmaps(encoder(pixels))
    assert points.shape == (2, 2, 2, 32, 32, 3) and (confidence >= 1).all()
    torch.testing.assert_close(found[..., 3:].norm(dim=-1), torch.ones(2, 2))
    # A patch's outputs land on its own pixels: row-major in the patch, patches row-major in the image.
    encoder.point_head.weight.data.zero_()
    encoder.point_head.bias.data = torch.arange(16 * 16 * 8.0)
    points = encoder.pointmaps(encoder(pixels))[0]
    np.testing.assert_array_equal(points[0, 0, 1, 17, 2].detach().numpy(), (1 * 16 + 2) * 8 + 4 + np.arange(3))


def test_absent_cut3r_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "dust3r.model", None)
    with pytest.raises(ImportError, match="CC BY-NC-SA.*PYTHONPATH.*'recurrent'"):
        make_spatial(tiny_config("cut3r"))
