"""Serves the running graph in 3D to Foxglove and Lichtblick: robot model, transforms, cameras, the path of the newest chunk. Viewers can
look and send nothing. Layout: config/foxglove/vipa.json; for RViz: config/rviz/vipa.rviz. Ends with Ctrl-C."""

import os
import sys
from pathlib import Path

from vipa.web import access
from vipa_cli import exit_status
from vipa_ros.bringup import environment
from vipa_ros.bringup.process import ProcessSpec, command


def arguments(parser):
    parser.add_argument(
        "--at", default="localhost:8765", metavar="HOST[:PORT]", help="where to listen; anybody who reaches it may look"
    )
    parser.add_argument("--rviz", action="store_true", help="serve nobody: publish the chunk's path, which RViz shows")
    parser.add_argument(
        "--domain", default="", help="ROS domain of the graph; empty: ROS_DOMAIN_ID, or that of what `vipa` runs"
    )


def run(args) -> int:
    access.parse(args.at, 0)
    domain = environment.Domain(args.domain or os.environ.get("ROS_DOMAIN_ID") or str(environment.running_domain()))
    os.environ.update(environment.child_environment(domain.id))
    from vipa_ros.nodes import view  # rclpy reads the domain when it is imported first

    parameters = {"at": args.at, "serve": not args.rviz}
    sys.argv = ["view", *command(ProcessSpec("view", "view", parameters), Path())[3:]]
    print(f"ROS domain {domain.id}; Ctrl-C ends it", flush=True)
    view.main()
    return exit_status.DONE
