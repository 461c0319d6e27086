"""A process of a recording session is killed: what was finished is whole, the running demonstration is kept to its last second."""

import os
import signal
import time
from pathlib import Path

import pytest

from helpers.person import Person
from helpers.processes import processes_of
from vipa.dataset.build import build_from_bags
from vipa.dataset.check import check
from vipa.recording import demonstration, reader, repair, topics
from vipa_ros.bringup import environment

pytestmark = pytest.mark.graph
VICTIMS = [
    "recorder",
    *(pytest.param(name, marks=pytest.mark.slow) for name in ("sim", "motion", "task_manager", "teleop")),
]


@pytest.fixture
def person(tmp_path, monkeypatch):
    env = environment.child_environment(0)
    for name in ("ROS_AUTOMATIC_DISCOVERY_RANGE", "RMW_IMPLEMENTATION"):
        monkeypatch.setenv(name, env[name])
    person = Person(tmp_path / "runs", "--seed", "1", "--time-limit", "300")
    try:
        person.look()
        yield person
    finally:
        person.close()


def node(session: Path, name: str) -> int:
    """The process of a node of the session, by its command line."""
    for pid in processes_of(session.resolve()):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        if any(word == name or word.endswith((f"/{name}", f".{name}", f"nodes.{name}")) for word in words):
            return pid
    raise AssertionError(f"no process {name}")


@pytest.mark.parametrize("victim", VICTIMS)
def test_a_kill_costs_no_more_than_a_second_of_the_running_demonstration(person, tmp_path, victim):
    person.begin()
    first = person.episode.episode_id
    begun, start = person.status.stamp_ns, person.groups()["arm"].tool_pose[2]
    person.tap("e", lambda: person.groups()["arm"].tool_pose[2] - start > 0.025, "three keys up")
    person.wait(lambda: person.status.stamp_ns > begun + 2_000_000_000, "two seconds")
    person.press("b")
    person.wait(lambda: "stopped: " in person.screen, "the end of the first")
    person.begin(first)
    second, begun = person.episode.episode_id, person.status.stamp_ns
    person.wait(lambda: person.status.stamp_ns > begun + 3_000_000_000, "three seconds")

    (session,) = (person.out / "sessions").iterdir()
    known = person.status.stamp_ns
    os.kill(node(session, victim), signal.SIGKILL)
    deadline = time.monotonic() + 120
    while person.process.poll() is None and processes_of(session.resolve()):
        if time.monotonic() > deadline - 60:  # a session that goes on without it is left by the person
            person.process.send_signal(signal.SIGINT)
        assert time.monotonic() < deadline, person.screen[-3000:]
        time.sleep(0.2)

    whole = next(person.out.glob(f"*-{first[:8]}"))
    assert demonstration.read(whole).verdict == "stopped"
    with reader.BagReader(whole / "bag") as bag:
        assert bag.topics[topics.JOINT_STATES].count > 50
    (running,) = person.out.rglob(f"*-{second[:8]}")
    repair.repair(running / "bag")
    with reader.BagReader(running / "bag") as bag:
        stamps = [reader.stamp_ns(m.data) for m in bag.messages([topics.JOINT_STATES])]
        assert stamps[-1] > known - 1_000_000_000 and bag.topics["/camera/wrist/color/image_raw"].count > 5
    report = build_from_bags([whole, running], tmp_path / "set", everything=True)
    assert first in report.added and all("nothing moved" in why for why in report.failed.values()), report
    assert not [f for f in check(tmp_path / "set") if f.level == "error"]
