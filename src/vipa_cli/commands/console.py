"""Serves a web page for who stands at a running cell, on a phone, a tablet or a desktop: cameras, checklist, chunk and safety, emergency
stop, re-arm, home, history. It joins the graph that runs; `vipa cell --console` brings both up. Ends with Ctrl-C."""

import os
import sys
from pathlib import Path

from vipa.web import access
from vipa_cli import exit_status
from vipa_ros.bringup import environment
from vipa_ros.bringup.process import ProcessSpec, command

AT = "localhost:8780"


def arguments(parser):
    parser.add_argument(
        "--at",
        default=AT,
        metavar="HOST[:PORT]",
        help="where to listen; this machine's address there: other machines may open it, too",
    )
    parser.add_argument("--name", default="", help="host name that the page is opened by, where it is not HOST")
    parser.add_argument(
        "runs", type=Path, nargs="?", default=Path("runs"), help="folder of the runs that the history lists"
    )
    parser.add_argument(
        "--domain", default="", help="ROS domain of the graph; empty: ROS_DOMAIN_ID, or that of what `vipa` runs"
    )


def run(args) -> int:
    access.parse(args.at, 0)
    domain = environment.Domain(args.domain or os.environ.get("ROS_DOMAIN_ID") or str(environment.running_domain()))
    os.environ.update(environment.child_environment(domain.id))
    from vipa_ros.nodes import console  # rclpy reads the domain when it is imported first

    parameters = {"at": args.at, "name": args.name, "runs": str(args.runs.resolve())}
    sys.argv = ["console", *command(ProcessSpec("console", "console", parameters), Path())[3:]]
    print(f"ROS domain {domain.id}; Ctrl-C ends it", flush=True)
    console.main()
    return exit_status.DONE
