"""The checks that act, each on an injected fault: an emergency stop that does not stop, a workspace that is not reached."""

from types import SimpleNamespace

import pytest

pytest.importorskip("rclpy")
from vipa_msgs.msg import MotionStatus

from helpers.held_moves import ROBOT, HeldMoves, Wait, done
from vipa.preflight.finding import ERROR, OK, WARNING
from vipa.recording import topics
from vipa_ros.preflight.acts import WHO, Acts


class Driven(HeldMoves):
    """The dry run's motion and planner. unreached: numbers of the plans that fail. stops: number of the one at which motion stops; waits: at
    which it goes on and on; falls: at which `mute` falls silent."""

    def __init__(self, patch, unreached=(), stops=0, waits=0, falls=0, mute=""):
        super().__init__(patch, WHO, "dry run", seconds=0.5)
        self.unreached, self.stops, self.waits_at, self.falls, self.falling = unreached, stops, waits, falls, mute

    def unplanned(self, number):
        return "no path" if number in self.unreached else ""

    async def play(self, steps, dt):
        if self.plans == self.stops:
            self.motion.mode, self.motion.reasons = MotionStatus.STOPPED, ["force of arm"]
        if self.plans == self.waits_at:
            await Wait()
        if self.plans == self.falls:
            self.mute, self.seconds = {self.falling}, 1000.0 if self.falling == "cell" else 0.5
        await super().play(steps, dt)

    @property
    def speeds(self):
        """What the speed was drawn to, by answered requests."""
        asked = [request for name, request in self.asked if name == topics.TIGHTEN_LIMITS]
        return [0.0 if request.release else request.speed_scale for request in asked]


class Cell(Acts):
    """Acts in a cell that answers as the test says. deaf: an emergency stop is answered and does not stop. stuck: a re-arm is refused."""

    def __init__(self, moves=None, deaf=False, stuck=False):
        self.robot, self.deaf, self.stuck = ROBOT, deaf, stuck
        self.safety = SimpleNamespace(estop=False, stop_reasons=["a test"], latch=1)
        self.moves = moves or SimpleNamespace(motion=SimpleNamespace(mode=MotionStatus.HOLDING))
        self.services = SimpleNamespace(call=self.call, until=self.until)

    async def until(self, there, wait):
        return bool(there())

    async def call(self, name, request, wait, again=0.0):
        if name == topics.ESTOP:
            if not self.deaf:
                self.safety.estop, self.moves.motion.mode = True, MotionStatus.STOPPED
            return SimpleNamespace(stopped=True)
        assert name == topics.REARM
        self.safety.estop = self.stuck
        return SimpleNamespace(armed=not self.stuck, message="its cause lasts")


@pytest.mark.parametrize(
    "driven, level, words",
    [
        ({}, OK, "4 places of the workspace and home, at 10% of the speed"),
        ({"unreached": (2,)}, WARNING, "3 of 4 places reached; arm place 2: no path"),
        ({"unreached": (1, 2, 3, 4)}, ERROR, "0 of 4 places reached"),
        ({"stops": 3}, ERROR, "force of arm"),
        ({"unreached": (5,)}, ERROR, "no path"),  # home
    ],
)
def test_a_dry_run_finds_what_is_not_reached_and_leaves_the_cell_as_it_was(monkeypatch, driven, level, words):
    moves = Driven(monkeypatch, **driven)
    found = done(Cell(moves).dry_run(lambda line: None))
    assert found.level == level and words in found.detail and bool(found.fix) == (level != OK)
    assert moves.speeds == [pytest.approx(0.1), 0.0] and moves.motion.authority == ""


def test_a_dry_run_is_as_slow_as_it_says(monkeypatch):
    moves = Driven(monkeypatch)
    done(Cell(moves).dry_run(lambda line: None))
    assert [msg.dt for msg in moves.chunks_sent] == [pytest.approx(1.0)] * 5  # planned: 0.1


def test_an_interrupted_dry_run_gives_back_the_authority_and_the_speed(monkeypatch):
    moves = Driven(monkeypatch, waits=2)
    run = Cell(moves).dry_run(lambda line: None)
    run.send(None)  # until it moves to the second place
    run.close()  # as at the end of the process
    assert not moves.sent
    moves.leave()
    (first, authority), (second, speed) = moves.sent
    assert (first, authority.commander_id) == (topics.SET_AUTHORITY, "")
    assert (second, speed.release) == (topics.TIGHTEN_LIMITS, True)
    assert authority.requester_id == speed.requester_id == WHO


@pytest.mark.parametrize(
    "mute, words",
    [
        ("motion", "dry run: nothing heard from motion for 4."),
        ("cell", "dry run: nothing heard from the cell (/joint_states) for 6."),
        ("planner", "service /vipa/plan_motion did not answer within 30 s"),
    ],
)
def test_a_dry_run_ends_when_something_falls_silent_and_says_what(monkeypatch, mute, words):
    moves, said = Driven(monkeypatch, falls=2, mute=mute), []
    found = done(Cell(moves).dry_run(said.append))
    assert found.level == ERROR and found.detail.startswith(words), found
    assert (found.fix == "look at its log, start it again, and repeat this") == (mute != "planner")
    assert len(said) == (2 if mute == "planner" else 1), said
    if mute == "motion":
        assert [name for name, _ in moves.sent] == [topics.SET_AUTHORITY, topics.TIGHTEN_LIMITS]
    else:
        assert moves.speeds == [pytest.approx(0.1), 0.0] and moves.motion.authority == ""


@pytest.mark.parametrize(
    "cell, level, words",
    [
        (Cell(), OK, "stops motion, and re-arms"),
        (Cell(deaf=True), ERROR, "motion does not say within 1 s that it is stopped"),
        (Cell(stuck=True), ERROR, "cannot be re-armed: its cause lasts"),
    ],
)
def test_an_emergency_stop_that_does_not_work_is_found(cell, level, words):
    found = done(cell.estop())
    assert found.level == level and words in found.detail and bool(found.fix) == (level != OK)


def test_a_cell_that_is_stopped_already_is_not_tried():
    cell = Cell()
    cell.safety.estop = True
    found = done(cell.estop())
    assert found.level == ERROR and "stopped already: a test" in found.detail
