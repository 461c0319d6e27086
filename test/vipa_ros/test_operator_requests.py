"""Requests of a person whose answers get lost, and the patience of a reset."""

import asyncio
from types import SimpleNamespace

import pytest

pytest.importorskip("rclpy")

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.task import Future
from vipa_msgs.msg import EpisodeStatus, SafetyStatus, SubTaskStatus
from vipa_msgs.srv import EStop, JudgeSubTask

from vipa.recording import topics
from vipa_ros.bringup import environment
from vipa_ros.episode import services
from vipa_ros.episode.operator_requests import OperatorRequests


class Deaf:
    """A client whose answers get lost but for those that the test gives."""

    def __init__(self):
        self.sent, self.requests = [], []

    def service_is_ready(self):
        return True

    def call_async(self, request):
        self.sent.append(Future())
        self.requests.append(request)
        return self.sent[-1]


@pytest.fixture
def asked():
    """OperatorRequests on a node, its executor and what it said."""
    domain = environment.Domain()
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=domain.id)
    node, said = rclpy.create_node("person", context=context), []
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    yield OperatorRequests(node, lambda done, words: said.append((done, words))), executor, said
    node.destroy_node()
    rclpy.shutdown(context=context)
    domain.release()


def test_an_emergency_stop_is_asked_for_until_it_is_answered_and_said_once(asked):
    requests, executor, said = asked
    client = requests.clients[topics.ESTOP] = Deaf()
    requests.press(" ")
    while len(client.sent) < 3:
        executor.spin_once(timeout_sec=1.0)
    for future in client.sent[1:]:
        future.set_result(EStop.Response(stopped=True))
    while not said:
        executor.spin_once(timeout_sec=1.0)
    count = len(client.sent)
    assert said == [(True, "emergency stop: motion is stopped")] and not requests.open
    client.sent[0].set_result(EStop.Response(stopped=False))  # the lost answer, late
    executor.spin_once(timeout_sec=0.0)
    assert len(said) == 1 and len(client.sent) == count


def episode(ident, *active):
    subtasks = [SubTaskStatus(name=name, status=SubTaskStatus.ACTIVE) for name in active]
    return EpisodeStatus(episode_id=ident, subtasks=subtasks)


def test_a_verdict_is_asked_for_until_it_is_answered_and_stays_on_its_sub_task(asked):
    requests, executor, said = asked
    client = requests.clients[topics.JUDGE_SUBTASK] = Deaf()
    requests._on_episode(episode("one", "open drawer"))
    requests.press("d")
    while not client.sent:
        executor.spin_once(timeout_sec=1.0)
    requests._on_episode(episode("one", "close drawer"))  # it was counted, and the answer is lost
    while len(client.sent) < 3:
        executor.spin_once(timeout_sec=1.0)
    assert {(r.subtask, r.done) for r in client.requests} == {("open drawer", True)}
    client.sent[2].set_result(JudgeSubTask.Response(accepted=True, message="open drawer: done"))
    while not said:
        executor.spin_once(timeout_sec=1.0)
    assert said == [(True, "the sub-task is done: open drawer: done")] and not requests.open


def test_a_verdict_does_not_reach_the_next_episode(asked):
    requests, executor, said = asked
    client = requests.clients[topics.JUDGE_SUBTASK] = Deaf()
    requests._on_episode(episode("one", "open drawer"))
    requests.press("f")
    while not client.sent:
        executor.spin_once(timeout_sec=1.0)
    requests._on_episode(episode("two", "open drawer"))
    while not said:
        executor.spin_once(timeout_sec=1.0)
    assert len(client.sent) == 1 and said[0] == (False, "the sub-task has failed: no answer, and the episode is over")


def test_a_verdict_on_whatever_may_be_worked_on_is_asked_once(asked):
    requests, executor, _ = asked
    client = requests.clients[topics.JUDGE_SUBTASK] = Deaf()
    requests._on_episode(episode("one", "apple", "plum"))
    requests.press("d")
    while not client.sent:
        executor.spin_once(timeout_sec=1.0)
    assert not requests.open and client.requests[0].subtask == ""


def test_a_re_arm_is_asked_for_again_with_the_number_that_was_seen(asked):
    requests, executor, _ = asked
    client = requests.clients[topics.REARM] = Deaf()
    requests._on_safety(SafetyStatus(latch=7))
    requests.press("a")
    while not client.sent:
        executor.spin_once(timeout_sec=1.0)
    requests._on_safety(SafetyStatus(latch=8))  # a stop that he had not seen when he asked
    while len(client.sent) < 2:
        executor.spin_once(timeout_sec=1.0)
    assert [r.latch for r in client.requests[:2]] == [7, 7]


def test_what_may_happen_once_is_asked_once(asked):
    requests, executor, _ = asked
    client = requests.clients[topics.HOME] = Deaf()
    requests.press("h")
    while not client.sent:
        executor.spin_once(timeout_sec=1.0)
    assert not requests.open


@pytest.mark.parametrize("cell, patience", [("sim", 30), ("real", 300)])
def test_a_real_cell_has_the_time_to_go_home(cell, patience):
    """A simulated cell answers at once or asks to be asked again; a real one moves meanwhile, and is asked once."""
    calls = []

    async def call(name, request, wait, again=0.0):
        calls.append((wait, again))
        return SimpleNamespace(success=True, scene_card="{}")

    me = SimpleNamespace(remote=SimpleNamespace(call=call))
    run = SimpleNamespace(
        task=SimpleNamespace(name="t"), seed=1, variant="", cell=cell, task_sha256="", robot_sha256=""
    )
    asyncio.run(services.EpisodeServices.reset(me, run))
    (wait, again), *_ = calls
    assert (wait > patience, again == 0.0) == (cell == "real", cell == "real")
