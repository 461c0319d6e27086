"""Records every topic of a running graph, ours or not, to one bag until Ctrl-C: what `ros2 bag record` does, where it is not
installed, with a guard on disk space."""

import json
import os
import sys
from datetime import datetime
from pathlib import Path

from vipa_cli import json_document
from vipa_ros.bringup import environment
from vipa_ros.bringup.process import ProcessSpec, command


def arguments(parser):
    parser.add_argument("topics", nargs="*", help="none: all there are, now or later")
    parser.add_argument("--out", type=Path, default=None, help="bag folder; default: runs/recorded/<time>")
    parser.add_argument(
        "--seconds", type=float, default=0.0, help="of wall time, from the first message on; 0: until Ctrl-C"
    )
    parser.add_argument(
        "--domain", default="", help="ROS domain of the graph; empty: ROS_DOMAIN_ID, or that of what `vipa` runs"
    )
    json_document.add(parser)


def run(args) -> int:
    domain = environment.Domain(args.domain or os.environ.get("ROS_DOMAIN_ID") or str(environment.running_domain()))
    os.environ.update(environment.child_environment(domain.id))
    from vipa.recording.recorder import summary_json
    from vipa_ros.common import node
    from vipa_ros.nodes.record import RecordNode

    folder = args.out or Path("runs/recorded") / f"{datetime.now():%Y%m%d-%H%M%S}"
    spec = ProcessSpec(
        "record", "record", {"folder": str(folder), "topics": ",".join(args.topics), "seconds": args.seconds}
    )
    sys.argv = ["record", *command(spec, "")[3:]]
    print(f"ROS domain {domain.id} to {folder}; Ctrl-C ends it", file=sys.stderr, flush=True)
    done = node.run(RecordNode, lambda record: record.run())
    args.document = {"bag": folder, **json.loads(summary_json(done.summary))}
    print(
        f"{folder}: {sum(done.summary.messages.values())} messages of {len(done.known)} topics, {done.summary.duration:.1f} s"
    )
    return 1 if done.summary.error else 0
