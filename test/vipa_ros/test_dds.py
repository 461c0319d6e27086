"""Every process of a graph runs with our profile of Fast DDS: not only named, but in force."""

import json
import mmap
import os
import re
import subprocess
import sys

import pytest

from vipa import resources
from vipa_ros.bringup import dds, environment, process, supervisor
from vipa_ros.bringup.process import ProcessSpec
from vipa_ros.bringup.supervisor import Supervisor

pytest.importorskip("rclpy")

PROBE = """
import json, rclpy
from vipa_ros.bringup import dds
rclpy.init()
node = rclpy.create_node("probe")
print(json.dumps(dds.segments()), flush=True)
node.destroy_node()
rclpy.shutdown()
"""


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch):
    for name in environment.DDS_PROFILES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def domain():
    domain = environment.Domain()
    yield domain.id
    domain.release()


def segments(domain, **environ) -> list[int]:
    """What a process of the graph sends through."""
    env = environment.child_environment(domain) | environ
    done = subprocess.run(
        [sys.executable, "-c", PROBE],
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        encoding="utf-8",
    )
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("discovery", ["LOCALHOST", "SUBNET"])
def test_the_profile_is_in_force(domain, discovery):
    sizes = segments(domain, ROS_AUTOMATIC_DISCOVERY_RANGE=discovery)
    assert sizes[0] >= dds.segment_size(resources.dds_profile()) >= 32 << 20


def test_a_profile_with_one_wrong_element_is_ignored_whole(domain, tmp_path):
    """So the size of the segment tells of the heartbeat as well; this is Fast DDS 3's name for it."""
    bad = tmp_path / "bad.xml"
    bad.write_text(
        resources.dds_profile().read_text(encoding="utf-8").replace("heartbeatPeriod", "heartbeat_period"),
        encoding="utf-8",
    )
    assert segments(domain, **dict.fromkeys(environment.DDS_PROFILES, str(bad)))[0] < 1 << 20


def test_a_segment_that_is_only_read_is_anothers(tmp_path, monkeypatch):
    """A participant's port may have been a killed one's, to whom a third still sends: its segment is mapped then, and not ours."""
    monkeypatch.setattr(dds, "SHARED_MEMORY", tmp_path)
    monkeypatch.setattr(dds, "LOCK", re.compile(rf"{re.escape(str(tmp_path))}/(fastrtps_[0-9a-f]{{16}})_el"))
    own, read = tmp_path / f"fastrtps_{7:016x}", tmp_path / f"fastrtps_{8:016x}"
    for path in (own, read):
        path.write_bytes(bytes(100))
    with open(read, "r+b") as handle, mmap.mmap(handle.fileno(), 100), open(f"{own}_el", "w", encoding="utf-8"):
        assert dds.paths() == [own] and dds.segments() == [100]


@pytest.mark.parametrize("name", environment.DDS_PROFILES)
def test_what_the_user_has_named_stays(monkeypatch, name):
    monkeypatch.setenv(name, "/mine.xml")
    env = environment.child_environment(0)
    assert {n: env[n] for n in environment.DDS_PROFILES if n in env} == {name: "/mine.xml"}


def test_what_the_supervisor_starts_has_it(domain, monkeypatch, tmp_path):
    monkeypatch.setattr(supervisor, "command", lambda spec, folder: [sys.executable, "-c", PROBE])
    with Supervisor([ProcessSpec("probe", "")], environment.child_environment(domain), tmp_path) as started:
        started.wait()
    assert json.loads((tmp_path / "probe.log").read_text(encoding="utf-8"))[0] >= dds.segment_size(
        resources.dds_profile()
    )


def test_what_a_launch_file_starts_has_it(domain, monkeypatch, tmp_path):
    """launch_ros, which is not in the wheels, adds these to the environment it stands in."""
    program = tmp_path / "lib/moveit_servo/servo_node"  # stands where an installed one would
    program.parent.mkdir(parents=True)
    program.touch()
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path), prepend=os.pathsep)
    ours = process.launch_keywords(ProcessSpec("sim", "sim"))["additional_env"]
    given = process.launch_keywords(ProcessSpec("servo", "servo_node", package="moveit_servo"))["additional_env"]
    for additions in (ours, given):
        assert environment.dds_additions().items() <= additions.items()
    launched = dict(os.environ) | given | {"ROS_DOMAIN_ID": str(domain)}
    done = subprocess.run(
        [sys.executable, "-c", PROBE],
        env=launched,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        encoding="utf-8",
    )
    assert json.loads(done.stdout)[0] >= dds.segment_size(resources.dds_profile())
