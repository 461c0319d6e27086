"""Stages 1 and 2: starting from an InternVL folder, the vocabulary, Hand3D-style files."""

import json

import cv2
import numpy as np
import pytest

from helpers.tiny_model import tiny_config

pytestmark = pytest.mark.train
torch = pytest.importorskip("torch")

from vipa_model.cli import train_main  # noqa: E402
from vipa_model.configuration_vipa import VipaConfig  # noqa: E402
from vipa_model.data.hand3d import ACTION, VISUAL, moves, read_jsonl, scale_factor  # noqa: E402
from vipa_model.network.modeling_vipa import VipaForActionPrediction  # noqa: E402
from vipa_model.processing.motion_tokens import MotionTokenizer  # noqa: E402


@pytest.fixture(scope="module")
def internvl(tmp_path_factory):
    """A tiny InternVL checkpoint saved by transformers, with a tokenizer. (folder, model)"""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import (
        InternVLConfig,
        InternVLForConditionalGeneration,
        InternVLVisionConfig,
        PreTrainedTokenizerFast,
        Qwen3Config,
    )

    folder = tmp_path_factory.mktemp("internvl")
    words = ["<pad>", "<|im_start|>", "<|im_end|>", "<img>", "</img>", "<IMG_CONTEXT>"]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    inner = Tokenizer(models.BPE(vocab={w: i for i, w in enumerate(words + alphabet)}, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", eos_token="<|im_end|>", additional_special_tokens=words[1:]
    )
    tokenizer.save_pretrained(folder)
    text = Qwen3Config(
        vocab_size=300, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1, head_dim=16,
        intermediate_size=48,
    )  # fmt: skip
    vision = InternVLVisionConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, image_size=[56, 56],
        attention_bias=True,
    )  # fmt: skip
    torch.manual_seed(3)
    model = InternVLForConditionalGeneration(
        InternVLConfig(vision_config=vision, text_config=text, image_token_id=5, image_seq_length=4)
    ).eval()
    model.save_pretrained(folder)
    return folder, model


def small() -> VipaConfig:
    config = tiny_config("pointmap")
    config.spatial.stride, config.spatial.point_patch = 4, 2
    return config


def test_internvl_folder_is_the_start(internvl):
    folder, theirs = internvl
    config = small()
    config.motion_tokens = 3072
    model = VipaForActionPrediction.from_internvl(folder, config).eval()
    ours = model.model
    for mine, other in (
        (ours.vision.tower, theirs.model.vision_tower),
        (ours.projector, theirs.model.multi_modal_projector),
    ):
        for name, value in other.state_dict().items():
            assert torch.equal(mine.state_dict()[name], value), name
    embedding = ours.language.embed_tokens.weight
    assert embedding.shape[0] == 300 + 3072 == model.config.vocab
    assert torch.equal(embedding[:300], theirs.model.language_model.embed_tokens.weight)
    pixels = torch.randint(0, 256, (1, 1, 56, 56, 3), dtype=torch.uint8)
    ours.spatial = ours.fusion = None
    normal = (pixels[0].permute(0, 3, 1, 2) / 255 - torch.tensor(config.vision.mean)[:, None, None]) / torch.tensor(
        config.vision.std
    )[:, None, None]
    with torch.no_grad():
        wanted = theirs.model.get_image_features(
            normal, vision_feature_layer=-1, vision_feature_select_strategy="default"
        )
        torch.testing.assert_close(ours.image_tokens({"pixels": pixels}), wanted.pooler_output, atol=1e-5, rtol=1e-4)
        ids = torch.randint(6, 250, (1, 9))
        hidden = ours.run_language(ours.language.embed_tokens(ids), torch.ones(1, 9, dtype=torch.bool))
        other = theirs.model.language_model(input_ids=ids).last_hidden_state
        torch.testing.assert_close(hidden, other, atol=1e-5, rtol=1e-4)
        if theirs.config.tie_word_embeddings:
            assert ours.output is None
    with pytest.raises(ValueError, match="extend it once"):
        ours.extend_vocabulary(3)


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
    cv2.imwrite(str(tmp_path / "a.png"), np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "d.png"), np.full((40, 60), 800, np.uint16))
    k = [[50, 0, 30], [0, 50, 20], [0, 0, 1]]
    visual = [
        {"id": f"v{i}", "type": VISUAL[i % 4], "images": ["a.png"] * (1 if i % 4 < 2 else 2), "question": "Where?",
         "answer": "left, 0.20m"} for i in range(8)
    ]  # fmt: skip
    visual[0] |= {"depths": ["d.png"], "intrinsics": [k]}
    path = np.linspace([0, 0, 0.4], [0.1, 0.05, 0.5], 4).tolist()
    action = [
        {"id": f"a{i}", "type": ACTION[i % 3], "images": ["a.png"], "instruction": "cut the paper", "trajectory": path}
        | ({"context": path[:2]} if i % 3 == 2 else {})
        for i in range(6)
    ]
    action.append(action[0] | {"trajectory": [path[0], path[0]]})
    for name, rows in (("visual.jsonl", visual), ("action.jsonl", action)):
        (tmp_path / name).write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    return tmp_path, tmp_path / "visual.jsonl", tmp_path / "action.jsonl"


def test_stages_one_and_two(internvl, hand3d, tmp_path):
    _folder, visual, action = hand3d
    model = ["--model", "spatial.kind=pointmap", "--model", "spatial.stride=4", "--model", "spatial.point_patch=2"]
    model += ["--model", "spatial.width=16", "--model", "fusion.width=16", "--model", "fusion.heads=2"]
    model += [
        "--model",
        "head.width=32",
        "--model",
        "head.layers=1",
        "--model",
        "head.heads=2",
        "--model",
        "head.mlp=32",
    ]
    common = ["--quiet", "--set", "batch=4", "--set", "precision=fp32", "--steps", "2", "--set", "log_every=1"]
    out = str(tmp_path / "one")
    assert (
        train_main([str(visual), "--recipe", "stage1", "--internvl", str(internvl[0]), "--out", out, *model, *common])
        == 0
    )
    one = VipaForActionPrediction.from_pretrained(out).state_dict()
    torch.manual_seed(0)
    theirs = internvl[1].state_dict()
    for name, value in theirs.items():
        if "language_model" in name:
            assert torch.equal(one["model.language." + name.split("language_model.")[1]], value), name
    assert one["model.fusion.layers.0.alpha"] != 0.5
    out = str(tmp_path / "two")
    assert train_main([str(action), "--recipe", "stage2", "--start", str(tmp_path / "one"), "--out", out, *common]) == 0
    two = VipaForActionPrediction.from_pretrained(out)
    assert two.config.motion_tokens == 3072
    moved = {
        k.split(".")[1]
        for k, v in two.state_dict().items()
        if k in one and v.shape == one[k].shape and not torch.equal(v, one[k])
    }
    assert moved == {"fusion", "language"}
    with pytest.raises(SystemExit):
        train_main([str(action), "--recipe", "stage2", "--start", out, "--out", out, *model])
    rows = [json.loads(line) for line in (tmp_path / "two/log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert np.isfinite(rows[-1]["val_loss"])


def test_answers_alone_carry_loss(hand3d, internvl):
    from vipa_model.data.hand3d import Hand3DSource
    from vipa_model.processing.processing_vipa import VipaProcessor
    from vipa_model.processing.tokenization_vipa import FolderTokenizer
    from vipa_model.recipes import named_recipe

    config = small()
    config.text.image_token = 5
    processor = VipaProcessor(config, FolderTokenizer(internvl[0]))
    source = Hand3DSource([hand3d[2]], config, processor, named_recipe("stage2"))
    assert len(source.records) == 6  # the seventh does not move
    batch = source.batch(np.array([0, 2]), None)
    motion = MotionTokenizer(config.text.vocab)
    labels = batch["labels"][0][batch["labels"][0] != -100].numpy()
    np.testing.assert_allclose(motion.decode(labels[:-1]), source.records[0]["trajectory"], atol=0.5 / 1024 + 1e-9)
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
        (lines[2].replace('"a.png", "a.png"', '"a.png"'), ":3: 1 images; allowed for hand_movement: 2"),
        (lines[0].replace("a.png", "b.png"), ":3: images: .*b.png is missing"),
    ):
        (folder / "wrong.jsonl").write_text("\n".join([*lines[:2], wrong]), encoding="utf-8")
        with pytest.raises(ValueError, match=message):
            read_jsonl(folder / "wrong.jsonl", VISUAL)


def test_words_and_scale_of_the_paper():
    assert scale_factor([1.0, 2.0, 9.0], [0.5, 1.0, 1.0], [True, True, False]) == 2.0
    assert moves(np.array([[0, 0, 0], [0.1, 0, 0]])) and not moves(np.zeros((3, 3)))


def test_generation_stops_at_the_end():
    model = VipaForActionPrediction(tiny_config()).model.eval()
    from helpers.tiny_model import random_batch

    batch = {k: v[1:2] for k, v in random_batch(model.config).items()}
    out = model.generate(batch, 5)
    assert out.shape == (5,)
    assert len(model.generate(batch, 5, end=int(out[0]))) == 1
