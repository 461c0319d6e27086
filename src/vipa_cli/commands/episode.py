"""Runs one scored task episode on a ROS 2 graph of separate processes and leaves a run folder: bag, scorecard, scene card,
configuration, video, report."""

import os
from pathlib import Path

from vipa.errors import VipaError
from vipa_cli import json_document
from vipa_cli.commands import arguments as arguments_


def arguments(parser):
    arguments_.add(parser)
    parser.add_argument("--out", type=Path, default=Path("runs"), help="where run folders go")
    parser.add_argument("--no-video", action="store_true", help="skip the video and the report")
    parser.add_argument(
        "--in-process", action="store_true", help="without ROS: one thread, deterministic, as fast as it goes"
    )
    json_document.add(parser)
    parser.add_argument("--verbose", action="store_true", help="show what every node prints")


def run(args) -> int:
    from vipa_ros.bringup import environment, motion_backend
    from vipa_ros.bringup.episode import make_report, prepare, print_paths, run_in_process, supervise
    from vipa_ros.preflight import run as preflight

    config = arguments_.config(args).checked()
    if args.in_process and config.cell != "sim":
        raise VipaError(f"cell '{config.cell}' with --in-process; allowed: sim")
    if args.in_process and config.commander_elsewhere:
        raise VipaError("--commander-elsewhere with --in-process; allowed: over the graph")
    if args.in_process and config.pictures != "raw":
        raise VipaError(f"pictures '{config.pictures}' with --in-process; allowed: raw, or over the graph")
    if args.in_process and config.motion_backend != "embedded":
        raise VipaError(f"motion backend '{config.motion_backend}' with --in-process; allowed: embedded")
    servos = motion_backend.servo_nodes(config)
    folder, config = prepare(config, args.out)
    if args.in_process:
        status = run_in_process(config, folder)
        if not args.no_video:
            make_report(folder)
        print_paths(folder)
        args.document = _document(folder, status)
        return status
    domain = environment.Domain(os.environ.get("ROS_DOMAIN_ID"))
    print(f"{config.task}, {config.policy}, seed {config.seed}; ROS domain {domain.id}; {folder.path}", flush=True)
    motion_backend.say(config)
    env = environment.child_environment(domain.id)
    try:
        preflight.gate(config, env)
        status = supervise(
            config, folder, env, args.verbose, servos, (domain.handle,) if domain.handle is not None else ()
        )
    finally:
        domain.release()
    if folder.scorecard.is_file() and not args.no_video and status != 130:
        make_report(folder)
    print_paths(folder)
    args.document = _document(folder, status)
    return status


def _document(folder, status) -> dict:
    """What a script wants of the episode: where it is, and its scorecard, None if nobody could score it."""
    from vipa.tasks import scorecard

    paths = {"bag": folder.bag, "video": folder.video, "report": folder.report}
    card = scorecard.to_dict(scorecard.read(folder.scorecard)) if folder.scorecard.is_file() else None
    found = {name: path if path.exists() else None for name, path in paths.items()}
    return {"exit_status": status, "run_folder": folder.path, **found, "scorecard": card}
