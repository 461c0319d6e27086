"""Lists what may stand behind `--policy`, or runs one as the commander of an episode that another host's graph plays
(--commander-elsewhere there)."""

import os
import sys

from vipa_cli import exit_status, json_document, parsers
from vipa_cli.commands import arguments as arguments_

NAMES = ("task", "robot", "cell", "runtime", "precision", "device")


def arguments(parser):
    verbs = parsers.subverbs(parser)
    json_document.add(
        parsers.verb(verbs, "list", "the scripted expert, checkpoints that ship, protocols of served policies")
    )
    run_ = parsers.verb(
        verbs, "run", "run one here as the commander of a graph on another host, until Ctrl-C; docs/several-machines.md"
    )
    run_.add_argument(
        "policy", help="as for vipa episode --policy; task and robot files must be the same on both hosts"
    )
    arguments_.add(run_, NAMES)
    run_.add_argument(
        "--compressed", action="store_true", help="look at compressed pictures: vipa episode … --compressed sends them"
    )
    run_.add_argument("--domain", default="", help="ROS domain of the graph; empty: ROS_DOMAIN_ID")


def _run(args) -> int:
    """The commander's node in this process."""
    import runpy
    from dataclasses import replace

    from vipa.commanders import registry
    from vipa.errors import VipaError
    from vipa_ros.bringup import environment
    from vipa_ros.bringup.episode_graph import commander_spec, pinned_files
    from vipa_ros.bringup.process import command

    wanted = args.domain or os.environ.get("ROS_DOMAIN_ID", "")
    if not wanted:
        raise VipaError("which ROS domain? --domain N, the one that `vipa episode` says on the other host")
    domain = environment.Domain(wanted)
    # a real cell is that other host's affair: what is checked here is what runs here
    config = replace(arguments_.config(args, NAMES), policy=args.policy, cell="sim").checked()
    task, robot = pinned_files(config)
    common = {"robot": robot, "task": task, "use_sim_time": args.cell == "sim"}
    if args.compressed:
        if not registry.kind_of(args.policy).wants_cameras:
            raise VipaError(f"--compressed with policy '{args.policy}', which looks at no pictures")
        common["compressed"] = True
    spec = commander_spec(config.commander_request, common)
    os.environ.update(environment.child_environment(domain.id))
    sys.argv = [spec.name, *command(spec, "")[3:]]
    print(f"{args.policy} for {config.task}; ROS domain {domain.id}; Ctrl-C ends it", flush=True)
    runpy.run_module(spec.module, run_name="__main__")
    return exit_status.DONE


def run(args) -> int:
    if args.action == "run":
        return _run(args)
    from vipa import resources
    from vipa.commanders import registry
    from vipa.commanders.policy.kinds import ServedKind

    rows = [
        {"policy": name, "form": kind.form, "commander": kind.commander_id}
        for kind in registry.KINDS
        for name in kind.names()
    ]
    rows += [
        {"policy": f"{name}@HOST[:PORT]", "form": ServedKind.form, "commander": ServedKind.commander_id}
        for name in resources.names("config/policies")
    ]
    for row in rows:
        print(f"{row['policy']:<28} {row['form']}")
    args.document = {"policies": rows}
    return exit_status.DONE
