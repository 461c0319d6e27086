"""Every class of failure is provoked: by what hands, bodies and forces do over some seconds, as the scorer sees it 20 times a second."""

import dataclasses
import typing

import numpy as np
import pytest

from vipa.commanders.expert.commander import Expert
from vipa.errors import NoChunk
from vipa.robot.description import load_robot
from vipa.robot.state import GroundTruth, GroupState
from vipa.tasks import scorecard
from vipa.tasks.checks import CheckState
from vipa.tasks.failures import EXCESSIVE_N, FailureClass, FailureName, base_poses
from vipa.tasks.scorer import EpisodeScorer
from vipa.tasks.task import Held, SubTask, Task, load_task
from vipa_sim.loop import Loop, run_episode

BASES = {"arm": np.array([0.0, 0, 0, 0, 0, 0, 1])}
CAN, PLANT = np.array([0.5, -0.2, 0.02]), np.array([0.5, 0.3, 0.0])
HOME = np.array([0.4, 0.0, 0.4])
LIFT = SubTask("pick up", "lifted", {"object": "can", "height": 0.05})
PUT = SubTask("put", "inside", {"object": "can", "container": "box"})
AIM = SubTask("aim", "aims_at", {"object": "nozzle", "target": "plant", "within": 0.05, "held": "can"})
PRESS = SubTask("press", "pressed_beyond", {"joint": "spray", "above": 0.008, "body": "can"})
PULL = SubTask("open", "joint_beyond", {"joint": "spray", "above": 0.1}, contacts=[["fingers", "can"]])
WIPE = SubTask(
    "wipe", "ink_below", {"ink": "ink", "below": 0.1}, contacts=[["can", "board"]], held=Held("can", [0.05] * 3)
)


class Story:
    """A scorer and what it is shown. `go` moves the tool on a straight line meanwhile; what is held moves with it."""

    def __init__(self, spec: SubTask, time_limit: float = 60.0):
        task = Task("t", "do it", "robot", "scene", [], time_limit, [spec], {"plain": {}}, ["plain"])
        self.scorer = EpisodeScorer(task, bases=BASES)
        self.now, self.tool, self.hand, self.can = 0.0, HOME.copy(), 1.0, CAN.copy()
        self.force, self.spray, self.held, self.touches = 0.0, 0.0, False, ()
        self.scorer.setup(self.state())

    def state(self) -> CheckState:
        pose = lambda p: np.concatenate([p, [0, 0, 0, 1.0]])  # noqa: E731
        box = {"box_inner_x": 0.1, "box_inner_y": 0.1, "box_inner_z": 0.1}
        bodies = {"can": pose(self.can), "nozzle": pose(self.can), "plant": pose(PLANT), "box": pose(PLANT)}
        contacts = frozenset(
            tuple(sorted(pair)) for pair in ((("can", "finger"),) if self.held else ()) + tuple(self.touches)
        )
        truth = GroundTruth(self.stamp_ns, bodies, {**box, "spray": self.spray, "ink": 1.0}, contacts)
        wrench = np.array([0, 0, self.force, 0, 0, 0])
        arm = GroupState(np.zeros(7), np.zeros(7), pose(self.tool), np.zeros(3), np.array([self.hand]), wrench)
        return CheckState(self.stamp_ns, truth, {"arm": arm}, frozenset({"finger"}))

    @property
    def stamp_ns(self) -> int:
        return round(self.now * 1e9)

    def go(self, seconds: float, to=None, **changes) -> "Story":
        start, hand = self.tool.copy(), self.hand
        for name, value in changes.items():
            if name != "hand":
                setattr(self, name, value)
        steps = round(seconds * 20)
        for k in range(1, steps + 1):
            before = self.tool.copy()
            self.tool = start + (np.asarray(start if to is None else to) - start) * k / steps
            self.hand = hand + (changes.get("hand", hand) - hand) * min(1.0, k / 5)
            self.can = self.can + (self.tool - before) * self.held
            self.now += 0.05
            self.scorer.update(self.state())
        return self

    def grasp(self) -> "Story":
        return self.go(2, CAN).go(0.5, hand=0.4, held=True).go(1, CAN + [0, 0, 0.2])

    def ended(self, type: str = "", outcome: str = "stopped"):
        """The class, of a stop or of the time limit."""
        if type:
            self.scorer.stop(outcome, type, "")
        else:
            self.go(self.scorer.time_limit - self.scorer.elapsed + 0.2)
            assert self.scorer.outcome == "timeout"
        return self.scorer.subtasks[0].failure_class


STORIES = {
    "reaches past it and closes": (LIFT, lambda s: s.go(2, [0.5, 0.2, 0.05]).go(1, hand=0.0), "wrong_region"),
    "touches something else": (LIFT, lambda s: s.go(2, [0.5, 0.2, 0.05], touches=[("finger", "plant")]), "wrong_region"),
    "puts it beside the box": (PUT, lambda s: s.grasp().go(2, [0.5, 0.1, 0.1]).go(0.3, hand=1.0).go(1, held=False), "wrong_region"),
    "stands still with it beside the plant": (AIM, lambda s: s.grasp().go(2, PLANT + [0.0, 0.0, 0.25]).go(6), "wrong_region"),
    "presses down on it": (LIFT, lambda s: s.go(2, CAN).go(0.3, force=EXCESSIVE_N + 1).go(1, HOME, force=0.0), "wrong_depth"),
    "closes beside it": (LIFT, lambda s: s.go(2, CAN + [0.04, 0, 0]).go(1, hand=0.0).go(2, HOME), "grasp_misaligned"),
    "closes over it": (LIFT, lambda s: s.go(2, CAN + [0, 0, 0.12]).go(1, hand=0.0).go(2, HOME), "grasp_misaligned"),
    "closes beside the handle": (PULL, lambda s: s.go(2, CAN + [0.04, 0, 0]).go(1, hand=0.0).go(2, HOME), "grasp_misaligned"),
    "touches it and goes on": (LIFT, lambda s: s.go(2, CAN, held=True).go(1, HOME, held=False), "grasp_misaligned"),
    "presses too lightly": (PRESS, lambda s: s.go(2, CAN).go(3, hand=0.5, held=True, spray=0.004), "insufficient_pressure"),
    "wipes too lightly": (WIPE, lambda s: s.grasp().go(3, touches=[("board", "can")], force=2.0), "insufficient_pressure"),
    "loses it on the way": (LIFT, lambda s: s.go(2, CAN).go(0.5, hand=0.4, held=True).go(1, CAN + [0, 0, 0.04]).go(1, held=False), "dropped"),
    "never moves": (LIFT, lambda s: s.go(6), "stuck"),
    "goes somewhere and stays there": (LIFT, lambda s: s.go(2, [0.5, 0.2, 0.3]).go(6), "stuck"),
    "is still on its way": (LIFT, lambda s: [s.go(1, HOME + [0, 0.1 * (-1) ** k, 0]) for k in range(62)][-1], "out_of_time"),
    "is still carrying it": (AIM, lambda s: [s.grasp()] and [s.go(1, CAN + [0, -0.2 * (k % 2), 0.2]) for k in range(60)][-1], "out_of_time"),
}  # fmt: skip


@pytest.mark.parametrize("name", STORIES)
def test_what_the_arm_did_gives_the_class(name):
    spec, tell, expected = STORIES[name]
    story = Story(spec)
    tell(story)
    found = story.scorer.subtasks[0].failure_class if story.scorer.outcome else story.ended()
    assert found == expected, name


def test_a_body_that_is_caught_again_was_not_dropped():
    story = Story(AIM).grasp().go(0.3, held=False).go(1, hand=1.0).go(1, hand=0.4, held=True)
    assert story.ended() is not FailureClass.DROPPED


def test_a_touch_too_short_to_press_is_no_want_of_pressure():
    story = Story(PRESS).go(2, CAN).go(0.5, held=True).go(0.5, HOME, held=False)
    assert story.ended() is FailureClass.GRASP_MISALIGNED


def test_a_stop_is_the_gates_unless_the_arm_pressed_too_hard():
    assert Story(LIFT).go(1).ended("safety stop") is FailureClass.SAFETY_STOP
    assert Story(LIFT).go(1).go(0.2, force=41.0).ended("safety stop") is FailureClass.WRONG_DEPTH
    assert Story(LIFT).go(1, force=41.0).go(2, force=0.0).ended("safety stop") is FailureClass.SAFETY_STOP
    assert Story(LIFT).go(1).ended("cancelled") is None  # a person's doing


@pytest.mark.parametrize("type", ["commander", "cell", "motion", "recorder", "node", "bring-up", "task"])
def test_what_broke_gives_the_class_of_an_error(type):
    expected = FailureClass.COMMANDER_FAILURE if type == "commander" else FailureClass.CELL_FAULT
    assert Story(LIFT).go(1).ended(type, "error") is expected


def test_a_real_cell_has_no_truth_and_still_some_classes():
    for changes, expected in (({"force": 35.0}, FailureClass.WRONG_DEPTH), ({}, FailureClass.STUCK)):
        spec = dataclasses.replace(LIFT, evidence="operator")
        story = Story(spec)
        blind = story.state
        story.state = lambda blind=blind: dataclasses.replace(blind(), truth=None)
        assert story.go(6, **changes).ended() is expected


def test_what_is_done_or_never_reached_has_none():
    story = Story(LIFT)
    story.grasp().go(1)
    assert story.scorer.outcome == "success" and story.scorer.subtasks[0].failure_class is None


def test_the_scorecard_says_it_and_every_name_is_known(tmp_path):
    assert set(typing.get_args(FailureName)) == {c.value for c in FailureClass}
    story = Story(LIFT)
    story.go(6).ended()
    card = scorecard.score(
        story.scorer, episode_id="1", robot="r", cell="sim", commander="c", seed=0, variant="v", wall_s=1.0
    )
    scorecard.write(card, tmp_path / "scorecard.json")
    assert scorecard.read(tmp_path / "scorecard.json").subtasks[0].failure_class == "stuck" == card.failure_class
    assert "✗ pick up" in scorecard.render(card) and "stuck: can lifted" in scorecard.render(card)


class Idle:
    """Wants nothing, or says why it cannot."""

    commander_id, wants_cameras, period = "idle", False, 0.1

    def __init__(self, reason=""):
        self.reason = reason

    def reset(self, start):
        pass

    def step(self, seen):
        if self.reason:
            raise NoChunk(self.reason)


@pytest.fixture(scope="module")
def loop():
    task = load_task("water_plant")
    with Loop(task, load_robot(task.robot)) as made:
        yield made


@pytest.mark.parametrize("reason, limit, expected", [("", 6.0, "stuck"), ("no answer", 30.0, "commander_failure")])
def test_the_loops_episodes_have_them(loop, reason, limit, expected):
    card = run_episode(loop.task, loop.robot, Idle(reason), 3, loop=loop, time_limit=limit).scorecard
    assert card.failure_class == card.subtasks[0].failure_class == expected
    assert [s.failure_class for s in card.subtasks[1:]] == [None, None]  # never reached


def test_a_hand_that_is_forced_open_on_the_way_drops_the_can(loop):
    """The expert's own grasp; then the can is taken out of the closed hand, as when it slips."""
    lifted = []

    def slip(tick):
        body = loop.cell.model.joint("can_free").qposadr[0]
        if tick.truth is not None and tick.truth.poses["can"][2] > 0.06:
            lifted.append(tick.stamp_ns)
        if lifted:
            loop.cell.data.qpos[body : body + 3] = [0.45, 0.45, 0.05]

    expert = Expert(loop.robot, loop.task, 3)
    card = run_episode(loop.task, loop.robot, expert, 3, loop=loop, on_tick=slip, time_limit=8.0).scorecard
    assert lifted and card.failure_class == "dropped"


def test_bases_are_where_the_urdf_puts_them():
    bases = base_poses(load_robot("fr3_dual"))
    assert list(bases) == ["left", "right"]
    np.testing.assert_allclose(base_poses(load_robot("fr3_single"))["arm"], BASES["arm"], atol=1e-12)
