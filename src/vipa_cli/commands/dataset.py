"""Builds a LeRobotDataset v3.0 from run folders, checks one, or shows what one holds."""

import json
import sys
from pathlib import Path

from vipa_cli import exit_status, json_document, parsers


def arguments(parser):
    verbs = parsers.subverbs(parser)
    build = parsers.verb(
        verbs, "build", "add the successful episodes of run folders to a dataset; those it has are skipped"
    )
    build.add_argument("runs", type=Path, nargs="+", metavar="RUNS", help="run folders, or folders of run folders")
    build.add_argument("--out", type=Path, required=True, help="folder of the dataset, made if it is not there")
    build.add_argument("--fps", type=int, default=10, help="frames a second")
    build.add_argument("--all", action="store_true", help="episodes that were no success, too")
    check = parsers.verb(verbs, "check", "look for damage in a dataset; exit status 1 if there is any")
    show = parsers.verb(verbs, "show", "say what a dataset holds: features, cameras, episodes")
    for verb in (check, show):
        verb.add_argument("dataset", type=Path, help="folder of the dataset")
        json_document.add(verb)


def run(args) -> int:
    return {"build": build, "check": check, "show": show}[args.action](args)


def build(args) -> int:
    from vipa.dataset.build import build_from_bags

    report = build_from_bags(run_folders(args.runs), args.out, args.fps, args.all, Progress())
    print(report)
    return exit_status.DONE if report.whole else exit_status.FAILED


def check(args) -> int:
    from vipa.dataset.check import check as findings_of

    findings = findings_of(args.dataset, Progress())
    for finding in findings:
        print(finding)
    errors = sum(f.level == "error" for f in findings)
    print(f"{args.dataset}: {errors} errors, {len(findings) - errors} warnings")
    args.document = {
        "dataset": args.dataset,
        "errors": errors,
        "warnings": len(findings) - errors,
        "findings": findings,
    }
    return exit_status.FAILED if errors else exit_status.DONE


def show(args) -> int:
    from vipa.dataset.build import described
    from vipa.dataset.reader import Dataset, key_of

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
    args.document = {"dataset": args.dataset, "robot": spec.robot_type, "fps": spec.fps, "frames": frames, "cameras": spec.cameras,
                     "features": {name: {"dtype": f.dtype, "size": f.size} for name, f in spec.features.items()},
                     "episodes": episodes, "notes": list(dataset.lost)}  # fmt: skip
    return exit_status.DONE


def run_folders(paths: list[Path]) -> list[Path]:
    """Each path itself if it is a run folder (has a bag), else the run folders in it; a folder named twice (runs/latest)
    counts once."""
    found: dict[Path, Path] = {}
    for path in paths:
        inside = (
            [path] if (path / "bag").is_dir() or not path.is_dir() else sorted(p.parent for p in path.glob("*/bag"))
        )
        for folder in inside or [path]:
            found.setdefault(folder.resolve(), folder)
    return list(found.values())


class Progress:
    """Says how far long work is, on stderr: in place on a terminal, else a line every tenth."""

    def __init__(self):
        self.said = 0

    def __call__(self, part: float) -> None:
        if sys.stderr.isatty():
            print(f"\r{100 * part:3.0f} %", end="\n" if part >= 1 else "", file=sys.stderr, flush=True)
        elif int(10 * part) > self.said:
            self.said = int(10 * part)
            print(f"{10 * self.said} %", file=sys.stderr, flush=True)
