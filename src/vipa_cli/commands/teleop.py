"""Drives a robot by hand, records demonstrations, and takes over from a policy: in a cell of its own, or beside a graph that runs
(--attach). The screen shows the keys."""

import os
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from vipa.errors import VipaError
from vipa.tasks.task import load_task
from vipa.terminal import keyboard
from vipa_cli import exit_status
from vipa_cli.commands import arguments as arguments_
from vipa_ros.bringup import environment, motion_backend, teleop_graph
from vipa_ros.bringup.episode import ignore_ends, report_death
from vipa_ros.bringup.process import ProcessSpec, command
from vipa_ros.bringup.supervisor import Supervisor
from vipa_ros.bringup.teleop_graph import TeleopConfig
from vipa_ros.preflight import run as preflight


def arguments(parser):
    arguments_.add(parser, teleop_graph.NAMES)
    for name, (kind, default, text) in teleop_graph.table().items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, default=default, help=text)
    parser.add_argument(
        "--attach", action="store_true", help="drive in a graph that runs: no cell of its own, no demonstrations"
    )
    parser.add_argument("--domain", default="", help="with --attach: its ROS domain; empty: that of what `vipa` runs")
    parser.add_argument("--verbose", action="store_true", help="show what every node prints")


def run(args) -> int:
    cell = arguments_.config(args, teleop_graph.NAMES)
    config = TeleopConfig(**{name: getattr(args, name) for name in teleop_graph.table()})
    if args.attach:
        cell = replace(cell, robot=cell.robot or load_task(cell.task).robot)
    else:
        cell = cell.checked(commander=False)
    config = config.checked(cell)
    if config.device == "terminal" and not keyboard.is_terminal():
        raise VipaError("device terminal: no terminal to type at; allowed: a terminal, or another --device")
    if args.attach:
        return attach(cell, config, args.domain)
    if config.policy:
        replace(cell, policy=config.policy).checked()
    return supervise(cell, config, args.verbose)


def attach(cell, config, domain) -> int:
    """The node alone, in this process, in the ROS domain of a graph that runs."""
    found = environment.Domain(domain or os.environ.get("ROS_DOMAIN_ID") or str(environment.running_domain()))
    os.environ.update(environment.child_environment(found.id))
    from vipa_ros.nodes import teleop  # rclpy reads the domain when it is imported first

    parameters = teleop_graph.driving(config) | {"robot": cell.robot, "use_sim_time": cell.cell == "sim"}
    sys.argv = ["teleop", *command(ProcessSpec("teleop", "teleop", parameters), "")[3:]]
    with keyboard.single_keys():
        teleop.main()
    return exit_status.DONE


def supervise(cell, config, verbose) -> int:
    """The session until the person quits or presses Ctrl-C (0), or until a node dies (1; 2: the request was wrong)."""
    servos = motion_backend.servo_nodes(cell)
    logs = Path(config.out) / "sessions" / f"{datetime.now():%Y%m%d-%H%M%S}-{os.getpid()}" / "logs"
    domain = environment.Domain(os.environ.get("ROS_DOMAIN_ID"))
    held = (domain.handle,) if domain.handle is not None else ()
    specs, env = [*teleop_graph.teleop_graph(cell, config), *servos], environment.child_environment(domain.id)
    try:
        preflight.gate(replace(cell, policy=config.policy) if config.policy else cell, env)
        logs.mkdir(parents=True, exist_ok=True)
        print(f"{cell.task}, {cell.robot}, cell {cell.cell}, device {config.device}; ROS domain {domain.id}; logs in {logs}", flush=True)  # fmt: skip
        motion_backend.say(cell)
        with keyboard.single_keys() as typing, Supervisor(specs, env, logs, verbose, typing, held) as graph:
            return watch(graph)
    except OSError as error:
        raise VipaError(f"{logs}: {error.strerror}") from None
    finally:
        domain.release()


def watch(graph) -> int:
    """Waits for the end of the session."""
    try:
        name, status = graph.wait()
    except KeyboardInterrupt:
        ignore_ends()
        graph.interrupt_leader(3.0)  # a demonstration that runs is ended, its bag closed
        return exit_status.DONE
    if name == "teleop":
        return status
    report_death(graph, name, status)
    return exit_status.REFUSED if status == exit_status.REFUSED else exit_status.FAILED
