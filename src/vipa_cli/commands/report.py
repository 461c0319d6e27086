"""Rebuilds video.mp4 and report.html of a run folder from its bag and scorecard."""

from pathlib import Path


def arguments(parser):
    parser.add_argument("run_folder", type=Path, nargs="?", default=Path("runs/latest"), help="a run folder")


def run(args) -> int:
    from vipa.reporting import report

    report.rebuild(args.run_folder)
    print(args.run_folder / "report.html")
    return 0
