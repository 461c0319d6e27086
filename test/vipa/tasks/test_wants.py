"""What a sub-task wants of motion: from the file to the admittance and the gate, and off again when the sub-task ends."""

import pytest

from helpers.own_file import own
from vipa.errors import VipaError
from vipa.motion.task_context import parse_tool
from vipa.robot.description import load_robot
from vipa.tasks import wants
from vipa.tasks.scorer import SubTaskStatus
from vipa.tasks.task import Force, Held, SubTask, load_task
from vipa.tasks.wants import Wants
from vipa_ros.bringup.episode_graph import EpisodeConfig
from vipa_ros.common import convert
from vipa_sim.loop import Loop

FIRST = "    params: {object: can, height: 0.05}\n"
FORCE = "    force: {target: 8.0, damping: 3000.0}\n"
HELD = "    held: {name: sponge, size: [0.05, 0.05, 0.02], position: [0.0, 0.0, 0.03]}\n"
CONTACTS = "    contacts: [[sponge, table]]\n"


def task_with(tmp_path, *lines):
    return own(tmp_path, "water_plant", (FIRST, FIRST + "".join(lines)))


def test_force_and_tool_come_with_the_sub_task_and_go_with_it(tmp_path):
    task = load_task(task_with(tmp_path, FORCE, HELD, CONTACTS))
    with Loop(task, load_robot("fr3_single")) as loop:
        loop.reset(0, "", "nobody")
        for _ in range(10):
            loop.tick()
            loop.cell.step()
        admittance = loop.motion.admittances["arm"]
        assert (admittance.target, admittance.damping) == (8.0, 3000.0)
        assert loop.motion.task.tools["arm"].position == [0.0, 0.0, 0.03]
        assert any("sponge" in pair for pair in loop.motion.collisions.names)
        assert loop.motion.safety(loop.now_ns).limits["arm.force_target"] == 8.0
        loop.scorer._items[0].state.status = SubTaskStatus.DONE
        for _ in range(10):
            loop.tick()
            loop.cell.step()
        assert admittance.target is None and not loop.motion.task.tools
        assert not any("sponge" in pair for pair in loop.motion.collisions.names)


@pytest.mark.parametrize("line, message", [
    ("    force: {target: 30.0}\n", r"target 30.0; allowed: 0 .. 24"),
    ("    force: {target: 8.0, group: left}\n", r"force: group 'left'; allowed: arm"),
    ("    force: {target: .nan}\n", "target"),
    ("    force: {push: 8.0}\n", "unknown key"),
    ("    force: {target: 8.0, damping: 1.0}\n", "damping"),
    ("    held: {name: fr3_link7, size: [0.1, 0.1, 0.1]}\n", "name 'fr3_link7' is that of a link"),
    ("    held: {name: sponge, size: [0.1, 0.1]}\n", "three numbers"),
    ("    held: {name: sponge, size: [0.1, 0.1, 0.9]}\n", "size"),
    ("    held: {name: two words, size: [0.1, 0.1, 0.1]}\n", "one word"),
])  # fmt: skip
def test_what_the_robot_file_does_not_allow_is_refused_before_anything_starts(tmp_path, line, message):
    with pytest.raises(VipaError, match=message):
        EpisodeConfig(task=task_with(tmp_path, line)).checked()


def test_the_wire_carries_what_the_loop_is_told():
    for want in (
        Wants(),
        Wants((("fingers", "table"),), Force(8.0), None),
        Wants(
            (), Force(5.0, "left", 3000.0, 20.0), Held("sponge", [0.05, 0.04, 0.02], [0, 0, 0.03], [0, 0.5, 0], "right")
        ),
    ):
        request = convert.task_context(want, "task_manager")
        assert request.requester_id == "task_manager" and convert.wanted(request) == want.arguments
        if want.held is not None:
            box = parse_tool(want.tool)
            assert (box.name, box.size, box.position, box.rpy) == (
                "sponge",
                want.held.size,
                want.held.position,
                want.held.rpy,
            )
    assert not any(convert.wanted(convert.task_context(Wants(), "x")))


def test_the_first_sub_task_that_names_a_force_or_a_tool_counts():
    a, b = SubTask("a", "lifted"), SubTask("b", "lifted", force=Force(3.0))
    c = SubTask("c", "lifted", force=Force(4.0), held=Held("sponge", [0.1, 0.1, 0.1]))
    assert wants.of([a, b, c]) == Wants((), b.force, c.held) and wants.of([]) == Wants()
