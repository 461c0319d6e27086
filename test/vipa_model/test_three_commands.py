"""The three commands of docs/full-size.md, played with a tiny InternVL folder, up to a policy that answers over a socket and a question."""

import json
import re
import shlex

import cv2
import numpy as np
import pytest
from websockets.sync.client import connect

pytestmark = pytest.mark.train
pytest.importorskip("torch")

from helpers.hand3d_files import K, write_hand3d  # noqa: E402
from helpers.running_server import WAIT, Running  # noqa: E402
from helpers.synthetic_frames import make_store, observation  # noqa: E402
from helpers.tiny_internvl import make_internvl, small_parts  # noqa: E402
from vipa import resources  # noqa: E402
from vipa.commanders.inference import InferenceOptions  # noqa: E402
from vipa.commanders.policy.commander import load_policy  # noqa: E402
from vipa.serving.protocols import openpi_wire  # noqa: E402
from vipa.serving.protocols.vipa import ServedPolicy  # noqa: E402
from vipa_cli import cli  # noqa: E402


def commands() -> list[list[str]]:
    """The words of the commands under "The three commands", without line breaks."""
    text = (resources.root() / "docs/full-size.md").read_text(encoding="utf-8")
    block = re.search(r"## The three commands\n.*?```\n(.*?)```", text, re.DOTALL).group(1)
    return [shlex.split(line) for line in block.replace("\\\n", " ").splitlines()]


def vipa(*words) -> int:
    with pytest.raises(SystemExit) as stop:
        cli.main([str(w) for w in words])
    return stop.value.code


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """The folder in which the documented commands have been run at tiny size."""
    folder = tmp_path_factory.mktemp("commands")
    make_internvl(folder / "weights/InternVL3_5-2B-HF")
    write_hand3d(folder)
    (folder / "visual.jsonl").rename(folder / "hand3d-visual.jsonl")
    (folder / "action.jsonl").rename(folder / "hand3d-action.jsonl")
    make_store(folder / "datasets/robot", 3, 56, 10)
    run = commands()
    assert [w[:2] for w in run] == [["vipa", "train"]] * 3 + [["vipa", "serve"]]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for words in run[:3]:
            if "--spatial" in words:  # CUT3R's weights, which are not ours to have
                at = words.index("--spatial")
                words = [*words[:at], *words[at + 2 :], *small_parts()]
            tiny = ["--steps", "2", "--set", "batch=4", "--set", "precision=fp32", "--quiet", "--threads", "1"]
            assert vipa(*words[1:], *tiny) == 0
    return folder


def test_the_served_policy_acts(played):
    serve = commands()[3]
    runtime = serve[serve.index("--runtime") + 1]
    policy = load_policy(str(played / serve[2]), InferenceOptions(runtime, "", "cpu"))
    served = ServedPolicy(policy, "stage3", None)
    from vipa_model.data.frame_store import FrameStore

    seen = observation(FrameStore(played / "datasets/robot"), 3)
    message = {"prompt": seen["instruction"]}
    for camera in seen["images"]:
        for key, part in (
            ("color", "images"),
            ("depth", "depths"),
            ("intrinsics", "intrinsics"),
            ("extrinsics", "extrinsics"),
        ):
            value = seen[part][camera]
            message[f"observation/{camera}/{key}"] = value.astype(np.float64) if value.dtype == np.float32 else value
    for key, value in seen["state"]["arm"].items():
        message[f"observation/arm/{key}"] = np.asarray(value, np.float64)
    with (
        Running(served.infer, served.metadata) as server,
        connect(f"ws://127.0.0.1:{server.port}", compression=None) as client,
    ):
        assert openpi_wire.unpack(client.recv(WAIT))["horizon"] == 8
        client.send(openpi_wire.pack(message))
        actions = openpi_wire.unpack(client.recv(WAIT))["actions"]
    assert actions.shape == (8, 8) and np.isfinite(actions).all()
    np.testing.assert_allclose(np.linalg.norm(actions[:, 3:7], axis=1), 1.0, atol=1e-6)


def test_motion_tokens_are_words_of_the_tokenizer(played):
    from transformers import AutoTokenizer

    from vipa_model.configuration_vipa import VipaConfig

    tokenizer = AutoTokenizer.from_pretrained(played / "models/stage2")
    first = VipaConfig.from_pretrained(played / "models/stage2").text.vocab
    assert tokenizer.convert_tokens_to_ids(["<motion_x_0>", "<motion_y_0>", "<motion_z_1023>"]) == [
        first,
        first + 1024,
        first + 3071,
    ]
    assert tokenizer.encode("<motion_x_7><motion_y_9>", add_special_tokens=False) == [first + 7, first + 1033]
    assert len(tokenizer) == first + 3072 and len(AutoTokenizer.from_pretrained(played / "models/stage1")) < first


def test_it_is_asked_in_words(played, tmp_path, capsys):
    """Its language model is made to say a motion of three points after a word; they are drawn where the camera sees them."""
    import torch

    from vipa_model.processing.motion_tokens import MotionTokenizer
    from vipa_model.runtime import ask

    image = np.full((40, 60, 3), 128, np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), image)
    (tmp_path / "a.json").write_text(json.dumps({"intrinsics": K}), encoding="utf-8")
    line = [
        "ask",
        played / "models/stage2",
        tmp_path / "a.png",
        "Where?",
        "--camera",
        tmp_path / "a.json",
        "--out",
        tmp_path / "out.png",
    ]
    assert vipa(*line, "--json") == 0
    assert isinstance(json.loads(capsys.readouterr().out)["text"], str)
    path = np.array([[-0.1, 0.0, 0.5], [0.0, 0.05, 0.5], [0.1, 0.0, 0.5]])
    asker = ask.Asker(played / "models/stage2")
    said = [*asker.processor.tokenizer.encode("left"), *MotionTokenizer(asker.model.config.text.vocab).encode(path), 2]
    with pytest.MonkeyPatch.context() as patch:
        from vipa_model.network.modeling_vipa import VipaModel

        patch.setattr(VipaModel, "generate", lambda self, batch, count, end: torch.tensor(said))
        assert vipa(*line, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["text"] == "left" and document["motion_frame"] == "camera"
    np.testing.assert_allclose(document["motion"], path, atol=1e-3)
    drawn = cv2.imread(str(tmp_path / "out.png"))[..., ::-1]
    changed = np.argwhere((drawn != image).any(-1))
    for x, y, z in path:
        assert np.abs(changed - [50 * y / z + 20, 50 * x / z + 30]).sum(1).min() <= 2
    assert len(changed) < 0.2 * 40 * 60 and drawn[20, 20, 2] > drawn[20, 20, 0] and drawn[20, 40, 0] > drawn[20, 40, 2]


def test_a_motion_in_the_robots_view_is_drawn_through_the_camera():
    from vipa_model.processing.directions import robot_view
    from vipa_model.runtime.ask import Picture, draw

    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = [[0, 0, 1], [-1, 0, 0], [0, -1, 0]], [0.0, 0.0, 0.3]  # looks along the base's x
    picture = Picture(np.zeros((40, 60, 3), np.uint8), intrinsics=np.array(K, float), extrinsics=pose)
    base = np.array([[0.5, 0.1, 0.3], [0.5, -0.1, 0.3]])
    changed = np.argwhere(draw(picture, robot_view(base), True).any(-1))
    assert np.abs(changed - [20, 20]).sum(1).min() <= 1 and np.abs(changed - [20, 40]).sum(1).min() <= 1
    with pytest.raises(ValueError, match="allowed: a picture whose extrinsics are given"):
        draw(Picture(picture.image), robot_view(base), True)


def test_its_card_says_what_it_is(played):
    assert vipa("model", "card", played / "models/stage3") == 0
    card = (played / "models/stage3/README.md").read_text(encoding="utf-8")
    assert 'license: "apache-2.0"' in card and "| motion tokens | 3072 |" in card and "Recipe `stage3`" in card
    assert re.search(r"\| all \| [\d,]{6,} \|", card) and "| position_mm |" in card
    assert vipa("model", "card", played / "models/stage1", "--out", played / "card.md") == 0
    assert "not trained: it answers, and does not act" in (played / "card.md").read_text(encoding="utf-8")


def test_what_cannot_be_asked_is_refused(played, tmp_path, capsys):
    for words, said in (
        ([played / "models/stage2", tmp_path / "no.png", "Where?"], "no.png is missing"),
        ([played / "models", tmp_path / "no.png", "Where?"], "config.json"),
        (
            [played / "models/stage2", tmp_path / "a", tmp_path / "b", "Where?", "--camera", tmp_path / "c"],
            "1 --camera for 2 pictures",
        ),
    ):
        assert vipa("ask", *words) == 2
        assert said in capsys.readouterr().err
