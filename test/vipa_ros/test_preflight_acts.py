"""The checks that act, each on an injected fault: an emergency stop that does not stop, a workspace that is not reached."""

from types import SimpleNamespace

import pytest

pytest.importorskip("rclpy")
from vipa_msgs.msg import MotionStatus

from vipa.errors import VipaError
from vipa.preflight.finding import ERROR, OK, WARNING
from vipa.recording import topics
from vipa.robot.description import load_robot
from vipa_ros.preflight.acts import WHO, Acts


class Wait:
    def __await__(self):
        yield


class Cell(Acts):
    """Acts in a cell that answers as the test says. unreached: numbers of the plans that fail. stops: number of the one at which motion
    stops; waits: at which it goes on and on. deaf: an emergency stop is answered and does not stop. stuck: a re-arm is refused."""

    def __init__(self, unreached=(), stops=0, waits=0, deaf=False, stuck=False):
        self.robot = load_robot("fr3_single")
        self.unreached, self.stops, self.waits, self.deaf, self.stuck = unreached, stops, waits, deaf, stuck
        self.plans, self.speeds, self.authority = 0, [], False
        self.safety = SimpleNamespace(estop=False, stop_reasons=["a test"], latch=1)
        motion = SimpleNamespace(mode=MotionStatus.HOLDING)
        self.moves = SimpleNamespace(motion=motion, take=self.take, release=self.release, play=self.play)
        self.services, self.sent = SimpleNamespace(call=self.call, until=self.until, send=self.send), []
        self.moving = False

    async def take(self):
        self.authority = True

    async def release(self):
        self.authority = False

    async def play(self, steps, dt):
        if self.plans == self.stops:
            self.moves.motion.mode = MotionStatus.STOPPED
            raise VipaError("dry run arm: force of arm")

        if self.plans == self.waits:
            await Wait()

    def send(self, name, request):
        self.sent.append((name, request))

    async def until(self, there, wait):
        return bool(there())

    async def call(self, name, request, wait, again=0.0):
        if name == topics.PLAN_MOTION:
            self.plans += 1
            return SimpleNamespace(success=self.plans not in self.unreached, message="no path", steps=None, dt=0.02)
        if name == topics.TIGHTEN_LIMITS:
            self.speeds.append(0.0 if request.release else request.speed_scale)
            return SimpleNamespace(accepted=True, message="")
        if name == topics.ESTOP:
            if not self.deaf:
                self.safety.estop, self.moves.motion.mode = True, MotionStatus.STOPPED
            return SimpleNamespace(stopped=True)
        assert name == topics.REARM
        self.safety.estop = self.stuck
        return SimpleNamespace(armed=not self.stuck, message="its cause lasts")


def done(coroutine):
    with pytest.raises(StopIteration) as ended:
        coroutine.send(None)
    return ended.value.value


@pytest.mark.parametrize(
    "cell, level, words",
    [
        (Cell(), OK, "4 places of the workspace and home, at 10% of the speed"),
        (Cell(unreached=(2,)), WARNING, "3 of 4 places reached; arm place 2: no path"),
        (Cell(unreached=(1, 2, 3, 4)), ERROR, "0 of 4 places reached"),
        (Cell(stops=3), ERROR, "force of arm"),
        (Cell(unreached=(5,)), ERROR, "no path"),  # home
    ],
)
def test_a_dry_run_finds_what_is_not_reached_and_leaves_the_cell_as_it_was(cell, level, words):
    found = done(cell.dry_run(lambda line: None))
    assert found.level == level and words in found.detail and bool(found.fix) == (level != OK)
    assert cell.speeds == [pytest.approx(0.1), 0.0] and not cell.authority


def test_an_interrupted_dry_run_gives_back_the_authority_and_the_speed():
    cell = Cell(waits=2)
    assert not cell.leave() and not cell.sent
    run = cell.dry_run(lambda line: None)
    run.send(None)  # until it moves to the second place
    run.close()  # as at the end of the process
    assert cell.leave()
    (first, authority), (second, speed) = cell.sent
    assert (first, authority.commander_id, second, speed.release) == (
        topics.SET_AUTHORITY,
        "",
        topics.TIGHTEN_LIMITS,
        True,
    )
    assert authority.requester_id == speed.requester_id == WHO
    cell = Cell()
    done(cell.dry_run(lambda line: None))
    assert not cell.leave()


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
