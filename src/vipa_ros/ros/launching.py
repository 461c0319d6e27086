"""The graph of `vipa_ros.bringup` as launch_ros actions. Needs launch and launch_ros, which come with ROS."""

import sys
from pathlib import Path

from launch.actions import DeclareLaunchArgument, EmitEvent, ExecuteProcess, OpaqueFunction, RegisterEventHandler
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown, matches_action
from launch.events.process import ShutdownProcess
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from vipa_ros import environment
from vipa_ros.bringup import EpisodeConfig, NodeSpec, episode_graph
from vipa_ros.commands.episode import prepare
from vipa_ros.errors import unknown


def declare(arguments: dict[str, tuple[str, str]]) -> list[DeclareLaunchArgument]:
    """Launch arguments from name → (default, description)."""
    return [DeclareLaunchArgument(n, default_value=d, description=text) for n, (d, text) in arguments.items()]


def opaque(names, make) -> OpaqueFunction:
    """Calls `make(values: dict[str, str]) -> actions` when the launch arguments are known."""
    return OpaqueFunction(
        function=lambda context: make({n: LaunchConfiguration(n).perform(context) for n in names})
    )


def truth(name: str, value: str) -> bool:
    """A launch argument that is true or false. Raises VipaError for anything else."""
    if value not in ("true", "false"):
        raise unknown(f"value of {name}", value, ("true", "false"))
    return value == "true"


def launch_node(spec: NodeSpec) -> Node:
    """A spec as a launch_ros Node."""
    return Node(
        executable=sys.executable,
        arguments=["-m", f"vipa_ros.nodes.{spec.executable}"],
        name=spec.name,
        parameters=[{k: v for k, v in spec.parameters.items() if v != ""}],
        additional_env=environment.child_additions(),
        output="screen",
    )


def actions(specs: list[NodeSpec]) -> list:
    """A launch_ros Node a spec; the end of any of them shuts the launch down."""
    rendered = []
    for spec in specs:
        node = launch_node(spec)
        end = EmitEvent(event=Shutdown(reason=f"{spec.name} ended"))
        rendered += [node, RegisterEventHandler(OnProcessExit(target_action=node, on_exit=[end]))]
    return rendered


def episode_actions(config: EpisodeConfig, runs: str) -> list:
    """An episode with its run folder; when it is over the graph ends, then video and report are made, then the launch ends."""
    folder, config = prepare(config.checked(), Path(runs))
    nodes, leader = [], None
    for spec in episode_graph(config):
        node = launch_node(spec)
        nodes.append(node)
        leader = node if spec.leader else leader
    report = ExecuteProcess(cmd=[sys.executable, "-m", "vipa_ros.cli", "report", str(folder.path)], output="screen")
    others = [n for n in nodes if n is not leader]
    stop = [EmitEvent(event=ShutdownProcess(process_matcher=matches_action(n))) for n in others]
    over = RegisterEventHandler(OnProcessExit(target_action=leader, on_exit=[*stop, report]))
    done = RegisterEventHandler(OnProcessExit(target_action=report, on_exit=[EmitEvent(event=Shutdown(reason="done"))]))
    return [*nodes, over, done]
