"""Watches a running graph in the terminal, with keys for e-stop, re-arm, recovery, homing and verdicts on sub-tasks; or asks
for one of them and ends."""

import os
import sys

from vipa_ros.bringup import environment

ASKS = ("estop", "rearm", "recover", "home", "done", "failed")


def arguments(parser):
    parser.add_argument(
        "ask", nargs="?", default="", choices=("", *ASKS), metavar="|".join(ASKS), help="nothing: watch"
    )
    parser.add_argument(
        "--domain", default="", help="ROS domain of the graph; empty: ROS_DOMAIN_ID, or that of what `vipa` runs"
    )


def run(args) -> int:
    domain = environment.Domain(args.domain or os.environ.get("ROS_DOMAIN_ID") or str(environment.running_domain()))
    os.environ.update(environment.child_environment(domain.id))
    from vipa_ros.nodes import operator

    sys.argv = ["operator", "--ros-args", "-p", f"ask:='{args.ask}'"] if args.ask else ["operator"]
    operator.main()
    return 0
