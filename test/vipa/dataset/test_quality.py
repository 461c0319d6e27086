"""Each finding of `vipa dataset check` on a dataset in which just that is wrong, and none on one in which nothing is."""

import argparse
import json

import numpy as np
import pytest

from vipa.dataset.check import check
from vipa.dataset.quality import quality, verdicts
from vipa.dataset.reader import Dataset
from vipa.dataset.spec import CameraSpec, DatasetSpec, Feature
from vipa.dataset.writer import DatasetWriter
from vipa_cli.commands import dataset as command

FPS, FRAMES, HEIGHT, WIDTH = 10, 40, 192, 256
TASK = "put_three_obj"
INSTRUCTION = "Pick the three fruits and put them into the drawer."
SPEC = DatasetSpec(
    "two_joints",
    FPS,
    (CameraSpec("scene", HEIGHT, WIDTH), CameraSpec("side", HEIGHT, WIDTH, depth=False)),
    {
        "observation.state": Feature("float32", ("a", "b")),
        "stamp_ns": Feature("int64", ("joint_states", "scene", "side")),
        "action": Feature("float32", ("arm.x", "arm.y", "arm.z", "arm.hand")),
    },
)


def background():
    """Grey rectangles, (H, W, 3) uint8: what a view is known by."""
    random, picture = np.random.default_rng(5), np.full((HEIGHT, WIDTH, 3), 120, np.uint8)
    for _ in range(150):
        left, top, wide, high = random.integers((0, 0, 4, 4), (WIDTH, HEIGHT, 20, 20))
        picture[top : top + high, left : left + wide] = random.integers(40, 200)
    return picture


BACKGROUND = background()


def frame(k, seed):
    """A textured scene in which a bright square goes as the joints do, in bursts."""
    moved = 0.5 * np.sin(0.9 * k + seed) + 0.3 * np.sin(0.23 * k * k / 5 + seed)
    picture = BACKGROUND.copy()
    left = int(100 + 80 * moved)
    picture[60:120, left : left + 48] = 255
    where = 0.5 + 0.05 * np.sin(0.2 * k + seed)
    return {
        "observation.images.scene": picture,
        "observation.images.side": picture,
        "observation.depth.scene": np.full((HEIGHT, WIDTH), 800 + k, np.uint16),
        "observation.state": np.array([moved, seed]),
        "stamp_ns": np.full(3, (k + 1) * 10**8, np.int64),
        "action": np.array([where, 0.1 * np.sin(0.15 * k + seed), 0.3 + 0.01 * np.cos(k), 0.0]),
    }


def change(picture=None, at=lambda k: True, **values):
    """A change of frames `at`: values by feature, with dots as underscores."""

    def made(k, f):
        if not at(k):
            return f
        for name in ("scene", "side") if picture else ():
            f[f"observation.images.{name}"] = picture(k, f[f"observation.images.{name}"])
        return f | {name.replace("__", "."): value(k, f[name.replace("__", ".")]) for name, value in values.items()}

    return made


def make(root, damage=lambda k, f: f, frames=FRAMES, instruction=INSTRUCTION, last_seed=2):
    """Three episodes, the last one damaged."""
    writer = DatasetWriter(root, SPEC)
    for seed in (0, 1, last_seed):
        last = seed == last_seed and writer.keys() >= {"seed-0", "seed-1"}
        for k in range(frames if last else FRAMES):
            writer.add_frame(damage(k, frame(k, seed)) if last else frame(k, seed), f"seed-{len(writer.keys())}")
        writer.save_episode(
            instruction if last else INSTRUCTION, [], {"task": TASK if last and instruction != INSTRUCTION else ""}
        )
    writer.finalize()
    return Dataset(root)


def late_video(k, picture):
    return frame(max(k - 5, 0), 2)["observation.images.scene"]


FAULTS = {
    "gap": (change(stamp_ns=lambda k, v: v + 10**9, at=lambda k: k > 20), "gap: 1.10 s between two frames"),
    "skew": (change(stamp_ns=lambda k, v: v - [0, 150_000_000, 0]), "skew: cameras up to 0.15 s apart"),
    "one capture": (
        change(stamp_ns=lambda k, v: np.array([v[0], 10**8 * min(k + 1, 15), v[2]])), "camera scene frozen: one capture in 26"
    ),
    "frozen": (change(lambda k, p: frame(10, 2)["observation.images.scene"], lambda k: k > 10), "frozen: the same picture in"),
    "dark": (change(lambda k, p: p // 40), "camera scene dark: brightness"),
    "moved": (change(lambda k, p: np.roll(p, (9, 9), (0, 1))), "camera scene has moved by"),
    "moves": (change(lambda k, p: np.roll(p, (9, 9), (0, 1)), lambda k: k > 20), "pixels since its beginning"),
    "late video": (change(late_video), "video and joints are 5 frames apart"),
    "leap": (change(action=lambda k, v: v + [0.2, 0, 0, 0], at=lambda k: k > 20), "action leaps 0.2"),
    "clipped": (change(action=lambda k, v: np.minimum(v, [0.51, 9, 9, 9])), "action arm.x clipped: at its limit in"),
    "no depth": (change(observation__depth__scene=lambda k, v: v * (np.arange(WIDTH) < 4).astype(np.uint16)), "% of depth"),
}  # fmt: skip


def test_nothing_is_found_where_nothing_is_wrong(tmp_path):
    dataset = make(tmp_path / "set")
    assert check(dataset.root) == [] and quality(dataset) == []
    assert verdicts(dataset, []) == ["good"] * 3


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_found_in_its_episode(tmp_path, fault):
    damage, said = FAULTS[fault]
    dataset = make(tmp_path / "set", damage)
    findings = quality(dataset)
    assert any(said in f.what for f in findings), findings
    assert {f.where for f in findings} == {"episode 2"}
    assert verdicts(dataset, findings) == ["good", "good", "look"]


def test_doubles_and_wrong_instructions(tmp_path):
    findings = quality(make(tmp_path / "twice", last_seed=1))
    assert any(f.what == "is the same as episode 1" for f in findings)
    findings = quality(make(tmp_path / "wrong", instruction="sing a song"))
    assert any("instruction 'sing a song'; task put_three_obj says" in f.what for f in findings)


def test_the_page_and_the_exit_status(tmp_path, capsys):
    make(tmp_path / "set", FAULTS["dark"][0])
    parser = argparse.ArgumentParser()
    command.arguments(parser)
    words = ["check", str(tmp_path / "set"), "--out", str(tmp_path / "check.html")]
    args = parser.parse_args(words)
    assert command.run(args) == 0 and "episode 2: look" in capsys.readouterr().out
    assert args.document["episodes"] == ["good", "good", "look"]
    page = (tmp_path / "check.html").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg;base64,") == 3 * 2 * 3 and "camera side dark" in page
    assert "http" not in page.replace("http://www.w3.org", "")  # nothing is fetched
    assert command.run(parser.parse_args([*words, "--strict"])) == 1
    info = tmp_path / "set/meta/info.json"
    info.write_text(json.dumps(json.loads(info.read_text(encoding="utf-8")) | {"total_frames": 1}), encoding="utf-8")
    assert command.run(parser.parse_args(words)) == 1
