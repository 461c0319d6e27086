"""The tutorials, as they stand: their files are taken out of the pages, and played."""

import json
import os
import re
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest

from vipa import resources

TUTORIALS = resources.root() / "docs/tutorials"
FILE = re.compile(r"^```\w+ file=(\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PARTS = (
    "src/vipa",
    "src/vipa_sim",
    "src/vipa_ros",
    "src/vipa_cli",
    "src/vipa_model",
    "config",
    "tasks",
    "urdf",
    "launch",
    "docs",
)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of the checkout in which both tutorials were followed."""
    root = tmp_path_factory.mktemp("checkout")
    for part in PARTS:
        shutil.copytree(
            resources.root() / part,
            root / part,
            ignore=shutil.ignore_patterns("__pycache__", "*.safetensors", "*.onnx*"),
        )
    for page in TUTORIALS.glob("*.md"):
        for name, text in FILE.findall(page.read_text(encoding="utf-8")):
            assert not (root / name).exists(), f"{name} ships"
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text, encoding="utf-8")
    return root


def vipa(checkout, *words) -> tuple[int, str, str]:
    """Exit status, standard output and error of the checkout's own `vipa`."""
    env = {**os.environ, "PYTHONPATH": str(checkout / "src")}
    line = [sys.executable, "-m", "vipa_cli.cli", *words]
    done = subprocess.run(
        line, env=env, cwd=checkout, capture_output=True, text=True, timeout=240, check=False, encoding="utf-8"
    )
    return done.returncode, done.stdout, done.stderr


def test_what_the_pages_say_is_printed(checkout):
    for page, words in (("add-a-task", "task check lift_cube"), ("add-a-robot", "robot check my_arm")):
        text = (TUTORIALS / f"{page}.md").read_text(encoding="utf-8")
        said = re.search(rf"^\$ \.venv/bin/vipa {words}\n(.*?)^```", text, re.MULTILINE | re.DOTALL).group(1)
        status, out, err = vipa(checkout, *words.split())
        assert status == 0 and out.startswith(said), out + err


def test_the_cameras_see_the_own_task(checkout):
    """Where a red and a blue scene differ is the cube: the same seed, the same light, nothing else has the variant's colour."""
    pictures = []
    for variant in ("red", "blue"):
        out = checkout / f"{variant}.png"
        status, _, err = vipa(checkout, "task", "show", "lift_cube", "--variant", variant, "--out", str(out))
        assert status == 0, err
        pictures.append(cv2.imread(str(out)).astype(int)[30:])  # below the titles, which say the variant
    cube = np.abs(pictures[0] - pictures[1]).max(axis=2) > 60
    assert cube[:, :640].sum() > 150, "the scene camera does not see the cube"
    assert cube[:, 640:].sum() > 150, "the wrist camera does not see the cube"
    assert cube.sum() < 0.2 * cube.size


def test_a_picture_goes_below_runs(checkout):
    assert vipa(checkout, "task", "show", "lift_cube")[1].startswith("runs/scenes.png: 1280 x 480 pixels")
    assert (checkout / "runs/scenes.png").is_file()


@pytest.mark.parametrize(
    "file, before, after, said",
    [
        ("src/vipa_sim/scenes/lift_cube.py", ", group=VISUAL", "", "no camera sees body 'cube'"),
        ("src/vipa_sim/scenes/lift_cube.py", '("cube",)', '("cube", "lid")', "unknown body 'lid'; allowed: "),
        (
            "tasks/lift_cube.yaml",
            "object: cube",
            "object: block",
            "params: object: unknown body 'block'; allowed: cube",
        ),
    ],
)
def test_check_refuses_a_task_that_could_not_run(checkout, file, before, after, said):
    path = checkout / file
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after), encoding="utf-8")
    try:
        status, _, err = vipa(checkout, "task", "check", "lift_cube")
    finally:
        path.write_text(text, encoding="utf-8")
    assert status == 2 and said in err and len(err.splitlines()) == 1, err


def test_the_own_test_passes_and_notices(checkout):
    """The test of the page passes, and fails once the script does nothing."""
    line = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, f"--rootdir={checkout}"]
    env = {**os.environ, "PYTHONPATH": str(checkout / "src")}
    script = checkout / "src/vipa/commanders/expert/scripts/lift_cube.py"
    text = script.read_text(encoding="utf-8")
    idle = text.replace("    while not (", "    return True\n    while not (")
    try:
        for content, status, passed in ((text, 0, 4), (idle, 1, 1)):
            script.write_text(content, encoding="utf-8")
            done = subprocess.run(
                [*line, "test/vipa_sim/test_lift_cube.py"],
                env=env, cwd=checkout, capture_output=True, text=True, timeout=240, check=False, encoding="utf-8",
            )  # fmt: skip
            assert done.returncode == status and f"{passed} passed" in done.stdout, done.stdout + done.stderr
    finally:
        script.write_text(text, encoding="utf-8")


def test_the_own_task_plays_and_scores(checkout):
    status, out, err = vipa(checkout, "evaluate", "--task", "lift_cube", "--seeds", "0:3", "--json")
    assert status == 0, err
    found = json.loads(out)["commanders"]["expert"]
    assert found["successes"] == found["n"] == 3


def test_tasks_are_looked_at_with_their_scenes_own_ranges(checkout):
    """lift_cube's file names none."""
    status, out, err = vipa(checkout, "robot", "check", "my_arm", "--task", "lift_cube")
    assert status == 0 and "arm reaches lift_cube: cube 100%" in out, out + err


def test_the_own_robot_plays(checkout):
    line = [
        "episode",
        "--task",
        "water_plant",
        "--robot",
        "my_arm",
        "--seed",
        "1",
        "--in-process",
        "--no-video",
        "--json",
    ]
    status, out, err = vipa(checkout, *line)
    assert status == 0 and json.loads(out)["scorecard"]["success"], out + err
    assert json.loads(out)["scorecard"]["robot"] == "my_arm"


# what the other tests here run of a page's commands; the rest is run as it stands, or with what makes it short
RUN_ABOVE = ("robot check my_arm", "task check lift_cube", "task show lift_cube", "evaluate --task lift_cube --seeds 0:10",
             "episode --task water_plant --robot my_arm --seed 1")  # fmt: skip
RUN_SHORT = {
    "robot moveit my_arm": "robot moveit my_arm",
    "episode --task lift_cube --seed 1": "episode --task lift_cube --seed 1 --in-process --no-video",
    "demos --task lift_cube --count 50 --jobs 2": "demos --task lift_cube --count 1",
}


def test_every_command_of_the_tutorials_is_run_here():
    shown = [
        command.strip()
        for page in sorted(TUTORIALS.glob("*.md"))
        for command in re.findall(
            r"^\$ \.venv/bin/vipa (.*?)(?:\s+#.*)?$", page.read_text(encoding="utf-8"), re.MULTILINE
        )
    ]
    assert set(shown) == {*RUN_ABOVE, *RUN_SHORT}, "a command that nobody runs, or that no page shows any more"


@pytest.mark.slow
@pytest.mark.parametrize("command", RUN_SHORT.values())
def test_the_long_commands_of_the_tutorials(checkout, command):
    status, out, err = vipa(checkout, *command.split())
    assert status == 0, (command, out, err)
    left = {
        "robot": "config/moveit/my_arm/my_arm.srdf",
        "episode": "runs/*/scorecard.json",
        "demos": "datasets/*lift_cube*",
    }
    assert list(checkout.glob(left[command.split()[0]]))
