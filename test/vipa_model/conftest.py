"""Keeps torch on one thread, skips torch's tests where it is not installed."""

import importlib.util

import pytest

HAS_TORCH = all(importlib.util.find_spec(name) for name in ("torch", "transformers", "safetensors"))


def pytest_collection_modifyitems(items):
    for item in items:
        if item.get_closest_marker("train") and not HAS_TORCH:
            item.add_marker(pytest.mark.skip(reason="needs torch and transformers (pip install '.[train]')"))


@pytest.fixture(autouse=True)
def one_thread(request):
    if request.node.get_closest_marker("train"):
        import torch

        torch.set_num_threads(1)
        torch.manual_seed(0)


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    """Six short reaches seen by two cameras at 32 px."""
    from helpers.synthetic_frames import make_store

    return make_store(tmp_path_factory.mktemp("store"), 6, 32, 10)


@pytest.fixture(scope="session")
def trained(store, tmp_path_factory):
    """A tiny checkpoint: a few training steps, exported. (folder, config, processor)"""
    import torch

    from helpers.tiny_model import tiny_config
    from vipa_model.data.frame_source import prepare_frames
    from vipa_model.recipes import named_recipe
    from vipa_model.runtime.export import export
    from vipa_model.training.loop import train

    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("checkpoint")
    recipe = named_recipe("small").changed(steps=4, batch=8, save_every=2, log_every=2, precision="fp32")
    model, processor, source = prepare_frames([store], recipe, tiny_config(target=True, subtasks=2))
    train(recipe, model, processor, source, folder, quiet=True)
    differences = export(folder)
    return folder, differences
