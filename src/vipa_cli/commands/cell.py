"""Starts a cell without an episode and keeps it until Ctrl-C: for `vipa operator`, teleoperation, another terminal's `ros2`, and
debugging. An emergency stop does not end it; re-arm and home are offered."""

import os
from datetime import datetime
from pathlib import Path

from vipa.errors import VipaError
from vipa_cli import exit_status
from vipa_cli.commands import arguments as arguments_
from vipa_ros.bringup import environment, episode_graph, motion_backend
from vipa_ros.bringup.episode import ignore_ends, report_death
from vipa_ros.bringup.supervisor import Supervisor


def arguments(parser):
    arguments_.add(parser, episode_graph.CELL_ARGUMENTS, required=())
    parser.set_defaults(task="put_three_obj")
    parser.add_argument("--out", type=Path, default=Path("runs/cells"), help="where folders with the nodes' logs go")
    parser.add_argument("--verbose", action="store_true", help="show what every node prints")


def run(args) -> int:
    config = arguments_.config(args, episode_graph.CELL_ARGUMENTS).checked(commander=False)
    servos = motion_backend.servo_nodes(config)
    logs = args.out / f"{datetime.now():%Y%m%d-%H%M%S}-{os.getpid()}" / "logs"
    domain = environment.Domain(os.environ.get("ROS_DOMAIN_ID"))
    try:
        return stand(config, servos, logs, domain, args.verbose)
    finally:
        domain.release()


def stand(config, servos, logs, domain, verbose) -> int:
    """The cell until Ctrl-C (0) or until one of its nodes dies (1; 2: the request was wrong)."""
    held = (domain.handle,) if domain.handle is not None else ()
    env = environment.child_environment(domain.id)
    try:
        logs.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise VipaError(f"{logs}: {error.strerror}") from None
    with Supervisor([*episode_graph.standing_graph(config), *servos], env, logs, verbose, held=held) as graph:
        print(f"{config.task}, {config.robot}, cell {config.cell}; ROS domain {domain.id}; logs in {logs}", flush=True)
        motion_backend.say(config)
        print("`vipa operator` in another terminal: state, e-stop, re-arm, home; Ctrl-C here: end", flush=True)
        try:
            name, status = graph.wait()
        except KeyboardInterrupt:
            ignore_ends()
            return exit_status.DONE
        report_death(graph, name, status)
        return exit_status.REFUSED if status == exit_status.REFUSED else exit_status.FAILED
