"""Builds a LeRobotDataset v3.0 from run folders, checks, edits or shows one; makes alignment data (stages 1 and 2)."""

import json
from pathlib import Path

from vipa import files
from vipa_cli import exit_status, json_document, parsers
from vipa_cli.commands import dataset_align, dataset_edit, dataset_import, dataset_video
from vipa_cli.commands.run_folders import run_folders
from vipa_cli.progress import Progress

ACTIONS = ("commanded", "executed")  # vipa.dataset.spec's, which is slow to load
LEROBOT = ("0.6", "0.4")
SHOWN = 5  # episodes of a page


def arguments(parser):
    verbs = parsers.subverbs(parser)
    build = parsers.verb(
        verbs, "build", "add the successful episodes of run folders to a dataset; those it has are skipped"
    )
    build.add_argument("runs", type=Path, nargs="+", metavar="RUNS", help="run folders, or folders of run folders")
    build.add_argument("--out", type=Path, required=True, help="folder of the dataset, made if it is not there")
    build.add_argument("--fps", type=int, default=10, help="frames a second")
    build.add_argument("--all", action="store_true", help="episodes that were no success, too")
    build.add_argument("--workers", type=int, default=1, help="processes, a run folder each")
    build.add_argument(
        "--action",
        dest="ordered",
        choices=ACTIONS,
        default="commanded",
        help="what `action` holds: what was commanded in chunks, or what the robot did; the other stands beside it",
    )
    build.add_argument(
        "--lerobot", choices=LEROBOT, default="0.6",
        help="oldest LeRobot that is to read it; 0.4: without language columns and depth maps, which it does not know",
    )  # fmt: skip
    check = parsers.verb(verbs, "check", "look for damage in a dataset; exit status 1 if there is any")
    show = parsers.verb(
        verbs,
        "show",
        "say what a dataset holds: features, cameras, episodes; with --out as a page with video and plots on one clock",
    )
    for verb in (check, show):
        verb.add_argument("dataset", type=Path, help="folder of the dataset")
        json_document.add(verb)
    check.add_argument(
        "--out", type=Path, default=None, metavar="FILE", help="write a page with every episode's verdict and pictures"
    )
    show.add_argument(
        "--out",
        type=Path,
        default=None,
        metavar="FILE",
        help="write a page that plays episodes: every camera, depth, plots; needs nothing else",
    )
    show.add_argument(
        "--episodes",
        nargs="+",
        default=None,
        metavar="EPISODES",
        help="of the page: 4, 2:5, 7: (default: the first five, for a page carries its videos)",
    )
    show.add_argument("--no-depth", action="store_true", help="a page without depth: smaller, and made faster")
    check.add_argument("--strict", action="store_true", help="exit status 1 for warnings, too")
    dataset_edit.arguments(verbs)
    dataset_import.arguments(verbs, LEROBOT)
    dataset_align.arguments(verbs)
    dataset_video.arguments(verbs)


def run(args) -> int:
    verbs = {"build": build, "check": check, "show": show, "edit": dataset_edit.run}
    verbs |= {"import": dataset_import.run, "align": dataset_align.run, "align-video": dataset_video.run}
    return verbs[args.action](args)


def build(args) -> int:
    """Adds run folders to a dataset."""
    from vipa.dataset.build import build_from_bags

    report = build_from_bags(
        run_folders(args.runs), args.out, args.fps, args.all, Progress(), args.workers, args.ordered, args.lerobot
    )
    print(report)
    return exit_status.DONE if report.whole else exit_status.FAILED


def check(args) -> int:
    """Prints what is wrong with a dataset, and the verdict of each episode; status 1 if something is."""
    from vipa.dataset.check import Finding
    from vipa.dataset.check import check as findings_of
    from vipa.dataset.quality import quality, verdicts
    from vipa.dataset.reader import Dataset
    from vipa.errors import VipaError

    if args.out:
        files.check_place(args.out)
    findings, dataset = findings_of(args.dataset, Progress()), Dataset(args.dataset)
    try:
        findings += quality(dataset, Progress())
    except (
        VipaError,
        ValueError,
        KeyError,
    ) as error:  # a file that cannot be read, which is an error of its own already
        level = "warning" if any(f.level == "error" for f in findings) else "error"
        findings.append(Finding(level, str(args.dataset), f"what it shows was not judged: {error}"))
    found = verdicts(dataset, findings)
    if args.out:
        from vipa.reporting.dataset_check import write_page

        write_page(dataset, findings, args.out)
    for number, verdict in enumerate(found):
        if verdict != "good":
            print(f"episode {number}: {verdict}")
    for finding in findings:
        print(finding)
    errors = sum(f.level == "error" for f in findings)
    print(f"{args.dataset}: {errors} errors, {len(findings) - errors} warnings")
    args.document = {
        "dataset": args.dataset,
        "errors": errors,
        "warnings": len(findings) - errors,
        "findings": findings,
        "episodes": found,
    }
    return exit_status.FAILED if errors or (args.strict and findings) else exit_status.DONE


def show(args) -> int:
    """Prints what a dataset holds."""
    from vipa.dataset.build import described
    from vipa.dataset.reader import Dataset, key_of

    if args.out:
        files.check_place(args.out)
    dataset = Dataset(args.dataset)
    spec = dataset.spec
    frames = sum(row["length"] for row in dataset.rows)
    print(f"{args.dataset}: {spec.robot_type}, {len(dataset)} episodes, {frames} frames at {spec.fps} Hz")
    for camera in spec.cameras:
        print(f"  camera {camera.name}: {camera.width}x{camera.height}{' with depth' if camera.depth else ''}")
    for name, feature in spec.features.items():
        print(f"  {name}: {feature.dtype} {feature.size}")
    episodes = []
    for row in dataset.rows:
        episodes.append(
            {
                "index": row["episode_index"],
                "key": key_of(row),
                "duration_s": row["length"] / spec.fps,
                "task": row["tasks"][0],
            }
        )
        told = described(json.loads(row.get("vipa/meta") or "{}"))
        print(
            f"  {row['episode_index']:>5}  {row['length'] / spec.fps:6.1f} s  {key_of(row)}  {told}  {row['tasks'][0]}"
        )
    for text in dataset.lost:
        print(f"note: {text}")
    if args.out:
        _write_page(args, dataset)
    args.document = {"dataset": args.dataset, "robot": spec.robot_type, "fps": spec.fps, "frames": frames, "cameras": spec.cameras,
                     "features": {name: {"dtype": f.dtype, "size": f.size} for name, f in spec.features.items()},
                     "episodes": episodes, "notes": list(dataset.lost)}  # fmt: skip
    return exit_status.DONE


def _write_page(args, dataset) -> None:
    from vipa.dataset.edit_words import numbers
    from vipa.reporting.dataset_show import write_page

    wanted = numbers(args.episodes, len(dataset)) if args.episodes else range(min(SHOWN, len(dataset)))
    chosen = list(dict.fromkeys(wanted))
    write_page(dataset, chosen, args.out, not args.no_depth, Progress())
    print(f"{args.out}: {len(chosen)} episodes, {args.out.stat().st_size / 1e6:.1f} MB")
