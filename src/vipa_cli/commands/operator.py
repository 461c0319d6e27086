"""Watches a running graph in the terminal, with keys for e-stop, re-arm, recovery, homing and verdicts on sub-tasks; or asks
for one of them, or for the state, and ends."""

import os
import sys

from vipa.errors import VipaError
from vipa_cli import exit_status, json_document
from vipa_ros.bringup import environment

ASKS = ("state", "estop", "rearm", "recover", "home", "done", "failed")


def arguments(parser):
    parser.add_argument(
        "ask",
        nargs="?",
        default="",
        choices=("", *ASKS),
        metavar="|".join(ASKS),
        help="nothing: watch until q or Ctrl-C",
    )
    parser.add_argument(
        "--domain", default="", help="ROS domain of the graph; empty: ROS_DOMAIN_ID, or that of what `vipa` runs"
    )
    json_document.add(parser)


def run(args) -> int:
    if args.json and not args.ask:
        raise VipaError(f"--json is of one answer; allowed with one of {', '.join(ASKS)}")
    if not args.ask and not sys.stdin.isatty():
        raise VipaError(f"no terminal to type at; allowed: a terminal, or one of {', '.join(ASKS)}")
    domain = environment.Domain(args.domain or os.environ.get("ROS_DOMAIN_ID") or str(environment.running_domain()))
    os.environ.update(environment.child_environment(domain.id))
    from vipa_ros.nodes import operator

    sys.argv = ["operator", "--ros-args", "-p", f"ask:='{args.ask}'"] if args.ask else ["operator"]
    status, node = operator.run()
    if args.ask:
        args.document = {"domain": domain.id, **node.document()}
    return exit_status.FAILED if status else exit_status.DONE
