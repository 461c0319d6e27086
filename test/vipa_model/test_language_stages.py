"""Stages 1 and 2: starting from an InternVL folder, the vocabulary, Hand3D-style files."""

import json
import tracemalloc

import numpy as np
import pytest

pytestmark = pytest.mark.train
torch = pytest.importorskip("torch")

from helpers.hand3d_files import write_hand3d  # noqa: E402
from helpers.tiny_internvl import make_internvl, small_parts  # noqa: E402
from helpers.tiny_model import random_batch, tiny_config  # noqa: E402
from vipa_model.cli import train_main  # noqa: E402
from vipa_model.configuration_vipa import VipaConfig  # noqa: E402
from vipa_model.data.hand3d import VISUAL, Hand3DSource, moves, open_records, scale_factor  # noqa: E402
from vipa_model.network.modeling_vipa import VipaForActionPrediction  # noqa: E402
from vipa_model.network.starting_point import make_model  # noqa: E402
from vipa_model.processing.motion_tokens import MotionTokenizer  # noqa: E402
from vipa_model.processing.processing_vipa import VipaProcessor  # noqa: E402
from vipa_model.processing.tokenization_vipa import ByteTokenizer, FolderTokenizer  # noqa: E402
from vipa_model.recipes import named_recipe  # noqa: E402


@pytest.fixture(scope="module")
def internvl(tmp_path_factory):
    """A tiny InternVL checkpoint saved by transformers, with a tokenizer. (folder, model)"""
    folder = tmp_path_factory.mktemp("internvl")
    return folder, make_internvl(folder)


def small() -> VipaConfig:
    config = tiny_config("pointmap")
    config.spatial.stride, config.spatial.point_patch = 4, 2
    return config


def test_damaged_or_other_folders_are_refused(internvl, tmp_path):
    import shutil

    from safetensors.torch import load_file, save_file

    folder = tmp_path / "damaged"
    shutil.copytree(internvl[0], folder)
    weights = load_file(folder / "model.safetensors")
    gone = next(k for k in weights if "vision_tower" in k)
    save_file({k: v for k, v in weights.items() if k != gone}, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match="missing tensors"):
        VipaForActionPrediction.from_internvl(folder, small())
    (folder / "config.json").write_text(json.dumps({"model_type": "qwen3"}), encoding="utf-8")
    with pytest.raises(ValueError, match="allowed: internvl with qwen3"):
        VipaForActionPrediction.from_internvl(folder, small())


@pytest.fixture
def hand3d(tmp_path):
    """A visual and an action file. (folder, visual path, action path)"""
    return tmp_path, *write_hand3d(tmp_path)


COMMON = ["--quiet", "--set", "batch=4", "--set", "precision=fp32", "--steps", "2", "--set", "log_every=1"]


def tensors(folder):
    return VipaForActionPrediction.from_pretrained(folder).state_dict()


def moved(before, after):
    """Parts of the model of which a tensor has changed."""
    names = {
        k for k, v in after.items() if k in before and v.shape == before[k].shape and not torch.equal(v, before[k])
    }
    return {".".join(k.split(".")[:2]) for k in names}


def test_stages_one_and_two(internvl, hand3d, tmp_path, capsys):
    _folder, visual, action = hand3d
    first = [str(visual), "--recipe", "stage1", "--internvl", str(internvl[0]), *small_parts(), *COMMON]
    assert train_main([*first, "--out", str(tmp_path / "one")]) == 0
    assert "model.spatial starts at random: stage1 trains it" in capsys.readouterr().out
    one = tensors(tmp_path / "one")
    for name, value in internvl[1].state_dict().items():
        if "language_model" in name:
            assert torch.equal(one["model.language." + name.split("language_model.")[1]], value), name
    assert one["model.fusion.layers.0.alpha"] != 0.5
    out = str(tmp_path / "two")
    assert train_main([str(action), "--recipe", "stage2", "--start", str(tmp_path / "one"), "--out", out, *COMMON]) == 0
    two = VipaForActionPrediction.from_pretrained(out)
    assert two.config.motion_tokens == 3072
    assert moved(one, two.state_dict()) == {"model.fusion", "model.language"}
    with pytest.raises(SystemExit):
        train_main([str(action), "--recipe", "stage2", "--start", out, "--out", out, *small_parts()])
    rows = [json.loads(line) for line in (tmp_path / "two/log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert np.isfinite(rows[-1]["val_loss"])


def test_equal_commands_give_equal_runs_and_what_is_new_moves(internvl, hand3d, tmp_path):
    """Twice the same command, with something drawn between; and the spatial encoder has moved from where it began."""
    first = [
        str(hand3d[1]),
        "--recipe",
        "stage1",
        "--internvl",
        str(internvl[0]),
        *small_parts(),
        *COMMON,
        "--set",
        "lr=0.01",
    ]
    for name in ("a", "b"):
        torch.randn(17)
        assert train_main([*first, "--out", str(tmp_path / name)]) == 0
    a, b = tensors(tmp_path / "a"), tensors(tmp_path / "b")
    assert all(torch.equal(v, b[k]) for k, v in a.items())
    config = VipaForActionPrediction.from_pretrained(tmp_path / "a").config
    started = make_model(VipaConfig.from_dict(config.to_dict()), 0, internvl[0]).state_dict()
    assert moved(started, a) == {"model.fusion", "model.spatial"}


def test_answers_alone_carry_loss(hand3d, internvl):
    config = small()
    config.text.image_token = 5
    processor = VipaProcessor(config, FolderTokenizer(internvl[0]))
    source = Hand3DSource([hand3d[2]], config, processor, named_recipe("stage2"))
    assert len(source.records) == 6  # the seventh does not move
    batch = source.batch(np.array([0, 2]), None)
    motion = MotionTokenizer(config.text.vocab)
    labels = batch["labels"][0][batch["labels"][0] != -100].numpy()
    np.testing.assert_allclose(motion.decode(labels[:-1]), source.record(0)["trajectory"], atol=0.5 / 1024 + 1e-9)
    assert labels[-1] == processor.tokenizer.end
    assert (batch["input_ids"][0] == 5).sum() == config.vision.tokens
    visual = Hand3DSource([hand3d[1]], config, processor, named_recipe("stage1"))
    mixed = visual.batch(np.array([0, 2]), None)
    assert mixed["pixels"].shape[1] == 2 and mixed["pointmap"][0, 0, ..., 3].any() and not mixed["pointmap"][1].any()


def test_wrong_lines_are_named(hand3d):
    folder, visual, _ = hand3d
    lines = visual.read_text(encoding="utf-8").splitlines()
    for wrong, message in (
        ("{", ":3: "),
        (json.dumps({"type": "dance"}), ":3: type is 'dance'; allowed: spatial_relationship"),
        (lines[2].replace("question", "ask"), ":3: missing key.*'question'.*unknown.*'ask'"),
        (lines[2].replace('"c.png", "c.png"', '"c.png"'), ":3: 1 images; allowed for hand_movement: 2"),
    ):
        (folder / "wrong.jsonl").write_text("\n".join([*lines[:2], wrong]), encoding="utf-8")
        with pytest.raises(ValueError, match=message):
            open_records([folder / "wrong.jsonl"], VISUAL)[2]


def test_a_missing_picture_is_named_with_its_line(hand3d):
    folder, visual, _ = hand3d
    lines = visual.read_text(encoding="utf-8").splitlines()
    (folder / "wrong.jsonl").write_text(
        "\n".join([lines[1], "", lines[0].replace("a.png", "absent.png")]), encoding="utf-8"
    )
    config = small()
    processor = VipaProcessor(config, ByteTokenizer())
    source = Hand3DSource([folder / "wrong.jsonl"], config, processor, named_recipe("stage1"))
    with pytest.raises(ValueError, match=r"wrong.jsonl:3: images: .*absent.png is missing"):
        source.batch(np.array([1]), None)


def test_a_line_separator_within_a_text_ends_no_line(hand3d):
    folder, visual, _ = hand3d
    record = json.loads(visual.read_text(encoding="utf-8").splitlines()[1]) | {
        "answer": "left\u2028and down, 0.20m\x85"
    }
    (folder / "odd.jsonl").write_text(
        json.dumps(record, ensure_ascii=False) + "\r\n" + json.dumps(record) + "\n", encoding="utf-8"
    )
    lines = open_records([folder / "odd.jsonl"], VISUAL)
    assert len(lines) == 2 and lines[0][0] == lines[1][0] == record


def test_records_stay_on_the_disk(tmp_path):
    """A record costs 16 bytes of memory, not its text."""
    path = tmp_path / "big.jsonl"
    line = json.dumps(
        {"id": "x" * 150, "type": VISUAL[0], "images": ["a.png"], "question": "Where?", "answer": "left, 0.20m"}
    )
    path.write_text((line + "\n") * 20_000, encoding="utf-8")
    tracemalloc.start()
    lines = open_records([path], VISUAL)
    kept, _peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(lines) == 20_000 and kept < 20 * 20_000 and lines[19_999][0]["answer"] == "left, 0.20m"


def test_what_is_held_out_is_a_share_and_no_more_than_is_looked_at(tmp_path):
    config, path = small(), tmp_path / "many.jsonl"
    line = json.dumps(
        {"id": "x", "type": VISUAL[0], "images": ["a.png"], "question": "Where?", "answer": "left, 0.20m"}
    )
    for count, held in ((40, 2), (20_000, 512)):
        path.write_text((line + "\n") * count, encoding="utf-8")
        source = Hand3DSource([path], config, VipaProcessor(config, ByteTokenizer()), named_recipe("stage1"))
        assert len(source.held_out) == held and len(source.train) == count - held
        assert not set(source.train) & set(source.held_out)


def test_answers_are_scored_as_the_paper_does(hand3d, monkeypatch):
    config = tiny_config("none")
    processor = VipaProcessor(config, ByteTokenizer())
    source = Hand3DSource([hand3d[1]], config, processor, named_recipe("stage1").changed(held_out=0.5))
    model = VipaForActionPrediction(config).eval()
    for said, error, direction in (
        ("left, 0.20m", 0.0, 3.0),
        ("right and up, 0.25m", 0.05, 1.0),
        ("cannot say", 0.2, 2.0),
    ):
        ids = torch.tensor([*processor.tokenizer.encode(said), processor.tokenizer.end])
        monkeypatch.setattr(type(model.model), "generate", lambda self, batch, count, end, ids=ids: ids)
        found = source.validate(model, lambda batch: batch)
        assert found["distance_error_m"] == pytest.approx(error, abs=1e-6) and found["direction_score"] == direction
        assert np.isfinite(found["loss"])


def test_a_test_file_of_its_own_is_scored(hand3d, tmp_path, monkeypatch, capsys):
    """`vipa bench alignment` on a file in Hand3D's form: every question, by its type, as the paper scores them."""
    from vipa_cli import cli

    config = tiny_config()
    processor, model = VipaProcessor(config, ByteTokenizer()), VipaForActionPrediction(config)
    model.save_pretrained(tmp_path / "model")
    processor.save_pretrained(tmp_path / "model")
    lines = [json.loads(line) for line in hand3d[1].read_text(encoding="utf-8").splitlines()]
    lines[0]["answer"], lines[3]["answer"] = "left, 0.30m", "turned by 20 degrees"
    (hand3d[0] / "test.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    ids = torch.tensor([*processor.tokenizer.encode("left and up, 0.20m"), processor.tokenizer.end])
    depths = []

    def said(self, batch, count, end):
        depths.append(bool(batch["pointmap"].any()))
        return ids

    monkeypatch.setattr(type(model.model), "generate", said)
    words = ["bench", "alignment", str(hand3d[0] / "test.jsonl"), str(tmp_path / "model"), "--out"]
    for more, deep in (([], 1), (["--without-depth"], 0)):
        with pytest.raises(SystemExit) as stop:
            cli.main([*words, str(tmp_path / "found.json"), *more])
        assert not stop.value.code, capsys.readouterr().err
        found = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
        row = found[str(tmp_path / "model")]
        assert {kind: r["questions"] for kind, r in row.items()} == dict(zip(VISUAL, (2, 2, 2, 1), strict=True))
        assert row[VISUAL[0]]["distance_error_m"] == pytest.approx(0.05) and row[VISUAL[0]]["direction_score"] == 2.0
        constant = found["no picture"][VISUAL[0]]
        assert constant["distance_error_m"] == pytest.approx(0.05) and constant["direction_score"] == 3.0
        assert len(depths) == 7 and sum(depths) == deep
        depths.clear()
    assert "spatial_relationship" in capsys.readouterr().out
    (hand3d[0] / "none.jsonl").write_text("{}\n", encoding="utf-8")
    with pytest.raises(SystemExit):
        cli.main(["bench", "alignment", str(hand3d[0] / "none.jsonl"), str(tmp_path / "model")])
    assert "its first line is no record" in capsys.readouterr().err


def test_words_and_scale_of_the_paper():
    assert scale_factor([1.0, 2.0, 9.0], [0.5, 1.0, 1.0], [True, True, False]) == 2.0
    assert moves(np.array([[0, 0, 0], [0.1, 0, 0]])) and not moves(np.zeros((3, 3)))


def test_generation_stops_at_the_end():
    model = VipaForActionPrediction(tiny_config()).model.eval()
    batch = {k: v[1:2] for k, v in random_batch(model.config).items()}
    out = model.generate(batch, 5)
    assert out.shape == (5,)
    assert len(model.generate(batch, 5, end=int(out[0]))) == 1
