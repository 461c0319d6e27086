"""Does a recorded episode again, from the same initial scene and through the gate, and says how alike the two went. In the
simulated cell; `vipa episode --policy replay:RUN` replays anywhere. Exit status 1 if joints or sub-tasks went otherwise."""

import argparse
import dataclasses
from pathlib import Path

from vipa_cli import exit_status, json_document
from vipa_cli.commands import episode
from vipa_cli.commands.runtime import number

SLACK_S = 2.0  # seconds that a success may take longer


def arguments(parser):
    parser.add_argument(
        "run_folder", type=Path, nargs="?", default=Path("runs/latest"), help="a run folder, with its bag"
    )
    parser.add_argument(
        "--in-process", action="store_true", help="without ROS: one thread, deterministic, as fast as it goes"
    )
    parser.add_argument("--tolerance", type=number(0.001, 1), default=0.05, help="radians that any joint may be off")
    parser.add_argument("--out", type=Path, default=Path("runs"), help="where the new run folder goes")
    json_document.add(parser)


def run(args) -> int:
    from vipa.commanders.replay.compare import compare
    from vipa.commanders.replay.recorded import read_scorecard
    from vipa.robot.description import load_robot

    card, first = read_scorecard(args.run_folder), args.run_folder.resolve()
    asked = argparse.ArgumentParser()
    episode.arguments(asked)
    limit = card.duration_s + (SLACK_S if card.success else 0.0)
    line = ["--task", card.task, "--robot", card.robot, "--policy", f"replay:{first}", "--seed", str(card.seed)]
    line += [
        "--variant",
        card.variant,
        "--time-limit",
        f"{limit:g}",
        "--out",
        str(args.out),
        "--no-video",
    ]
    again = asked.parse_args(line + (["--in-process"] if args.in_process else []))
    status = episode.run(again)
    if status != exit_status.DONE:
        return status
    second = Path(again.document["run_folder"])
    found = compare(first, second, load_robot(card.robot))
    args.document = dataclasses.asdict(found) | {"first": first, "second": second}
    print(f"{first.name} and {second.name}, {1e3 * found.shift_s:.0f} ms later:")
    print(
        f"  joints  {found.joint_rms:.4f} rad RMS, {found.joint_max:.4f} rad at most ({found.worst}); allowed: {args.tolerance:g}"
    )
    print(f"  tools   {', '.join(f'{name} {1e3 * off:.1f} mm at most' for name, off in found.tool_max.items())}")
    print(f"  time    {found.seconds[0]:.1f} s and {found.seconds[1]:.1f} s")
    for name, (a, b) in found.subtasks.items():
        print(f"  {'as before' if a == b else 'OTHERWISE':<9} {name}: {a}, {b}")
    alike = found.joint_max <= args.tolerance and found.same_subtasks
    return exit_status.DONE if alike else exit_status.FAILED
