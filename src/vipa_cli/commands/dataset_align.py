"""`vipa dataset align`: alignment data from a task's simulated cell, or from one's own bags."""

from pathlib import Path

from vipa_cli import exit_status, json_document, parsers
from vipa_cli.commands.run_folders import run_folders
from vipa_cli.progress import Progress

OF_TASK = {
    "count": 8000,
    "per_seed": 5,
    "jobs": 1,
    "image_size": 128,
    "crop": [],
}  # what only scenes have, with its default
SEED = 5_000_000


def arguments(verbs) -> None:
    """Adds `align` to the actions of `vipa dataset`."""
    align = parsers.verb(
        verbs,
        "align",
        "make alignment data (stages 1 and 2) from a task's simulated cell, or from run folders",
        "Makes questions with answers and motions of grippers for stages 1 and 2. Of a task: scenes drawn from its simulated cell, by "
        "ground truth. Of run folders: what was recorded, a picture a second, by forward kinematics, TF, depth and, in simulation, ground "
        "truth (docs/dataset.md).",
    )
    align.add_argument(
        "source", nargs="+", help="name in tasks/ or path of a task file; or run folders, or folders of them"
    )
    align.add_argument(
        "--out",
        type=Path,
        default=None,
        help="folder; default: datasets/<task>_align; of run folders: a new one, named",
    )
    align.add_argument(
        "--seed", type=int, default=None,
        help=f"of scenes: the first, episodes count from 0 (default: {SEED}); of run folders: which motion records are drawn (default: 0)",
    )  # fmt: skip
    align.add_argument("--count", type=int, default=None, help=f"scenes (default: {OF_TASK['count']})")
    align.add_argument(
        "--per-seed", type=int, default=None, help=f"scenes of the same objects (default: {OF_TASK['per_seed']})"
    )
    align.add_argument(
        "--jobs", type=int, default=None, help=f"processes that draw scenes (default: {OF_TASK['jobs']})"
    )
    align.add_argument(
        "--image-size",
        type=int,
        default=None,
        help=f"pixels of the scenes' square views (default: {OF_TASK['image_size']})",
    )
    align.add_argument(
        "--crop", nargs=5, action="append", default=None, metavar=("CAMERA", "LEFT", "TOP", "RIGHT", "BOTTOM"),
        help="part of a camera's image that scenes keep, fractions of its width and height; default: all of it",
    )  # fmt: skip
    json_document.add(align)


def run(args) -> int:
    """A file is a task; a folder holds runs."""
    from vipa.errors import VipaError

    folders = [Path(name) for name in args.source if Path(name).is_dir()]
    if not folders:
        if len(args.source) > 1:
            raise VipaError(f"{', '.join(args.source)}: allowed: one task, or run folders")
        return _scenes(args)
    if strange := [name for name in args.source if not Path(name).is_dir()]:
        raise VipaError(f"{strange[0]}: no folder; allowed: one task, or run folders alone")
    if given := [name for name in OF_TASK if getattr(args, name) is not None]:
        raise VipaError(
            f"--{given[0].replace('_', '-')} is of scenes that are drawn; run folders have their own pictures"
        )
    if args.out is None:
        raise VipaError("run folders want --out, a new folder")
    return _runs(args, run_folders(folders))


def _runs(args, folders: list[Path]) -> int:
    """Records of what was recorded. A run that cannot be used is named; the others are taken."""
    from vipa.dataset.clips import clips
    from vipa.errors import VipaError
    from vipa.human import records

    left_out: dict[Path, str] = {}
    progress = Progress()
    told = (f for i, f in enumerate(folders) if progress(i / len(folders)) is None)
    try:
        report = records.write(clips(told, left_out=left_out.__setitem__), args.out, args.seed or 0)
    except VipaError as error:
        raise (VipaError("; ".join(left_out.values())) if left_out else error) from None
    progress(1.0)
    print(f"{args.out}: {report['clips']} clips of {len(folders) - len(left_out)} runs")
    print(records.table(report))
    for why in left_out.values():
        print(f"left out: {why}")
    args.document = {"folder": args.out, **report, "left_out": {str(f): why for f, why in left_out.items()}}
    return exit_status.FAILED if left_out else exit_status.DONE


def _scenes(args) -> int:
    """Scenes, questions and motions of a task's cell; an interrupted call goes on."""
    from vipa.errors import VipaError
    from vipa.tasks.task import load_task
    from vipa_sim.alignment import records, scenes

    count, per_seed, jobs, size, crop = (
        default if getattr(args, name) is None else getattr(args, name) for name, default in OF_TASK.items()
    )
    task, first = args.source[0], SEED if args.seed is None else args.seed
    if count < 1 or per_seed < 1 or jobs < 1:
        raise VipaError("--count, --per-seed and --jobs must be at least 1")
    try:
        crops = {camera: [float(v) for v in edges] for camera, *edges in crop}
    except ValueError as error:
        raise VipaError(f"--crop: {error}") from None
    out = args.out or Path("datasets") / f"{load_task(task).name}_align"
    config = scenes.SceneConfig(task, per_seed, size, crops)
    progress, done = Progress(), 0
    for made in scenes.collect(config, out, range(first, first + -(-count // per_seed)), jobs):
        done += made
        progress(min(1.0, done / count))
    report = records.write(out)
    print(records.table(report))
    args.document = {"folder": out, **report}
    return exit_status.DONE
