"""The console's page in a real browser, shown states by hand: nothing that one taps moves, whatever comes."""

import json
import threading
import time

import cv2
import numpy as np
import pytest

from helpers import browser
from helpers.browser import Browser
from helpers.fake_trials import card_of
from vipa.console.board import Board, Frame
from vipa.console.history import History
from vipa.console.requests import Requests
from vipa.console.service import Console
from vipa.tasks import scorecard
from vipa.web.access import Access
from vipa.web.server import WebServer

pytestmark = pytest.mark.skipif(browser.CHROMIUM is None, reason="no chromium: scripts/browser.sh")
SIZES = {"phone": (390, 844), "small phone": (360, 640), "desktop": (1280, 800)}
TAPPED = ["#estop", "#rearm", "#home", "#recover", "#sound", "[data-ask=done]", "[data-ask=failed]", "#list"]
LED = ["#estop", "#rearm", "#home", "#recover", "#slot", "#list"]
BOX = "(b => [b.x, b.y, b.width, b.height])(e.getBoundingClientRect())"
ANSWERS = f"[...document.querySelectorAll('#slot button, #slot input')].filter(e => e.getClientRects().length).map(e => {BOX})"
VERDICTS = {"": "failure", "s": "success", "f": "failure", "u": "unscored", "r": "redo the pair (a fault of the cell)"}


def rows(evidence, status="active"):
    return [
        {"name": f"sub-task {i}", "status": status, "t_done_s": 1.5 * i, "progress": 0.5, "evidence": evidence}
        for i in range(5)
    ]


def state(**more):
    """What node `console` says of a cell that stands."""
    return {
        "motion": {"mode": "holding", "authority": "", "epoch": 1, "reasons": []},
        "chunk": {"seq": 0, "step": 0, "committed": 0, "clamps": 0, "refusals": 0, "age_s": None, "observation_age_s": None},
        "jitter_ms": 1.25, "robot": None, "episode": None, "cameras": [], "placement": None, "trial": None, "question": None,
        "safety": {"armed": True, "estop": False, "stop_reasons": [], "latch": 3, "min_distance_m": None, "min_distance_pair": ""},
        "led": False, "blind": False, "beat": 0,
    } | more  # fmt: skip


EPISODE = {"phase": "running", "episode_id": "e", "task": "t", "instruction": "put all three things " * 5, "commander": "policy", "seed": 1,
           "elapsed_s": 3.0, "time_limit_s": 60.0, "outcome": "", "subtasks": rows("the operator judges; " * 8)}  # fmt: skip
STOPPED = {"armed": False, "estop": True, "stop_reasons": ["e-stop: operator", "an arm does not follow: " * 9], "latch": 4,
           "min_distance_m": 0.021, "min_distance_pair": "fr3_link7|table"}  # fmt: skip
TRIAL = {
    "number": 2,
    "of": 20,
    "trial_id": "0001",
    "instruction": "put all three things in the box",
    "phase": "verdict",
}
RESET = {
    "trial": "0001",
    "level": "warn",
    "message": "not as in the reference",
    "faults": ["camera scene has moved"] * 9,
    "ready": True,
}
QUESTION = {"id": "verdict-0001", "text": "it was measured as: failure", "answers": VERDICTS, "must": False}


class Shown:
    """The page's server: what it shows, and what it was asked."""

    def __init__(self, folder):
        self.board, self.requests, self.runs = Board(), Requests(), folder / "runs"
        self.asked, self.over = [], threading.Event()
        self.server = WebServer(
            Access("127.0.0.1", token="t"), 0, Console(self.board, self.requests, History(self.runs)).service
        )
        self.server.open()
        threading.Thread(target=self.meet, daemon=True).start()

    def meet(self):
        while not self.over.wait(0.01):
            for request in self.requests.take():
                self.asked.append(request)
                self.requests.answered(
                    request, True, f"{request.ask}: done, and that at some length, as answers of a robot are"
                )

    def add_runs(self, count):
        for number in range(count):
            folder = self.runs / f"20260101-00000{number}-water_plant-a"
            folder.mkdir(parents=True)
            scorecard.write(card_of(1, "success"), folder / "scorecard.json")

    def close(self):
        self.over.set()
        self.server.close()


@pytest.fixture
def shown(tmp_path):
    made = Shown(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="module")
def tab():
    with Browser() as opened:
        yield opened


def until(condition):
    deadline = time.monotonic() + browser.WALL
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def opened(shown, tab, size, first):
    shown.board.put_state(first)
    page = tab.open(shown.server.address, *SIZES[size])
    page.wait("!document.body.classList.contains('unknown')")
    return page


def rects(page, names):
    page.run("scrollTo(0, 0)")
    return page.run(f"{json.dumps(names)}.map(n => document.querySelector(n)).map(e => {BOX})")


@pytest.mark.parametrize("size", SIZES)
def test_nothing_that_is_tapped_moves(shown, tab, size):
    page = opened(shown, tab, size, state())
    before, height = rects(page, TAPPED), page.run("innerHeight")
    assert all(y + h <= height for x, y, w, h in before[:4])  # what stops and begins motion is seen without scrolling
    assert all(h >= 44 and w >= 44 for x, y, w, h in [*before[:4], *before[5:7]])  # and can be hit
    shown.add_runs(5)
    changes = [{"cameras": ["scene", "wrist"]}, {"episode": EPISODE}, {"safety": STOPPED}, {"motion": None, "safety": None, "chunk": None},
               {"robot": {"ready": False, "estop": False, "mode": "error", "message": "protective stop " * 20}},
               {"episode": EPISODE | {"phase": "finished", "outcome": "success"}}]  # fmt: skip
    told = state()
    for beat, change in enumerate(changes):
        told = told | change | {"beat": beat + 1}
        shown.board.put_state(told)
        page.wait(f"vipa.beat() === {beat + 1}")
        assert rects(page, TAPPED) == before, change
    page.wait("document.querySelectorAll('#runs tr').length === 5")
    page.run("vipa.commands.ask({ask: 'home'})")
    page.click("#estop")
    page.wait("document.querySelector('#why').innerText.startsWith('estop: done')")
    assert rects(page, TAPPED) == before
    assert page.run("document.documentElement.scrollWidth <= innerWidth")
    assert page.errors == []


@pytest.mark.parametrize("size", SIZES)
def test_nothing_moves_while_a_set_is_led(shown, tab, size):
    page = opened(shown, tab, size, state(led=True, trial=TRIAL | {"phase": "reset"}))
    before = rects(page, LED)
    changes = [{"cameras": ["placement scene", "placement wrist", "scene", "wrist"]}, {"placement": RESET},
               {"placement": None, "trial": TRIAL | {"phase": "episode"}, "episode": EPISODE},
               {"trial": TRIAL, "question": QUESTION}, {"question": {"id": "notes", "text": "notes " * 90, "answers": {}, "must": False}},
               {"question": None}]  # fmt: skip
    told = state(led=True, trial=TRIAL | {"phase": "reset"})
    for beat, change in enumerate(changes):
        told = told | change | {"beat": beat + 1}
        shown.board.put_state(told)
        page.wait(f"vipa.beat() === {beat + 1}")
        assert rects(page, LED) == before, change
        slot = before[LED.index("#slot")]
        for _, y, _, h in page.run(ANSWERS):
            assert slot[1] - 1 <= y and y + h <= slot[1] + slot[3] + 1 and h >= 44, change  # all answers are seen
    assert page.errors == []


def test_the_emergency_stop_can_be_tapped_while_a_question_stands_open(shown, tab):
    page = opened(shown, tab, "phone", state())
    page.click("#home")
    page.wait("document.querySelector('#confirm').open")
    page.click("#estop")
    page.wait("document.querySelector('#why').innerText.startsWith('estop: done')")
    assert [r.ask for r in shown.asked] == ["estop"]
    page.run("document.dispatchEvent(new KeyboardEvent('keydown', {key: 'Escape'}))")
    page.wait("!document.querySelector('#confirm').open && document.querySelector('#shade').hidden")
    page.click("#home")
    page.wait("document.querySelector('#confirm').open")
    page.click("#confirm-yes", times=2)
    page.wait("document.querySelector('#why').innerText.startsWith('home: done')")
    assert [r.ask for r in shown.asked] == ["estop", "home"]


def test_a_double_tap_answers_one_question(shown, tab):
    page = opened(shown, tab, "phone", state(led=True, trial=TRIAL, question=QUESTION))
    second = "#answers button:nth-child(2)"
    page.click(second)
    until(lambda: [(r.question, r.text) for r in shown.asked] == [("verdict-0001", "s")])
    # the second tap meets the next question's button, in the same place, as soon as it is there
    page.run(
        f"new MutationObserver(() => {{ window.met = document.querySelector('{second}'); met?.click(); }}).observe(answers, {{childList: true}})"
    )
    shown.board.put_state(state(led=True, trial=TRIAL, question=QUESTION | {"id": "preference-0001"}, beat=1))
    page.wait("window.met && !met.disabled")
    assert len(shown.asked) == 1
    page.click(second)
    until(lambda: [r.question for r in shown.asked] == ["verdict-0001", "preference-0001"])


def test_a_reset_that_cannot_be_answered_yet_has_no_buttons(shown, tab):
    page = opened(
        shown,
        tab,
        "phone",
        state(led=True, trial=TRIAL | {"phase": "reset"}, placement=RESET | {"ready": False}, beat=1),
    )
    page.wait("vipa.beat() === 1")
    assert (
        page.run("document.querySelectorAll('#answers button').length") == 0
        and page.text("#lead-text") == RESET["message"]
    )
    shown.board.put_state(state(led=True, trial=TRIAL | {"phase": "reset"}, placement=RESET, beat=2))
    page.wait("document.querySelectorAll('#answers button').length === 3")


def test_a_stalled_picture_is_said_not_to_be_live(shown, tab):
    page = opened(shown, tab, "phone", state(cameras=["scene"]))
    picture = cv2.imencode(".jpg", np.full((48, 64, 3), 90, np.uint8))[1].tobytes()
    until(lambda: shown.board.wanted("scene"))
    shown.board.put_frame(Frame("scene", 1, picture, 0, 0.02, time.monotonic()))
    page.wait("document.querySelectorAll('figure:not(.late) img').length === 1")
    page.wait("document.querySelectorAll('figure.late').length === 1")  # nothing comes any more
    assert page.text("figcaption").split("\n")[-1].startswith("no picture for")
