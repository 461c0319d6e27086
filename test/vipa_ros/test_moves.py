"""Planned moves: said again while they last, of the newest epoch, nobody else's; and an authority that goes back, however they end."""

import copy
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy")
from vipa_msgs.msg import MotionStatus
from vipa_msgs.srv import PlanMotion, TightenLimits

from helpers.held_moves import ROBOT, HeldMoves, Wait, done
from vipa.errors import VipaError
from vipa.recording import topics
from vipa_ros.calibration.cell import Cell
from vipa_ros.common import convert
from vipa_ros.nodes.preflight import Preflight
from vipa_ros.nodes.robot import RobotNode
from vipa_ros.robot.homing import Homing
from vipa_ros.robot.moves import Unreached

HOME = np.array(ROBOT.groups[0].home)
TAKE, BACK = "calibrate", ""


@pytest.fixture
def moves(monkeypatch):
    return HeldMoves(monkeypatch)


class Played(HeldMoves):
    """It keeps what it publishes as it was."""

    def publish(self, msg):
        super().publish(copy.deepcopy(msg))

    def go(self):
        self.began = None
        done(self.held(lambda: self.play(path(), 0.1)))


def path():
    return convert.joint_steps_msg("arm", ROBOT.groups[0].joints, np.tile(HOME, (5, 1)))


def authority(messages):
    """The commanders that SetAuthority was asked for."""
    return [request.commander_id for name, request in messages if name == topics.SET_AUTHORITY]


def test_a_path_that_lasts_is_said_again(monkeypatch):
    """Motion holds for a commander that has long been silent, and a busy simulation makes any path long."""
    moves = Played(monkeypatch)
    moves.go()
    sent = moves.chunks_sent
    assert [msg.seq for msg in sent] == [1, 2, 3] and len({str(msg.start_time) for msg in sent}) == 1
    assert len({str(msg.groups) for msg in sent}) == 1


def test_after_a_hold_the_next_path_is_of_the_new_epoch(monkeypatch):
    moves = Played(monkeypatch, seconds=0.5)

    async def twice():
        await moves.play(path(), 0.1)
        moves.motion.epoch += 1
        moves.began = None
        await moves.play(path(), 0.1)

    done(moves.held(twice))
    first, second = moves.chunks_sent
    assert second.epoch == first.epoch + 1 and second.seq == 2


@pytest.mark.parametrize("holder, said", [("operator", "'operator' has it now"), ("", "nobody has it now")])
def test_who_has_lost_the_authority_sends_nothing_and_says_so(moves, holder, said):
    async def robbed():
        moves.motion.authority = holder
        await moves.play(path(), 0.1)

    with pytest.raises(VipaError, match=f"calibration: the authority was lost: {said}") as found:
        done(moves.held(robbed))
    assert not moves.chunks_sent and not isinstance(found.value, Unreached)


def test_an_authority_lost_on_the_way_is_told_at_the_end_at_the_latest(moves):
    async def robbed():
        moves.motion.authority = "operator"

    with pytest.raises(VipaError, match="the authority was lost: 'operator' has it now"):
        done(moves.held(robbed))


def test_the_authority_and_what_was_changed_go_back_when_it_ends_and_when_it_fails(moves):
    back = [(topics.TIGHTEN_LIMITS, TightenLimits.Request(release=True))]

    async def fails():
        raise VipaError("no path")

    async def ends():
        return 3

    assert done(moves.held(ends, back)) == 3
    assert authority(moves.asked) == [TAKE, BACK] and [name for name, _ in moves.asked[2:]] == [topics.TIGHTEN_LIMITS]
    with pytest.raises(VipaError, match="no path"):
        done(moves.held(fails, back))
    assert moves.asked[3:5] == moves.asked[:2] and moves.asked[5] == back[0]
    assert moves.motion.authority == ""
    moves.leave()
    assert not moves.sent


@pytest.mark.filterwarnings("error")
def test_of_one_that_is_interrupted_they_are_sent_back_on_the_way_out(moves):
    back = [(topics.TIGHTEN_LIMITS, TightenLimits.Request(release=True))]

    async def lasts():
        await Wait()

    run = moves.held(lasts, back)
    run.send(None)
    run.close()  # as at the end of the process; raises where the coroutine awaits on its way out
    assert moves.motion.authority == "calibrate" and not moves.sent
    moves.leave()
    assert authority(moves.sent) == [BACK] and moves.sent[1:] == back
    moves.leave()
    assert len(moves.sent) == 2


def test_one_that_is_interrupted_while_it_asks_gives_back_what_it_does_not_know_it_has(moves):
    async def grant_on_its_way(*_):
        await Wait()

    moves.services.call = grant_on_its_way
    run = moves.held(Wait)
    run.send(None)
    run.close()
    moves.leave()
    assert authority(moves.sent) == [BACK]


@pytest.mark.parametrize(
    "mute, said, seconds",
    [
        ("motion", r"homing: nothing heard from motion for 4\.\d s", 4.0),
        ("cell", r"homing: nothing heard from the cell \(/joint_states\) for 6\.\d s", 6.0),
    ],
)
@pytest.mark.parametrize("meanwhile", ["moving", "planning"])
def test_who_falls_silent_ends_it_and_is_not_waited_for(monkeypatch, mute, said, seconds, meanwhile):
    """A planner that hears no joint states refuses; one that is gone as well does not answer."""
    moves = HeldMoves(monkeypatch, "home", "homing", seconds=1000.0)
    moves.mute = {"planner"} if meanwhile == "planning" else set()
    went = moves.pause

    async def pause(wall):
        await went(wall)
        if moves.asked and moves.now > 1.0:
            moves.mute.add(mute)

    moves.services.pause = moves.pause = pause
    homing = Homing.__new__(Homing)
    homing.robot, homing.moves = ROBOT, moves
    moves.distance = lambda group, goal: 1.0
    with pytest.raises(VipaError, match=said):
        done(homing.home())
    assert 1.0 + seconds < moves.now < 1.0 + seconds + 0.5
    gone = mute == "motion"
    assert authority(moves.sent) == [BACK] * gone and authority(moves.asked)[1:] == [BACK] * (not gone)


def test_a_planner_that_refuses_because_the_cell_is_silent_is_not_asked_for_the_next_goal(moves):
    async def goes():
        moves.mute = {"cell"}
        await moves.to(PlanMotion.Request(group="arm"))

    moves.unplanned = lambda number: "no joint states for 0.6 s"
    with pytest.raises(VipaError, match=r"nothing heard from the cell"):
        done(moves.held(goes))


def test_a_goal_that_is_not_reached_is_told_from_a_motion_that_is_stopped(moves):
    async def goes():
        await moves.to(PlanMotion.Request(group="arm"))

    moves.unplanned = lambda number: "no path"
    with pytest.raises(Unreached, match="calibration arm: no path") as found:
        done(moves.held(goes))
    assert found.value.why == "no path"
    moves.motion.mode, moves.motion.reasons = MotionStatus.STOPPED, ["force of arm"]
    with pytest.raises(VipaError, match="calibration: force of arm") as found:
        done(moves.held(goes))
    assert not isinstance(found.value, Unreached)


def test_another_s_authority_and_a_motion_that_is_gone_are_not_taken_for_ours(moves):
    moves.motion.authority = "operator"
    with pytest.raises(VipaError, match="'operator' has the authority; take it back first"):
        done(moves.held(Wait))
    assert not moves.asked and not moves.sent
    moves.motion.authority, moves.mute = "", {"motion"}
    with pytest.raises(VipaError, match="calibration: nothing heard from motion"):
        done(moves.held(Wait))
    assert not moves.asked and not moves.sent and moves.now < 6.0


def test_what_motion_said_long_ago_is_no_news(moves):
    """It died while another held the authority, which nobody can take back from it."""
    moves.motion.authority, moves.mute = "expert", {"motion"}
    with pytest.raises(VipaError, match="calibration: nothing heard from motion"):
        done(moves.held(Wait))
    assert not moves.asked


def test_an_authority_that_is_lost_as_soon_as_it_is_granted_is_told(moves, monkeypatch):
    """Of the status that says so nobody hears, only of the next."""

    def granted(name, request):
        moves.motion.authority, moves.motion.epoch = "", moves.motion.epoch + 2
        return SimpleNamespace(granted=True, message="", epoch=moves.motion.epoch - 1)

    monkeypatch.setattr(moves, "answer", granted)
    with pytest.raises(VipaError, match="calibration: the authority was lost: nobody has it now"):
        done(moves.held(Wait))


def test_a_motion_that_starts_anew_between_is_not_waited_for_for_good(moves, monkeypatch):
    def granted(name, request):
        moves.motion.authority, moves.motion.epoch = "", 0
        return SimpleNamespace(granted=True, message="", epoch=5)

    monkeypatch.setattr(moves, "answer", granted)
    with pytest.raises(VipaError, match="calibration: the authority was lost"):
        done(moves.held(Wait))
    assert moves.now < 40


def test_each_node_that_moves_gives_back_on_its_way_out():
    left = []
    moves = SimpleNamespace(leave=lambda: left.append(1))
    held = SimpleNamespace(moves=moves)
    RobotNode.close(SimpleNamespace(homing=held))
    Preflight.close(SimpleNamespace(acts=held))
    Preflight.close(SimpleNamespace(acts=None))
    Cell.close(SimpleNamespace(moves=moves))
    assert len(left) == 3
