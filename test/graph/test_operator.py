"""A person's hand on a running graph: verdicts on the sub-tasks of an episode that is scored as in a real cell, e-stop and
re-arm."""

import json
import subprocess
import sys

import pytest
from rclpy.action import ActionClient
from vipa_msgs.action import RunEpisode
from vipa_msgs.msg import EpisodeStatus, SafetyStatus, SubTaskStatus
from vipa_msgs.srv import JudgeSubTask

from helpers.graph_world import World
from helpers.meeting import meet
from vipa.recording import topics
from vipa_ros.bringup import environment
from vipa_ros.bringup.process import ProcessSpec
from vipa_ros.common.qos import PROFILES

pytestmark = pytest.mark.graph
CELL = {"robot": "fr3_single", "task": "water_plant", "use_sim_time": True}
# cell real: the task manager looks at joint states and at what the operator says, and never at ground truth
GRAPH = [ProcessSpec("sim", "sim", {**CELL, "image_width": 64, "image_height": 48, "speed": 1.0}), ProcessSpec("motion", "motion", CELL),
         ProcessSpec("expert", "expert", CELL), ProcessSpec("task_manager", "task_manager", {**CELL, "cell": "real"})]  # fmt: skip


@pytest.fixture
def world(tmp_path, monkeypatch):
    with World(tmp_path, GRAPH, monkeypatch) as world:
        yield world


def run_operator(world, *ask):
    """`vipa operator ASK` as a process, ended."""
    env = environment.child_environment(world.domain.id)
    line = [sys.executable, "-m", "vipa_cli.cli", "operator", *ask]
    return subprocess.run(line, env=env, capture_output=True, text=True, timeout=120, check=False, encoding="utf-8")


def operator(world, *ask):
    """Exit status of `vipa operator ASK` and what it said."""
    done = run_operator(world, *ask)
    return done.returncode, done.stdout + done.stderr


def test_an_operator_judges_stops_and_rearms(world):
    status = world.newest(EpisodeStatus, topics.EPISODE_STATUS, PROFILES["latched"])
    safety = world.newest(SafetyStatus, topics.SAFETY_STATUS, PROFILES["latched"])
    client = ActionClient(world.node, RunEpisode, topics.RUN_EPISODE)
    world.wait(lambda: client.server_is_ready() and safety and safety[0].armed, "the graph to be up")
    code, said = operator(world, "done")
    assert code == 1 and "no episode is running" in said
    code, said = operator(world, "home")
    assert code == 2 and f"nobody offers {topics.HOME}" in said
    goal = RunEpisode.Goal(task="water_plant", commander="expert", time_limit=600.0)
    meet(world.node, "task_manager", world.wait)
    sent = world.begin(lambda: client.send_goal_async(goal))
    world.wait(sent.done, "the goal's acceptance")
    result = world.begin(sent.result().get_result_async)
    world.wait(
        lambda: status and status[0].subtasks and status[0].subtasks[0].evidence == "waits for the operator",
        "the episode",
    )

    ahead = world.call(
        JudgeSubTask, topics.JUDGE_SUBTASK, JudgeSubTask.Request(subtask="press spray handle", done=True)
    )
    assert not ahead.accepted and "allowed: pick up watering can" in ahead.message
    code, said = operator(world, "done")
    assert code == 0 and "pick up watering can: done" in said
    world.wait(lambda: status[0].subtasks[0].status == SubTaskStatus.DONE, "the first sub-task")
    again = world.call(
        JudgeSubTask, topics.JUDGE_SUBTASK, JudgeSubTask.Request(subtask="pick up watering can", done=True)
    )
    assert again.accepted and status[0].subtasks[1].status == SubTaskStatus.ACTIVE
    assert (
        world.call(JudgeSubTask, topics.JUDGE_SUBTASK, JudgeSubTask.Request(done=False)).message
        == "locate plant: failed"
    )
    world.wait(result.done, "the result")
    card = json.loads(result.result().result.scorecard)
    assert card["outcome"] == "failure" and card["subtask_score"] == pytest.approx(1 / 3)
    assert [s["evidence"] for s in card["subtasks"]] == ["operator: done", "operator: failed", ""]

    code, said = operator(world, "estop")
    assert code == 0 and "motion is stopped" in said
    world.wait(lambda: safety[0].estop and not safety[0].armed, "the stop")
    code, said = operator(world, "state")
    assert code == 0 and "STOPPED" in said and "e-stop: operator" in said
    state = json.loads(run_operator(world, "state", "--json").stdout)
    assert state["motion"]["mode"] == "stopped" and state["safety"]["armed"] is False
    assert state["robot"] is None and state["episode"]["outcome"] == "failure"
    assert [s["status"] for s in state["episode"]["subtasks"]] == ["done", "failed", "pending"]
    answer = json.loads(run_operator(world, "rearm", "--json").stdout)
    assert answer["ask"] == "rearm" and answer["done"] and answer["domain"] == world.domain.id
    code, said = operator(world, "rearm")
    assert code == 0 and "motion is armed" in said  # asked again by the same person, as one who got no answer
    world.wait(lambda: safety[0].armed, "motion to be armed")
    client.destroy()
