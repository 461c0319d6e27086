"""Who may say and ask what, as SROS2 has it in a policy file: least privilege, from the tables of topics and services.

`python -m vipa.recording.access ROBOT sim|real > policy.xml`; docs/security.md.
"""

import sys
from dataclasses import dataclass, field
from xml.etree import ElementTree

from vipa.recording.topics import (
    CLOCK,
    JOINT_STATES,
    ROBOT_STATUS,
    TF_STATIC,
    Service,
    Topic,
    camera_topics,
    service_table,
    topic_table,
)
from vipa.robot.description import Robot

VERSION = "0.2.0"  # of SROS2's policy schema
COMMANDERS = ("expert", "policy", "replay", "teleop", "calibrate", "preflight")
ROLES = {  # words of the tables → nodes
    "commanders": COMMANDERS,
    "policy": (
        "policy",
        "teleop",
        "task_manager",
        "placement",
        "console",
        "view",
        "calibrate",
        "preflight",
        "compressor",
    ),  # who looks through cameras
    "expert": ("expert",),
    "teleop": ("teleop",),
    "ros2_control": ("cell",),
}
NODES = (
    "motion",
    "planner",
    "robot",
    "task_manager",
    "recorder",
    "episode",
    "operator",
    "console",
    "view",
    "placement",
    "compressor",
    *COMMANDERS,
)
CELLS = {"sim": ("sim",), "real": ("cell", "realsense", "gripper", "franky")}
CAMERAS = camera_topics("")["color"].split("//")[0] + "/"  # what their topics begin with
EVERYWHERE = ("/rosout", "/parameter_events")
PARAMETER_SERVICES = (
    "describe_parameters",
    "get_parameter_types",
    "get_parameters",
    "get_type_description",
    "list_parameters",
    "set_parameters",
    "set_parameters_atomically",
)


@dataclass
class Access:
    """What one node may do: names of topics, services and actions."""

    publish: set[str] = field(default_factory=set)
    subscribe: set[str] = field(default_factory=set)
    reply: set[str] = field(default_factory=set)
    request: set[str] = field(default_factory=set)
    execute: set[str] = field(default_factory=set)
    call: set[str] = field(default_factory=set)


def access(topics: list[Topic], services: list[Service], cell: str) -> dict[str, Access]:
    """By node. Nobody but motion may write a controller's topic, nobody but commanders and homing a chunk."""
    nodes = (*NODES, *CELLS[cell])
    found = {name: Access() for name in nodes}
    for topic in topics:
        for name in _meant(topic.writer, nodes, cell, topic.name):
            found[name].publish.add(topic.name)
        for name in _meant(topic.readers, nodes, cell, topic.name):
            found[name].subscribe.add(topic.name)
        if topic.recorded:
            found["recorder"].subscribe.add(topic.name)
    for service in services:
        action = "/action/" in service.type
        for name in _meant(service.server, nodes, cell):
            (found[name].execute if action else found[name].reply).add(service.name)
        for name in _meant(service.clients, nodes, cell):
            (found[name].call if action else found[name].request).add(service.name)
    found["robot"].publish.add(
        ROBOT_STATUS
    )  # a standing simulated cell has a node `robot`, too; the table has it where it is recorded
    for name, one in found.items():
        one.publish |= set(EVERYWHERE)
        one.subscribe |= {"/parameter_events", CLOCK}  # the clock: whatever the cell, who waits for it listens
        one.reply |= {f"/{name}/{service}" for service in PARAMETER_SERVICES}
    return found


def policy(robot: Robot, cell: str) -> str:
    """The policy file of SROS2 for `robot` in a `sim` or `real` cell: an enclave /vipa/NODE a node."""
    root = ElementTree.Element("policy", version=VERSION)
    enclaves = ElementTree.SubElement(root, "enclaves")
    for name, one in sorted(access(topic_table(robot, cell), service_table(cell, robot), cell).items()):
        profiles = ElementTree.SubElement(ElementTree.SubElement(enclaves, "enclave", path=enclave(name)), "profiles")
        profile = ElementTree.SubElement(profiles, "profile", ns="/", node=name)
        for kind, singular, rights in (
            ("services", "service", {"reply": one.reply, "request": one.request}),
            ("topics", "topic", {"publish": one.publish, "subscribe": one.subscribe}),
            ("actions", "action", {"execute": one.execute, "call": one.call}),
        ):
            for right, names in rights.items():
                if names:
                    block = ElementTree.SubElement(profile, kind, {right: "ALLOW"})
                    for allowed in sorted(names):
                        ElementTree.SubElement(block, singular).text = allowed.lstrip("/")
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def enclave(node: str) -> str:
    """Of a node's process."""
    return f"/vipa/{node}"


def _cell(cell: str, name: str) -> set[str]:
    """Which of a cell's nodes the topic `name` is of: a real one's cameras publish no joints, its gripper no pictures. `cell` is what
    is not ours, `franky` our driver in its place."""
    if cell == "sim":
        return {"sim"}
    if name.startswith(CAMERAS):
        return {"cell", "realsense"}
    if name == TF_STATIC:
        return {"cell", "robot"}
    if name == JOINT_STATES or name.endswith("/wrench"):
        return {"cell", "franky"}
    return {"cell", "gripper", "franky"} if name.endswith("/joint_trajectory") else {"cell"}


def _meant(words: str, nodes: tuple[str, ...], cell: str, name: str = "") -> set[str]:
    """The nodes that `words` of a table stand for, for the topic `name`."""
    found: set[str] = set()
    for word in (w.strip() for w in words.split(",")):
        if word in ("any", "all nodes"):
            found |= set(nodes)
        elif word == "cell":
            found |= _cell(cell, name)
        else:
            found |= set(ROLES.get(word, (word,))) & set(nodes)
    return found


if __name__ == "__main__":
    from vipa.robot.description import load_robot

    print(policy(load_robot(sys.argv[1]), sys.argv[2]), end="")
