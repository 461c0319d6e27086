"""A person at a terminal, in a real pseudo-terminal: drives the task to success, records and throws away; takes over from a
policy and gives back."""

import json
import re

import numpy as np
import pytest

from helpers.person import ROBOT, Person
from helpers.processes import processes_of
from helpers.typist import Typist
from vipa.motion.chunk import Mode
from vipa.recording import demonstration, interventions, reader, topics
from vipa.tasks.task import load_task
from vipa_ros.bringup import environment

pytestmark = pytest.mark.graph
TASK = load_task("water_plant")


@pytest.fixture
def person(tmp_path, monkeypatch, request):
    env = environment.child_environment(0)
    for name in ("ROS_AUTOMATIC_DISCOVERY_RANGE", "RMW_IMPLEMENTATION"):
        monkeypatch.setenv(name, env[name])
    person = Person(tmp_path / "runs", *request.param)
    try:
        person.look()
        yield person
    finally:
        person.close()


@pytest.mark.parametrize("person", [("--seed", "1", "--time-limit", "300")], indirect=True)
def test_keys_alone_do_the_task_and_what_is_thrown_away_is_kept_apart(person):
    person.begin()
    person.wait(lambda: person.status.authority == "teleop", "the robot to be hers")
    first = person.episode.episode_id
    typist = Typist(ROBOT, TASK, 1)
    while person.running():
        chunks = list(person.chunks)
        person.press(typist.keys(person.truth.stamp_ns, person.groups(), person.status, person.truth, chunks))
        person.pause(0.1, "the end of the task")
    person.wait(lambda: re.search(r"^\w+:\s+/", person.screen, re.MULTILINE), "the verdict")
    run = next(person.out.glob(f"*-{first[:8]}"))
    card = json.loads((run / "scorecard.json").read_text(encoding="utf-8"))
    assert card["outcome"] == "success" and card["commander"] == "teleop"
    assert demonstration.read(run).verdict == "success"
    with reader.BagReader(run / "bag") as bag:
        assert {m.data.commander_id for m in bag.messages([topics.ACTION_CHUNK])} == {"teleop"}
        assert bag.topics["/camera/wrist/color/image_raw"].count > 50
        assert interventions.read_drives(bag).interventions == 0

    person.begin(first)
    second = person.episode.episode_id
    assert person.episode.seed == 2
    person.press("m")
    person.wait(lambda: "marked: part 1" in person.screen, "the mark")
    person.press("x")
    person.wait(lambda: "discarded: " in person.screen, "the verdict")
    thrown = next((person.out / "discarded").glob(f"*-{second[:8]}"))
    assert [m.kind for m in demonstration.read(thrown).marks] == ["subtask", "discarded"]
    with reader.BagReader(thrown / "bag") as bag:
        assert [m.data.kind for m in bag.messages([topics.EPISODE_MARK])] == ["subtask", "discarded"]
    assert not list(person.out.glob(f"*-{second[:8]}"))
    (session,) = (person.out / "sessions").iterdir()
    assert len(processes_of(session.resolve())) == 7
    person.press("Q")
    assert person.process.wait(60) == 0 and processes_of(session.resolve()) == []


@pytest.mark.parametrize("person", [("--seed", "1", "--policy", "water_plant", "--time-limit", "300")], indirect=True)
def test_a_policy_is_paused_taken_over_from_where_the_arm_is_and_given_back(person):
    person.begin()
    person.wait(lambda: person.status.authority == "policy", "the policy's episode")
    person.wait(lambda: any(c.commander_id == "policy" for c in person.chunks), "the policy to move")
    person.press("p")
    person.wait(lambda: person.status.authority == "" and person.status.mode is Mode.HOLDING, "the pause")
    person.wait(lambda: np.abs(person.groups()["arm"].velocities).max() < 0.01, "the arm to rest")
    paused = person.groups()["arm"].tool_pose.copy()
    person.press("t")
    person.wait(lambda: person.status.authority == "teleop", "the takeover")
    assert np.linalg.norm((person.groups()["arm"].tool_pose - paused)[:3]) < 2e-3  # nothing moves by being taken
    person.tap("e", lambda: person.groups()["arm"].tool_pose[2] - paused[2] > 0.025, "three keys up")
    epoch = person.status.epoch
    person.press("g")
    person.wait(
        lambda: person.status.authority == "policy" and person.status.epoch > epoch, "the policy to have it back"
    )
    back, epoch = person.status.stamp_ns, person.status.epoch
    fresh = lambda: [c for c in person.chunks if c.commander_id == "policy" and c.epoch == epoch]  # noqa: E731
    person.wait(fresh, "the policy to go on")
    assert fresh()[0].observation_ns > back - 60_000_000  # of after the change, which a status may tell 40 ms late
    assert person.episode.outcome == ""
    person.press("pt")  # at once: the takeover waits for the pause
    person.wait(lambda: person.status.authority == "teleop", "the second takeover")
    person.press("b")
    person.wait(lambda: "stopped: " in person.screen, "the end")
    run = next(person.out.glob("*-water_plant-*"))
    said = demonstration.read(run)
    assert (said.verdict, said.commander, said.interventions) == ("stopped", "policy", 2)
    with reader.BagReader(run / "bag") as bag:
        drives = interventions.read_drives(bag)
        who = [(d.driver, d.intervention) for d in drives.drives]
        taken = [("", True), ("teleop", True)]
        assert who == [("policy", False), *taken, ("policy", False), *taken] and drives.interventions == 2
        took = next(d.start_ns for d in drives.drives if d.driver == "teleop")
        assert drives.at(took + 1).operator == "operator" and drives.at(0).driver == "policy"
