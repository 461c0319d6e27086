"""SROS2's policy: least privilege where it matters, and XML as its schema has it."""

from xml.etree import ElementTree

import pytest

from vipa.recording import topics
from vipa.recording.access import COMMANDERS, access, policy
from vipa.robot.description import load_robot
from vipa_ros.bringup.process import ProcessSpec, command

ROBOT = load_robot("fr3_dual")


def who(cell, right, name):
    found = access(topics.topic_table(ROBOT, cell), topics.service_table(cell), cell)
    return {node for node, one in found.items() if name in getattr(one, right)}


@pytest.mark.parametrize("cell", ["sim", "real"])
def test_what_moves_the_robot_is_a_few_nodes_right(cell):
    for group in ROBOT.groups:
        for controller in topics.controllers_of(group):
            assert who(cell, "publish", topics.command_topic(controller)) == {"motion"}
    assert who(cell, "publish", topics.ACTION_CHUNK) == {*COMMANDERS, "robot"}
    assert who(cell, "publish", topics.MOTION_STATUS) == who(cell, "publish", topics.SAFETY_STATUS) == {"motion"}
    assert who(cell, "request", topics.TASK_CONTEXT) == {"task_manager"}
    assert "recorder" not in who(cell, "request", topics.REARM) and "policy" not in who(cell, "request", topics.REARM)
    assert who(cell, "reply", topics.ESTOP) == {"motion"}
    assert len(who(cell, "request", topics.ESTOP)) > 10  # anybody, always
    assert who(cell, "reply", topics.RESET_CELL) == ({"sim"} if cell == "sim" else {"robot"})


@pytest.mark.parametrize("cell", ["sim", "real"])
def test_whoever_waits_listens_to_the_clock(cell):
    found = access(topics.topic_table(ROBOT, cell), topics.service_table(cell), cell)
    assert all(topics.CLOCK in one.subscribe for one in found.values())


def test_a_real_cells_parts_say_what_is_theirs():
    assert who("real", "publish", topics.JOINT_STATES) == {"cell", "franky"}
    assert who("real", "publish", topics.camera_topics("head")["color"]) == {"cell", "realsense"}
    assert who("real", "publish", topics.TF_STATIC) == {"cell", "robot"}
    assert who("real", "subscribe", topics.command_topic("left_controller")) <= {
        "cell",
        "gripper",
        "franky",
        "recorder",
    }
    assert who("real", "request", topics.SWITCH_CONTROLLER) == {"robot"}


def test_ground_truth_is_the_simulations_and_nobody_elses():
    assert who("sim", "publish", topics.GROUND_TRUTH) == {"sim"}
    assert who("sim", "subscribe", topics.GROUND_TRUTH) <= {"task_manager", "expert", "recorder"}
    assert who("real", "subscribe", topics.GROUND_TRUTH) == set()


@pytest.mark.parametrize("cell", ["sim", "real"])
def test_the_file_is_as_sros2_reads_it(cell):
    root = ElementTree.fromstring(policy(ROBOT, cell))
    assert root.tag == "policy" and root.get("version") == "0.2.0"
    enclaves = {e.get("path"): e for e in root.iter("enclave")}
    motion = enclaves["/vipa/motion"].find("profiles/profile")
    assert (motion.get("ns"), motion.get("node")) == ("/", "motion")
    published = {t.text for block in motion.findall("topics") if block.get("publish") == "ALLOW" for t in block}
    assert "vipa/motion_status" in published and not any(t.startswith("/") for t in published)
    assert {a for block in motion for a in block.attrib} <= {
        "publish",
        "subscribe",
        "reply",
        "request",
        "execute",
        "call",
    }


def test_nodes_run_in_their_enclaves_where_security_is_on(monkeypatch, tmp_path):
    spec = ProcessSpec("motion", "motion", {"robot": "fr3_single"})
    assert "--enclave" not in command(spec, tmp_path)
    monkeypatch.setenv("ROS_SECURITY_ENABLE", "true")
    line = command(spec, tmp_path)
    assert line[line.index("--enclave") + 1] == "/vipa/motion" and line.index("--ros-args") < line.index("--enclave")
