"""Records scripted demonstrations of a task in the simulated cell, in parallel and as fast as the machine allows. Can be
interrupted: the next call goes on where it stopped."""

from pathlib import Path

from vipa_cli import exit_status
from vipa_cli.commands import arguments as arguments_
from vipa_cli.commands.runtime import number


def arguments(parser):
    parser.add_argument("--task", required=True, help="name in tasks/ or path of a task file")
    parser.add_argument("--count", type=int, default=50, help="demonstrations to have in the end")
    parser.add_argument("--out", type=Path, default=None, help="folder; default: datasets/<task>_demos")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--seed", type=int, default=1_000_000, help="first seed; evaluation uses small ones")
    parser.add_argument("--noise", type=number(0, 1), default=0.01, help="disturbance of the expert, metres")
    parser.add_argument("--policy", default="", metavar="CHECKPOINT",
        help="a checkpoint that drives for stretches while the expert says what it would do (DAgger); default: none")  # fmt: skip
    arguments_.add(parser, ("fixed_cameras", "camera_noise"))
    parser.add_argument("--image-size", type=int, default=128, help="pixels of the square views")
    parser.add_argument(
        "--crop", nargs=5, action="append", default=[], metavar=("CAMERA", "LEFT", "TOP", "RIGHT", "BOTTOM"),
        help="part of a camera's image, as fractions; may be given once a camera",
    )  # fmt: skip


def run(args) -> int:
    from rich.progress import track

    from vipa.errors import VipaError
    from vipa.tasks.task import load_task
    from vipa_sim import demos

    if args.count < 1 or args.jobs < 1:
        raise VipaError("--count and --jobs must be at least 1")
    name = load_task(args.task).name
    try:
        crops = {camera: [float(v) for v in values] for camera, *values in args.crop}
    except ValueError as error:
        raise VipaError(f"--crop: {error}") from None
    out = args.out or demos.default_out(name)
    config = demos.DemoConfig(
        args.task, str(out), args.noise, args.image_size, crops, args.policy, args.fixed_cameras, args.camera_noise
    )
    failed = 0
    results = demos.collect(config, args.count, args.seed, args.jobs)
    for seed, kept, text in track(results, total=args.count, description=f"{name} demonstrations"):
        if not kept:
            failed += 1
            print(f"seed {seed} not kept: {text}", flush=True)
    print(f"{args.count} demonstrations in {out} ({failed} episodes not kept)")
    return exit_status.DONE
