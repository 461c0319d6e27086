"""The page of `vipa dataset show --out`: it carries all it shows, and everything on it follows one clock."""

import os
import re
from pathlib import Path

import numpy as np
import pytest

from helpers.browser import CHROMIUM, Browser
from vipa.dataset.reader import Dataset
from vipa.dataset.spec import CameraSpec, DatasetSpec, Feature
from vipa.dataset.writer import DatasetWriter
from vipa.errors import VipaError
from vipa.reporting.dataset_show import write_page
from vipa_cli import cli

FRAMES, FPS = 30, 10
SPEC = DatasetSpec(
    "two_joints",
    FPS,
    (CameraSpec("scene", 96, 128), CameraSpec("wrist", 96, 96, depth=False)),
    {
        "observation.state": Feature("float32", tuple(f"arm.joint{k}" for k in range(7)) + ("arm.hand",)),
        "action": Feature("float32", tuple(f"arm.{n}" for n in ("x", "y", "z", "qx", "qy", "qz", "qw", "hand"))),
        "stamp_ns": Feature("int64", ("joint_states", "scene", "wrist")),
        "subtask_index": Feature("int64", ("subtask_index",)),
        "intervention": Feature("bool", ("intervention",)),
    },
)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """(dataset, page) of two episodes; every frame's brightness tells its number."""
    base = tmp_path_factory.mktemp("show")
    writer = DatasetWriter(base / "set", SPEC)
    for seed in (1, 2):
        for k in range(FRAMES):
            writer.add_frame(
                {
                    "observation.images.scene": np.full((96, 128, 3), 8 * k, np.uint8),
                    "observation.images.wrist": np.full((96, 96, 3), 8 * k, np.uint8),
                    "observation.depth.scene": np.full((96, 128), 200 + 50 * k, np.uint16),
                    "observation.state": np.sin(0.2 * k + np.arange(8)),
                    "action": np.array([0.01 * k, seed, 0, 0, 0, 0, 1, 0.5]),
                    "stamp_ns": np.full(3, k * 10**8),
                    "subtask_index": np.array([k // 15]),
                    "intervention": np.array([10 <= k < 20]),
                },
                f"seed-{seed}",
            )
        writer.save_episode(f"reach <{seed}>", ["approach", "grasp & lift"], {"seed": seed})
    writer.finalize()
    write_page(Dataset(base / "set"), [0, 1], base / "page.html")
    return base / "set", base / "page.html"


def test_it_needs_nothing_from_elsewhere(page):
    text = page[1].read_text("utf-8")
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?!data:)""", text) and "http://www.w3.org/2000/svg" in text
    assert not [u for u in re.findall(r"https?://[^\"' <]+", text) if "w3.org" not in u]
    assert "reach &lt;1&gt;" in text and "reach <1>" not in text.replace("\\u003c", "")


def test_refused_episodes_leave_no_page(page, tmp_path, capsys):
    with pytest.raises(VipaError, match="episode 7; allowed: 0 to 1"):
        write_page(Dataset(page[0]), [0, 7], tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()
    with pytest.raises(SystemExit) as ended:
        cli.main(["dataset", "show", str(page[0]), "--out", str(tmp_path / "all.html"), "--no-depth"])
    assert ended.value.code == 0 and "2 episodes" in capsys.readouterr().out
    assert (tmp_path / "all.html").read_text("utf-8").count("<video") == 4


BRIGHTNESS = """(() => [...document.querySelectorAll('.episode:not([hidden]) video')].map(v => {
    const c = document.createElement('canvas'); c.width = c.height = 8;
    c.getContext('2d').drawImage(v, 0, 0, 8, 8);
    return c.getContext('2d').getImageData(4, 4, 1, 1).data[0]; }))()"""
SETTLED = "[...document.querySelectorAll('.episode:not([hidden]) video')].every(v => v.readyState >= 2 && !v.seeking)"


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
@pytest.mark.parametrize("dark", [False, True])
def test_everything_follows_one_clock(page, dark, tmp_path):
    with Browser() as browser:
        tab = browser.open(page[1].as_uri(), 1200, 900, dark)
        tab.wait(SETTLED)
        for number in (0, 13, FRAMES - 1):
            tab.run(f"current.go({number})")
            tab.wait(SETTLED)
            levels = tab.run(BRIGHTNESS)
            assert abs(levels[0] - 8 * number) < 6 and abs(levels[2] - 8 * number) < 6, (number, levels)
            assert f"frame {number} of {FRAMES}" in tab.text(".episode:not([hidden]) .now")
            shown = tab.run(
                "[...document.querySelectorAll('.episode:not([hidden]) .plot .key i')].map(e => Number(e.textContent))"
            )
            assert abs(shown[0] - np.sin(0.2 * number)) < 1e-3
            place = tab.run(
                "(c => (Number(c.getAttribute('x1')) - PLOT.left) / (PLOT.width - PLOT.left - PLOT.right))"
                "(document.querySelector('.episode:not([hidden]) .cursor'))"
            )
            assert abs(place - number / (FRAMES - 1)) < 1e-6
        tab.run("document.dispatchEvent(new KeyboardEvent('keydown', {key: 'Home'}))")
        tab.run("document.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowRight'}))")
        assert tab.run("current.frame") == 1
        tab.click("#choose button:nth-child(2)")
        assert tab.run("location.hash") == "#1" and "seed-2" in tab.text(".episode:not([hidden]) .meta")
        tab.click(".episode:not([hidden]) .play")
        tab.wait(f"current.frame === {FRAMES - 1} && !current.playing")  # it plays to its end
        assert tab.errors == []
        if folder := os.environ.get("VIPA_PICTURES"):
            tab.run("current.go(12)")
            tab.wait(SETTLED)
            tab.photograph(Path(folder) / f"show-{'dark' if dark else 'light'}.png", whole=True)
        background = tab.run("getComputedStyle(document.body).backgroundColor")
        assert (background == "rgb(13, 17, 23)") == dark
