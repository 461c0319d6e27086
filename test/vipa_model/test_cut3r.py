"""CUT3R's weights file is read without running it, and its published code gives what the adapter takes.

The tests that run CUT3R's own code (CC BY-NC-SA, not part of this repository) want a copy of it:
    VIPA_CUT3R_SOURCE=/path/to/CUT3R/src pytest -n 0 test/vipa_model/test_cut3r.py      (with einops and omegaconf installed)
"""

import os
import pickle
import sys
import types

import numpy as np
import pytest

from helpers.tiny_model import tiny_config

pytestmark = pytest.mark.train
torch = pytest.importorskip("torch")

from vipa_model.configuration_vipa import SpatialConfig  # noqa: E402
from vipa_model.network.cut3r_checkpoint import described, read_cut3r  # noqa: E402
from vipa_model.network.spatial import make_spatial  # noqa: E402
from vipa_model.network.spatial_cut3r import WEIGHTS_VARIABLE, Cut3rEncoder, Rope2d, _cut3r  # noqa: E402

SOURCE = os.environ.get("VIPA_CUT3R_SOURCE")
LINE = (
    "ARCroco3DStereo(ARCroco3DStereoConfig(freeze='encoder', state_size=16, state_pe='2d', pos_embed='RoPE100', rgb_head=True, "
    "pose_head=True, patch_embed_cls='ManyAR_PatchEmbed', img_size=(64, 64), head_type='{head}', output_mode='pts3d+pose', "
    "depth_mode=('exp', -inf, inf), conf_mode=('exp', 1, inf), pose_mode=('exp', -inf, inf), enc_embed_dim=64, enc_depth=2, "
    "enc_num_heads=4, dec_embed_dim=48, dec_depth={depth}, dec_num_heads=4, state_dec_num_heads=4, local_mem_size=8, "
    "landscape_only=False))"
)


class Settings(dict):
    """Stands for OmegaConf's DictConfig: an object of a module that whoever reads the file need not have."""

    def __reduce__(self):
        return Settings, (), {"_content": dict(self), "_metadata": Settings}


def test_tensors_and_settings_come_out_of_a_file_with_foreign_objects(tmp_path):
    weights = {"module.a": torch.arange(6.0).reshape(2, 3), "module.b": torch.ones(2, dtype=torch.float16)}
    torch.save(
        {"model": weights, "args": Settings(model=LINE.format(head="dpt", depth=4), lr=1.0), "epoch": 3},
        tmp_path / "w.pth",
    )
    found, settings = read_cut3r(tmp_path / "w.pth")
    assert torch.equal(found["a"], weights["module.a"]) and found["b"].dtype == torch.float16
    assert settings["dec_embed_dim"] == 48 and settings["img_size"] == (64, 64)
    assert settings["depth_mode"] == ("exp", -np.inf, np.inf)


class Harm:
    def __reduce__(self):
        return os.mkdir, ("harm",)


def test_nothing_in_the_file_is_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"model": {"a": torch.ones(1)}, "args": [Harm(), LINE.format(head="dpt", depth=4)]}, tmp_path / "w.pth")
    read_cut3r(tmp_path / "w.pth")
    assert not (tmp_path / "harm").exists()
    with pytest.raises(ValueError, match="literal"):
        described("ARCroco3DStereo(ARCroco3DStereoConfig(a=open('x')))")


@pytest.mark.parametrize(
    "content, said",
    [
        ({"weights": {}}, "no mapping 'model'"),
        ({"model": {"a": 1}}, "no mapping 'model'"),
        ({"model": {"a": torch.ones(1)}, "args": {}}, "does not say how"),
    ],
)
def test_other_files_are_refused(tmp_path, content, said):
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(ValueError, match=said):
        read_cut3r(tmp_path / "w.pth")
    (tmp_path / "w.pth").write_bytes(pickle.dumps(3)[:-1])
    with pytest.raises(ValueError, match="allowed: a weights file"):
        read_cut3r(tmp_path / "w.pth")


def test_rope_turns_by_differences_and_knows_minus_one():
    rope, tokens = Rope2d(100.0), torch.randn(1, 1, 5, 16)
    positions = torch.tensor([[[-1, -1], [0, 0], [0, 3], [2, 1], [4, 4]]])

    def products(shift):
        turned = rope(tokens, positions + shift)
        return turned @ turned.transpose(-1, -2)

    torch.testing.assert_close(products(0), products(7), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(rope(tokens, torch.zeros_like(positions)), tokens)
    assert not torch.allclose(products(0), tokens @ tokens.transpose(-1, -2), atol=1e-2)


@pytest.fixture
def cut3r(monkeypatch):
    """CUT3R's own module `dust3r.model`."""
    if not SOURCE:
        pytest.skip("VIPA_CUT3R_SOURCE names no copy of CUT3R's src folder")
    monkeypatch.setattr(sys, "path", [SOURCE, *sys.path])
    _cut3r()  # as the adapter imports it
    return sys.modules["dust3r.model"]


@pytest.mark.parametrize("head, depth", [("dpt", 4), ("linear", 2)])
def test_its_own_code_gives_the_same_tokens(cut3r, tmp_path, monkeypatch, head, depth):
    """With its heads, its compiled rope replaced by its own slow one at positions shifted by one (attention sees differences
    alone, and that one has no row for -1)."""
    omegaconf = pytest.importorskip("omegaconf")
    line = LINE.format(head=head, depth=depth)
    torch.manual_seed(0)
    theirs = eval(line, {"inf": float("inf"), **vars(cut3r)}).eval()
    torch.save({"model": theirs.state_dict(), "args": omegaconf.OmegaConf.create({"model": line})}, tmp_path / "w.pth")
    slow = type(theirs.rope).forward
    monkeypatch.setattr(type(theirs.rope), "forward", lambda self, tokens, positions: slow(self, tokens, positions + 1))

    monkeypatch.delenv(WEIGHTS_VARIABLE, raising=False)
    config = SpatialConfig(kind="cut3r", width=48, image_size=64, weights=str(tmp_path / "w.pth"))
    ours = Cut3rEncoder(config)
    pixels = torch.rand(2, 3, 3, 64, 64)
    tokens = ours(pixels)
    assert tokens.shape == (2, 3, 1 + 16, 48) and not ours.state_dict()

    captured = []
    theirs.dec_norm.register_forward_hook(lambda module, inputs, output: captured.append(output))
    with torch.no_grad():
        result = theirs([ours._view(pixels[:, v] * 2 - 1, v, pixels.device) for v in range(3)])
    assert len(result.ress) == 3 and "pts3d_in_self_view" in result.ress[0]  # the heads ran
    # its image encoder turns queries and keys in float16, so the two ways of turning differ by its rounding
    off = (tokens - torch.stack(captured, 1)).abs().max()
    with monkeypatch.context() as without:
        without.setattr(Rope2d, "forward", lambda self, tokens, positions: tokens)
        assert off < 1e-3 and (ours(pixels) - tokens).abs().max() > 5 * off
    with pytest.raises(ValueError, match="decoder of width 48; allowed: spatial.width 64"):
        Cut3rEncoder(SpatialConfig(kind="cut3r", width=64, image_size=64, weights=str(tmp_path / "w.pth")))


class StandIn(torch.nn.Module):
    """What the adapter touches of CUT3R, where its own code is not at hand; keeps the views it was given."""

    def __init__(self, settings):
        super().__init__()
        self.dec_norm, self.downstream_head = torch.nn.Identity(), torch.nn.Linear(4, 4)
        self.weight, self.dec_embed_dim, self.seen = torch.nn.Parameter(torch.zeros(3)), settings["dec_embed_dim"], []

    def forward(self, views):
        for view in views:
            self.seen.append(view)
            self.dec_norm(torch.zeros(len(view["img"]), 5, 48) + view["idx"])
            self.head([], None)


def test_pictures_are_handed_over_in_cut3rs_own_range(tmp_path, monkeypatch):
    module = types.ModuleType("dust3r.model")
    module.ARCroco3DStereo, module.ARCroco3DStereoConfig = StandIn, lambda **settings: settings
    monkeypatch.setitem(sys.modules, "dust3r", types.ModuleType("dust3r"))
    monkeypatch.setitem(sys.modules, "dust3r.model", module)
    monkeypatch.delenv(WEIGHTS_VARIABLE, raising=False)
    torch.save(
        {"model": {"weight": torch.arange(3.0)}, "args": Settings(model=LINE.format(head="dpt", depth=4))},
        tmp_path / "w.pth",
    )
    encoder = Cut3rEncoder(SpatialConfig(kind="cut3r", width=48, image_size=32, weights=str(tmp_path / "w.pth")))
    pixels = torch.rand(2, 3, 3, 32, 32)
    tokens = encoder(pixels)
    inner = encoder._hidden[0]
    assert tokens.shape == (2, 3, 5, 48) and tokens[:, 2].eq(2).all() and not encoder.state_dict()
    assert inner.weight.tolist() == [0.0, 1.0, 2.0] and not inner.weight.requires_grad
    for index, view in enumerate(inner.seen):
        torch.testing.assert_close(view["img"], 2 * pixels[:, index] - 1)
        assert (
            view["img_mask"].all() and not view["ray_mask"].any() and view["update"].all() and not view["reset"].any()
        )
    torch.save({"model": {}, "args": Settings(model=LINE.format(head="dpt", depth=4))}, tmp_path / "w.pth")
    with pytest.raises(ValueError, match=r"lacks 1 weights of its model, as \['weight'\]"):
        Cut3rEncoder(SpatialConfig(kind="cut3r", width=48, image_size=32, weights=str(tmp_path / "w.pth")))


def test_a_missing_file_is_named(monkeypatch, tmp_path):
    module = types.ModuleType("dust3r.model")
    module.ARCroco3DStereo = module.ARCroco3DStereoConfig = object
    monkeypatch.setitem(sys.modules, "dust3r", types.ModuleType("dust3r"))
    monkeypatch.setitem(sys.modules, "dust3r.model", module)
    monkeypatch.setenv(WEIGHTS_VARIABLE, str(tmp_path / "absent.pth"))
    with pytest.raises(ValueError, match="VIPA_CUT3R_WEIGHTS is .*absent.pth"):
        make_spatial(tiny_config("cut3r"))
