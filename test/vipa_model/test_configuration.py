"""Sizes, JSON, and errors that list what is allowed."""

import importlib.util

import pytest

from vipa_model.configuration_vipa import VipaConfig


@pytest.mark.parametrize("size", ["full", "s", "xs"])
def test_json_round_trip(size, tmp_path):
    config = VipaConfig.named(size, cameras=["head"])
    config.save_pretrained(tmp_path)
    assert VipaConfig.from_pretrained(tmp_path) == config


def test_paper_values():
    config = VipaConfig.full()
    assert (config.vision.image_size, config.vision.tokens, config.vocab) == (448, 256, 151936 + 3072)
    assert (config.fusion.alpha, config.fusion.layers, config.spatial.width) == (0.5, 1, 768)


def test_errors_list_what_is_allowed(tmp_path):
    with pytest.raises(ValueError, match="Unknown key.*'colour'.*Allowed.*'kind'"):
        VipaConfig.from_dict({"vision": {"colour": 1}})
    with pytest.raises(ValueError, match="'pointmap'"):
        VipaConfig.xs(spatial=VipaConfig().spatial.__class__(kind="lidar"))
    with pytest.raises(ValueError, match="'full', 's', 'xs'"):
        VipaConfig.named("xxl")
    (tmp_path / "config.json").write_text('{"model_type": "internvl"}', encoding="utf-8")
    with pytest.raises(ValueError, match="from_internvl"):
        VipaConfig.from_pretrained(tmp_path)


def test_every_public_name_has_its_home():
    import vipa_model

    for home in set(vipa_model._HOMES.values()):
        assert importlib.util.find_spec(f"vipa_model.{home}") is not None, home
    assert vipa_model.VipaConfig is VipaConfig
