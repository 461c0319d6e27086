"""What the nodes of an episode really say and ask is what SROS2's policy lets them, and what lets them move the robot no more than they use."""

import pytest

from helpers.graph_world import World
from vipa.recording import topics
from vipa.recording.access import access
from vipa.robot.description import load_robot
from vipa_ros.bringup.episode_graph import EpisodeConfig, episode_graph, standing_graph

pytestmark = pytest.mark.graph
HIDDEN = ("/_action/",)


def test_a_graph_does_what_it_may(tmp_path, monkeypatch):
    config = EpisodeConfig("water_plant", policy="expert", robot="fr3_single").checked()
    specs = [s for s in episode_graph(config) if not s.leader]
    names = {s.name for s in specs}
    specs += [s for s in standing_graph(config) if s.name not in names]
    allowed = access(topics.topic_table(load_robot("fr3_single"), "sim"), topics.service_table("sim"), "sim")
    with World(tmp_path, specs, monkeypatch) as world:
        node = world.node
        world.wait(lambda: {s.name for s in specs} <= set(node.get_node_names()), "all nodes")
        ways = {
            "publish": node.get_publisher_names_and_types_by_node, "subscribe": node.get_subscriber_names_and_types_by_node,
            "reply": node.get_service_names_and_types_by_node, "request": node.get_client_names_and_types_by_node,
        }  # fmt: skip

        def real(name, right):
            return {topic for topic, _ in ways[right](name, "/") if not any(h in topic for h in HIDDEN)}

        moving = {
            topics.ACTION_CHUNK,
            topics.SET_AUTHORITY,
            topics.TASK_CONTEXT,
            *(topics.command_topic(c) for g in load_robot("fr3_single").groups for c in topics.controllers_of(g)),
        }

        def unused():
            return [
                f"{s.name} {right} {name}"
                for s in specs
                for right in ("publish", "request")
                for name in (getattr(allowed[s.name], right) & moving) - real(s.name, right)
            ]

        # nodes are found before what they say and ask; none may do more than it needs
        world.wait(lambda: not unused(), lambda: f"every right to move the robot in use, but {unused()}")
        excess = [
            f"{s.name} {right} {name}"
            for s in specs
            for right in ways
            for name in real(s.name, right) - getattr(allowed[s.name], right)
        ]
        assert not excess, excess
