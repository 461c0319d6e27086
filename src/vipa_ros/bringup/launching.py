"""The graph of `vipa_ros.bringup.episode_graph` as launch_ros actions. Needs launch and launch_ros, which come with ROS."""

import sys
from pathlib import Path

from launch import LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    ExecuteProcess,
    OpaqueFunction,
    RegisterEventHandler,
    TimerAction,
)
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown, matches_action
from launch.events.process import ShutdownProcess
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from vipa_ros.bringup import launch_arguments, motion_backend
from vipa_ros.bringup.episode import FAULT_GRACE_S, prepare, write_scorecard
from vipa_ros.bringup.episode_graph import EpisodeConfig, episode_graph
from vipa_ros.bringup.process import ProcessSpec, launch_keywords


def description(file: str, names, more: launch_arguments.Table, make) -> LaunchDescription:
    """What the launch file `file` launches: make(config, more) → actions.

    names: arguments of EpisodeConfig, None: all, (): none, and config is None; more: what the file takes besides. An argument of `ros2 launch FILE` that is
    neither is refused.
    """
    own = launch_arguments.table(names)
    table = own | more

    def perform(context):
        launch_arguments.refuse_unknown(Path(file).name, table, context.argv, sys.argv)
        texts = {n: LaunchConfiguration(n).perform(context) for n in table}
        values = {n: launch_arguments.typed(n, table[n][0], text) for n, text in texts.items()}
        config = EpisodeConfig(**{n: values[n] for n in own}) if own else None
        return make(config, {n: values[n] for n in more})

    declared = [
        DeclareLaunchArgument(n, default_value=launch_arguments.text(default), description=help_)
        for n, (_, default, help_) in table.items()
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=perform)])


def launch_node(spec: ProcessSpec) -> Node:
    """A spec as a launch_ros Node."""
    return Node(**launch_keywords(spec))


def servo_nodes(config: EpisodeConfig) -> list[ProcessSpec]:
    """MoveIt's nodes that `config`, which has been checked, wants; says which backend `auto` took. Raises VipaError."""
    motion_backend.say(config)
    return motion_backend.servo_nodes(config)


def actions(specs: list[ProcessSpec]) -> list:
    """A launch_ros Node a spec; the end of any that does not respawn shuts the launch down."""
    rendered = []
    for spec in specs:
        node = launch_node(spec)
        rendered.append(node)
        if not spec.respawn:
            end = EmitEvent(event=Shutdown(reason=f"{spec.name} ended"))
            rendered.append(RegisterEventHandler(OnProcessExit(target_action=node, on_exit=[end])))
    return rendered


def episode_actions(config: EpisodeConfig, runs: str) -> list:
    """An episode with its run folder, which ends as `vipa episode` does: when it is over the graph ends, then video and report are
    made, then the launch ends; when a node dies the episode has FAULT_GRACE_S seconds to score itself."""
    folder, config = prepare(config.checked(), Path(runs))
    specs = episode_graph(config)
    nodes = {spec.name: launch_node(spec) for spec in specs}
    leader = next(nodes[spec.name] for spec in specs if spec.leader)
    servos = [launch_node(spec) for spec in servo_nodes(config)]
    others = {name: node for name, node in nodes.items() if node is not leader}
    report = ExecuteProcess(
        cmd=[sys.executable, "-m", "vipa_cli.cli", "report", str(folder.path)], name="report", output="screen"
    )
    stop = [EmitEvent(event=ShutdownProcess(process_matcher=matches_action(n))) for n in (*others.values(), *servos)]
    dead: list[str] = []

    def on_over(event, context):
        if not folder.scorecard.is_file():
            why = (
                ("error", "node", f"node '{dead[0]}' died")
                if dead
                else ("stopped", "interrupted", "before the episode began")
            )
            write_scorecard(config, folder, *why)
        return [] if context.is_shutdown else [*stop, report]

    def on_death(name):
        def handle(event, context):
            if context.is_shutdown or leader.process_details is None or leader.return_code is not None:
                return []
            dead.append(name)
            asked = EmitEvent(event=ShutdownProcess(process_matcher=matches_action(leader)))
            alone = name == "task_manager" or event.returncode == 2  # nobody scores, or what was wrong is said already
            return [asked] if alone else [TimerAction(period=FAULT_GRACE_S, actions=[asked])]

        return handle

    ends = [RegisterEventHandler(OnProcessExit(target_action=leader, on_exit=on_over))]
    ends += [RegisterEventHandler(OnProcessExit(target_action=n, on_exit=on_death(name))) for name, n in others.items()]
    done = RegisterEventHandler(OnProcessExit(target_action=report, on_exit=[EmitEvent(event=Shutdown(reason="done"))]))
    return [*ends, done, *servos, *nodes.values()]


def evaluate_actions(values: dict) -> list:
    """A set of trials: one process, which starts a graph a trial, and whose end is the launch's."""
    line = launch_arguments.evaluate_command(values, sys.executable)
    process = ExecuteProcess(
        cmd=line, name="evaluate", output="screen", sigkill_timeout="15"
    )  # seconds: a bag is closed meanwhile
    end = EmitEvent(event=Shutdown(reason="the set is over"))
    return [process, RegisterEventHandler(OnProcessExit(target_action=process, on_exit=[end]))]
