"""The web console at running graphs, in a real browser: a standing cell with its console by one command, and a set of trials that is led
on a phone."""

import os
import signal
import threading

import cv2
import pytest

from helpers import browser
from helpers.browser import Browser
from helpers.graph_world import World
from helpers.standing_cell import command, standing_cell
from vipa.evaluation import trial_file
from vipa.evaluation.plan import CommanderEntry, Plan
from vipa.evaluation.trial_set import TrialSet, begun
from vipa_cli.bench import console_hour
from vipa_ros.bringup.process import ProcessSpec
from vipa_ros.evaluation import real_cell
from vipa_ros.evaluation.at_console import AtConsole
from vipa_ros.evaluation.session import Options

pytestmark = [pytest.mark.graph, pytest.mark.skipif(browser.CHROMIUM is None, reason="no chromium: scripts/browser.sh")]
WALL = 240  # seconds after which a test gives up; nothing is measured by it
LIVE = "[...document.querySelectorAll('figure:not(.late) img')].filter(i => i.naturalWidth > 0).length"


@pytest.fixture
def tab():
    with Browser() as opened:
        yield opened


@pytest.fixture
def cell(tmp_path):
    """The console's address of `vipa cell --console`."""
    line = ["--task", "water_plant", "--out", str(tmp_path), "--console", "localhost:0"]
    with standing_cell(tmp_path, *line, says="console: ", wall=WALL) as (process, said):
        yield said.split()[1]
        process.send_signal(signal.SIGINT)
        status = process.wait(WALL)
        assert status == 0, process.stdout.read()


def test_a_phone_watches_stops_rearms_and_homes(cell, tab):
    page = tab.open(cell)
    assert "token" not in page.run("location.href")  # it is not left in what a person may show around
    page.wait("document.querySelector('#mode').innerText === 'holding'")
    page.wait(f"{LIVE} === 2")
    assert page.run("document.documentElement.scrollWidth <= innerWidth")  # nothing to be dragged aside
    page.click("#sound")
    page.click("#home")
    page.click("#confirm button[value=no]")
    assert page.text("#why") == ""
    page.wait("document.querySelector('#shade').hidden")

    page.click("#estop", times=3)
    page.wait("document.querySelector('#mode').innerText === 'stopped'")
    page.wait("document.querySelector('#why').innerText.includes('motion is stopped')")
    page.wait("document.querySelector('#reasons').innerText.includes('e-stop: operator')")
    page.wait("vipa.sound.played.includes('estop')")
    assert page.run("document.querySelector('#home').disabled")
    other = tab.open(cell, 1280, 800, dark=True)  # the state is the server's
    other.wait("document.querySelector('#mode').innerText === 'stopped'")
    late = page.run("vipa.commands.ask({ask: 'rearm', latch: 0})")
    assert not late["done"] and "another stop has come since" in late["message"]

    while "look again" in (said := rearmed(page)):  # a tap of the three that was another stop
        pass
    assert "motion is armed" in said
    other.wait("document.querySelector('#mode').innerText === 'holding'")
    page.wait("document.querySelector('#shade').hidden")  # what was below the question takes no tap right after it
    page.click("#home")
    page.click("#confirm-yes")
    page.wait("document.querySelector('#why').innerText === 'home the robot: done'")
    assert page.errors == [] and other.errors == []


def rearmed(page):
    """What the page answers to re-arm."""
    page.call("Page.bringToFront")  # behind another one it stands still
    page.wait(
        "document.querySelector('#shade').hidden && document.querySelector('#why').innerText === 'e-stop: operator'"
    )
    page.click("#rearm")
    assert "e-stop: operator" in page.text("#confirm-text")
    page.click("#confirm-yes", times=2)
    page.wait("!['', 'e-stop: operator'].includes(document.querySelector('#why').innerText)")
    return page.text("#why")


PLAN = Plan(
    {"alpha": CommanderEntry("water_plant")},
    ["water_plant"],
    ["cobalt"],
    trials=2,
    seeds=[5, 6],
    cell="real",
    driver="ur",
)


def test_a_set_is_led_on_a_phone(tmp_path, monkeypatch, tab):
    common = {"robot": "fr3_single", "task": "water_plant", "use_sim_time": True}
    sim = ProcessSpec("sim", "sim", {**common, "seed": 2, "variant": "cobalt", "fixed_cameras": True})
    ran, seen, failed = [], [], []

    def run_trial(trials, trial, options):
        ran.append(trial.trial_id)
        return trials.row(trial, verdict="failure", success=False, subtask_score=0.0, duration_s=9.0), None

    monkeypatch.setattr(real_cell.over_graph, "run_trial", run_trial)
    with World(tmp_path / "logs", [sim, ProcessSpec("motion", "motion", common)], monkeypatch) as world:
        monkeypatch.setenv("ROS_DOMAIN_ID", str(world.domain.id))
        folder = tmp_path / "set"
        with TrialSet(folder, PLAN, begun(PLAN, {})) as trials, AtConsole("localhost:0", folder, True) as console:
            log = folder / "console/console.log"

            def person():
                try:
                    lead(tab, world, log, folder, seen)
                except BaseException as error:
                    failed.append(error)
                    console.desk.answers.put({})
                    os.kill(os.getpid(), signal.SIGINT)
                    raise

            threading.Thread(target=person, daemon=True).start()
            try:
                real_cell.run(trials, Options(), lambda trial, row: seen.append(row.verdict), console.desk)
            except KeyboardInterrupt:
                raise failed[0] from None
    rows = trial_file.read(folder / "trials.jsonl")
    assert [r.verdict for r in rows] == ["success", "failure"] and ran == ["0000", "0001"]
    notes = (folder / "trials/0000/notes.json").read_text(encoding="utf-8")
    assert '"Ada"' in notes and '"it sprayed"' in notes
    assert "in spite of it" in (folder / "trials/0001/placement.json").read_text(encoding="utf-8")


def lead(tab, world, log, folder, seen):
    """What the person does."""
    world.wait(lambda: log.is_file() and "console: " in log.read_text(encoding="utf-8"), "the console")
    page = tab.open(log.read_text(encoding="utf-8").split("console: ")[1].split()[0])
    page.wait("document.querySelector('#lead-text').innerText.startsWith('operator')")
    page.type("#answers input", "Ada")
    page.click("#answers .good")
    page.wait("document.querySelector('#task').innerText.startsWith('Trial 1 of 2')")
    page.wait("document.querySelector('#lead-text').innerText.startsWith('put the things')")
    page.wait(f"{LIVE} === 4")  # both cameras, and what is wanted over each
    assert page.run("document.querySelector('figcaption').innerText").startswith("placement scene")
    page.click("#answers .good", times=2)
    page.wait("document.querySelector('#lead-text').innerText.startsWith('it was measured as')")
    page.click(
        "#answers button:nth-child(2)", times=2
    )  # success; tapped twice, and the next question is not answered by it
    page.wait("document.querySelector('#lead-text').innerText.startsWith('notes')")
    page.type("#answers input", "it sprayed")
    page.click("#answers .good")
    path = folder / "reference/scene.png"  # a camera that has been turned since
    picture = cv2.imread(str(path))
    turn = cv2.getRotationMatrix2D((picture.shape[1] / 2, picture.shape[0] / 2), 2.0, 1.0)
    cv2.imwrite(str(path), cv2.warpAffine(picture, turn, picture.shape[1::-1]))
    page.wait("document.querySelector('#task').innerText.startsWith('Trial 2 of 2')")
    page.click("#answers .good")
    page.wait("document.querySelector('#faults').innerText.includes('camera scene has moved')")
    page.click("#answers button:nth-child(3)")
    page.wait("document.querySelector('#lead-text').innerText.startsWith('it was measured as')")
    assert "alpha" not in page.run("document.body.innerText") and "water_plant" not in page.text("#who")
    page.click("#answers .good")
    page.wait("document.querySelector('#lead-text').innerText.startsWith('notes')")
    page.click("#answers .good")
    assert page.errors == []


SIMULATED = """
tasks: [water_plant]
variants: [cobalt]
trials: 2
commanders: {expert: {policy: expert}}
"""


@pytest.mark.slow  # two whole episodes over the graph
def test_a_simulated_set_is_shown_from_its_first_trial_to_its_end(tmp_path, tab):
    plan, folder = tmp_path / "plan.yaml", tmp_path / "set"
    plan.write_text(SIMULATED, encoding="utf-8")
    words = ["evaluate", str(plan), "--graph", "--console", "localhost:0", "--no-pictures", "--out", str(folder)]
    with command(tmp_path, *words, says="console: ", wall=2 * WALL) as (process, said):
        page = tab.open(said[said.index("console: ") :].split()[1], 1280, 800)
        page.wait("document.querySelector('#task').innerText.startsWith('Trial 1 of 2')")
        page.wait("document.querySelectorAll('#checklist li.done').length > 0")
        page.wait(f"{LIVE} === 2")
        page.wait("document.querySelector('#task').innerText.startsWith('Trial 2 of 2')")
        page.wait("!document.querySelector('#alert').hidden")  # the set is over, and the console with it
        assert process.wait(WALL) == 0, process.stdout.read()
    assert [r.verdict for r in trial_file.read(folder / "trials.jsonl")] == ["success", "success"]


@pytest.mark.slow  # half a minute of two cores
def test_many_frames_leave_the_memory_as_it_was():
    found = console_hour.measure(4000)
    _, second, _, last = console_hour.quarters(found)
    assert found["frames"] >= 4000 and last < second + 2.0, found["memory_mb"]
