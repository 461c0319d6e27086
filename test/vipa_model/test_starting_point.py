"""What a run starts from: spatial encoders that are taken or trained, other robots in stage 3, crops that travel."""

import json

import numpy as np
import pytest

pytestmark = pytest.mark.train
torch = pytest.importorskip("torch")

from helpers.hand3d_files import write_hand3d  # noqa: E402
from helpers.synthetic_frames import episode  # noqa: E402
from helpers.tiny_internvl import make_internvl, small_parts  # noqa: E402
from helpers.tiny_model import tiny_config  # noqa: E402
from vipa_model.cli import train_main  # noqa: E402
from vipa_model.configuration_vipa import GroupConfig, VipaConfig  # noqa: E402
from vipa_model.data.frame_source import prepare_frames  # noqa: E402
from vipa_model.data.frame_store import FrameStore, FrameStoreWriter  # noqa: E402
from vipa_model.network.modeling_vipa import VipaForActionPrediction  # noqa: E402
from vipa_model.network.starting_point import make_model  # noqa: E402
from vipa_model.processing.images import Crop  # noqa: E402
from vipa_model.processing.processing_vipa import VipaProcessor  # noqa: E402
from vipa_model.processing.tokenization_vipa import ByteTokenizer  # noqa: E402
from vipa_model.recipes import named_recipe  # noqa: E402
from vipa_model.training.stages import new_here, set_stage  # noqa: E402

STAGE3 = named_recipe("stage3").changed(batch=4, steps=2, log_every=1, precision="fp32")


def robot(folder, hand, joints, cameras, rate, crops=None, arms=1):
    """A store of two episodes of another robot."""
    groups = [GroupConfig(f"arm{i}", hand, joints) for i in range(arms)]
    writer = FrameStoreWriter(folder, list(cameras), 32, groups, ["reach", "grasp"], rate, crops)
    for number in range(2):
        arrays = episode(np.random.default_rng(number), 32, 12, tuple(cameras))
        for key in ("tool_pose", "tool_velocity", "commanded_tool_pose"):
            arrays[key] = np.tile(arrays[key], (1, arms))
        for key in ("hand", "commanded_hand"):
            arrays[key] = np.tile(arrays[key], (1, hand * arms))
        arrays["positions"] = np.zeros((12, joints * arms))
        writer.add(f"e{number}", arrays, "reach the ball")
    return FrameStore(folder)


@pytest.fixture(scope="module")
def aligned(tmp_path_factory):
    """A checkpoint as after stage 2: no statistics, one hand joint, two cameras at 10 Hz, motion tokens."""
    folder = tmp_path_factory.mktemp("aligned")
    torch.manual_seed(0)
    config = tiny_config(motion_tokens=12)
    VipaForActionPrediction(config).save_pretrained(folder)
    VipaProcessor(config, ByteTokenizer.train(["reach the ball"], 300)).save_pretrained(folder)
    return folder


def stage3(store, start, out):
    """The words of `vipa train` for stage 3 from `start`, without its steps."""
    return [str(store.folder), "--recipe", "stage3", "--start", str(start), "--out", str(out), "--quiet"]


@pytest.mark.parametrize(
    "hand, joints, cameras, rate, arms",
    [(6, 7, ("scene",), 20.0, 1), (1, 6, ("scene", "wrist", "side"), 10.0, 1), (6, 7, ("scene", "wrist"), 15.0, 2)],
)
def test_stage_three_fits_another_robot(aligned, tmp_path, hand, joints, cameras, rate, arms):
    store = robot(tmp_path / "store", hand, joints, cameras, rate, arms=arms)
    out = tmp_path / "out"
    command = [*stage3(store, aligned, out), "--steps", "2"]
    assert train_main([*command, "--set", "batch=4", "--set", "precision=fp32", "--model", "head.horizon=6"]) == 0
    config, before = VipaConfig.from_pretrained(out), VipaForActionPrediction.from_pretrained(aligned).state_dict()
    assert (config.cameras, config.rate_hz, config.head.horizon) == (list(cameras), rate, 6)
    assert config.groups == [GroupConfig(f"arm{i}", hand, joints) for i in range(arms)]
    processor = VipaProcessor.from_pretrained(out)
    assert processor.action_statistics.offset.shape == (6, (9 + hand) * arms) and np.any(
        processor.action_statistics.offset
    )
    after = VipaForActionPrediction.from_pretrained(out).state_dict()
    for name, value in before.items():
        if name.startswith(("model.vision", "model.spatial", "model.fusion", "model.projector")):
            assert torch.equal(value, after[name]), name
        if name.startswith("model.language"):
            assert (value - after[name]).abs().max() < 1e-3, name  # taken, and trained for two steps


def test_the_same_robot_goes_on_with_its_head_and_statistics(store, trained, tmp_path):
    model, processor, _ = prepare_frames([store], STAGE3, start=trained[0])
    before = VipaForActionPrediction.from_pretrained(trained[0]).state_dict()
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    np.testing.assert_array_equal(
        processor.action_statistics.scale, VipaProcessor.from_pretrained(trained[0]).action_statistics.scale
    )
    model, processor, _ = prepare_frames([store], STAGE3, start=trained[0], changes={"head.layers": 1})
    assert len(model.head.blocks) == 1 and torch.equal(model.model.queries, before["model.queries"])


@pytest.mark.parametrize("key", ["text.layers", "vision.width", "spatial.scale", "fusion.layers", "grounding"])
def test_what_was_learnt_is_not_changed_in_passing(store, trained, key):
    with pytest.raises(ValueError, match=f"--model {key} would change what .*allowed beside --start: head."):
        prepare_frames([store], STAGE3, start=trained[0], changes={key: 1})


def test_crops_travel_from_the_data_to_the_policy(aligned, tmp_path):
    crops = {"scene": Crop(0.1, 0.0, 0.9, 1.0)}
    store = robot(tmp_path / "store", 1, 7, ("scene", "wrist"), 20.0, crops)
    command = stage3(store, aligned, tmp_path / "out")
    assert train_main([*command, "--steps", "1", "--set", "batch=4", "--set", "precision=fp32"]) == 0
    assert VipaProcessor.from_pretrained(tmp_path / "out").crops == crops
    other = robot(tmp_path / "other", 1, 7, ("scene", "wrist"), 20.0, {"scene": Crop(0.2, 0.0, 0.9, 1.0)})
    with pytest.raises(ValueError, match="the stores have crops .*allowed: the same for all"):
        prepare_frames([store, other], STAGE3, start=aligned)


def test_an_encoder_is_taken_from_a_checkpoint(tmp_path, capsys):
    torch.manual_seed(5)
    VipaForActionPrediction(tiny_config("recurrent")).save_pretrained(tmp_path / "zero")
    make_internvl(tmp_path / "internvl")
    visual, _ = write_hand3d(tmp_path / "data")
    command = [
        str(visual),
        "--recipe",
        "stage1",
        "--internvl",
        str(tmp_path / "internvl"),
        *small_parts(spatial=False),
        "--quiet",
        "--steps",
        "2",
    ]
    command += [
        "--set",
        "batch=4",
        "--set",
        "precision=fp32",
        "--spatial",
        str(tmp_path / "zero"),
        "--out",
        str(tmp_path / "one"),
    ]
    assert train_main(command) == 0
    assert "starts at random" not in capsys.readouterr().out
    one = VipaForActionPrediction.from_pretrained(tmp_path / "one")
    zero = VipaForActionPrediction.from_pretrained(tmp_path / "zero")
    assert one.config.spatial == zero.config.spatial
    for name, value in zero.model.spatial.state_dict().items():
        assert torch.equal(value, one.model.spatial.state_dict()[name]), name
    assert one.model.fusion.layers[0].alpha != 0.5


def test_nothing_is_random_and_frozen():
    """Every stage trains what starts at random, and freezes it once it has been trained or taken."""
    fresh = make_model(tiny_config("recurrent"), 0)
    set_stage(fresh, "1")
    frozen = {n for n, p in fresh.named_parameters() if not p.requires_grad}
    later = ("head", "model.queries")  # whose turn is stage 3
    assert all(n.startswith((*later, "model.spatial.point_head", "model.spatial.pose_head")) for n in frozen)
    assert new_here(fresh, "3") == ("model.fusion", "model.projector", "model.spatial", "model.vision")
    assert new_here(fresh, "0") == new_here(fresh, "scratch") == new_here(fresh, "1-small") == ()
    again = VipaForActionPrediction(tiny_config("recurrent"))  # as read from a checkpoint
    set_stage(again, "1")
    assert {n.split(".")[1] for n, p in again.named_parameters() if p.requires_grad} == {"fusion"}


@pytest.mark.parametrize(
    "options, said",
    [
        (["--recipe", "stage0", "--internvl", "x"], "stage0 trains the spatial encoder alone"),
        (["--recipe", "stage0", "--spatial", "x"], "stage0 trains the spatial encoder alone"),
        (["--recipe", "stage3", "--start", "x", "--spatial", "y"], "not together with --start"),
        (["--recipe", "stage1", "--spatial", "x", "--ablate", "spatial=none"], "brings its own configuration"),
        (["--recipe", "stage1", "--start", "x", "--model", "head.width=8"], "in stage3"),
        (["--recipe", "align1", "--internvl", "x"], "makes a small model"),
        (["--recipe", "stage2", "--set", "cache_features=true"], "with recipes for demonstrations"),
    ],
)
def test_what_does_not_go_together_is_refused(options, said, tmp_path, capsys):
    with pytest.raises(SystemExit):
        train_main([str(tmp_path), "--out", str(tmp_path / "o"), *options])
    assert said in capsys.readouterr().err


def test_a_file_that_is_no_encoder_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent is missing; allowed: a VIPA checkpoint"):
        make_model(tiny_config(), 0, spatial=tmp_path / "absent")
    VipaForActionPrediction(tiny_config("none")).save_pretrained(tmp_path / "none")
    with pytest.raises(ValueError, match="spatial.kind 'none', so no weights"):
        make_model(tiny_config(), 0, spatial=tmp_path / "none")
    config = json.loads((tmp_path / "none/config.json").read_text(encoding="utf-8"))
    assert config["spatial"]["weights"] == ""
