"""A tiny checkpoint for tests that have torch."""

import importlib.util

import pytest

HAS_TORCH = all(importlib.util.find_spec(name) for name in ("torch", "transformers", "safetensors"))


def pytest_collection_modifyitems(items):
    for item in items:
        if item.get_closest_marker("train") and not HAS_TORCH:
            item.add_marker(pytest.mark.skip(reason="needs torch and transformers (pip install '.[train]')"))


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory):
    """An exported checkpoint of random weights that looks through scene and wrist."""
    from helpers.tiny_model import tiny_config
    from vipa_cli.bench.checkpoints import random_checkpoint
    from vipa_model.configuration_vipa import HeadConfig

    head = HeadConfig(queries=4, width=32, layers=2, heads=2, mlp=48, horizon=16, max_prefix=6)
    return random_checkpoint(tmp_path_factory.mktemp("tiny"), tiny_config(target=True, subtasks=2, head=head))
