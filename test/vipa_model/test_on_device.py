"""Samples in the device's memory are the source's own, and what augments them moves pictures and points together."""

import numpy as np
import pytest

from helpers.tiny_model import tiny_config

pytestmark = pytest.mark.train
torch = pytest.importorskip("torch")

from vipa_model.data.frame_source import prepare_frames  # noqa: E402
from vipa_model.data.on_device import OnDevice  # noqa: E402
from vipa_model.recipes import Augmentation, named_recipe  # noqa: E402
from vipa_model.training.loop import train  # noqa: E402

SMALL = named_recipe("small").changed(batch=8, steps=2, log_every=1, precision="fp32", augmentation=None)


def held(store, augmentation):
    _, processor, source = prepare_frames([store], SMALL.changed(augmentation=augmentation), tiny_config())
    return OnDevice(source, torch.device("cpu"), processor.tokenizer.pad, 4)


def test_batches_are_the_sources(store):
    made = held(store, None)
    indices = made.train[[3, 0, 17]]
    found, wanted = made.batch(indices, np.random.default_rng(0)), made.source.batch(indices, None)
    assert found.keys() == wanted.keys()
    for key, value in wanted.items():
        torch.testing.assert_close(found[key], value, equal_nan=True)


def test_pictures_and_points_move_together(store):
    made = held(store, Augmentation(shift=8, brightness=0, contrast=0, colour=0, depth_dropout=0))
    indices = made.train[:40]
    plain, moved = made.source.batch(indices, None), made.batch(indices, np.random.default_rng(1))
    shifts = set()
    for b in range(40):
        for v in range(2):
            fits = [
                (x, y)
                for x in (-2, -1, 0, 1, 2)
                for y in (-2, -1, 0, 1, 2)
                if torch.equal(
                    moved["pixels"][b, v, 8 + 4 * y : 24 + 4 * y, 8 + 4 * x : 24 + 4 * x],
                    plain["pixels"][b, v, 8:24, 8:24],
                )
                and torch.equal(
                    moved["pointmap"][b, v, 2 + y : 6 + y, 2 + x : 6 + x], plain["pointmap"][b, v, 2:6, 2:6]
                )
            ]
            assert fits
            shifts |= {fits[0]} if len(fits) == 1 else set()
    assert len(shifts) > 5


def test_depth_goes_missing_as_often_as_asked_and_colours_change(store):
    made = held(store, Augmentation(shift=0, depth_dropout=0.5))
    batch = made.batch(made.train, np.random.default_rng(0))
    blind = (batch["pointmap"][..., 3] == 0).flatten(2).all(-1).float().mean()
    assert 0.4 < blind < 0.6
    changed = (batch["pixels"].float() - made.arrays["pixels"].float()).abs().mean((2, 3, 4))
    assert changed.min() > 0 and changed.std() > 1
    again = made.batch(made.train, np.random.default_rng(0))
    assert all(torch.equal(v.nan_to_num(), again[k].nan_to_num()) for k, v in batch.items())


def test_a_recipe_trains_on_it(store, tmp_path):
    recipe = SMALL.changed(on_device=True)
    results = []
    for changed in (recipe, SMALL):
        model, processor, source = prepare_frames([store], changed, tiny_config())
        train(changed, model, processor, source, tmp_path / str(changed.on_device), quiet=True)
        results.append(model.state_dict())
    for name, value in results[0].items():
        torch.testing.assert_close(value, results[1][name], atol=1e-6, rtol=1e-5)
