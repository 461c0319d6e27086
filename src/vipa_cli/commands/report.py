"""Rebuilds video.mp4 and report.html of a run folder from its bag and scorecard; of a set of trials its report: HTML, Markdown, CSV, JSON."""

from pathlib import Path

from vipa_cli import exit_status


def arguments(parser):
    parser.add_argument(
        "run_folder",
        type=Path,
        nargs="?",
        default=Path("runs/latest"),
        help="a run folder, or the folder of a set of trials",
    )
    parser.add_argument(
        "--unblind",
        action="store_true",
        help="of a set on a real cell that is not finished: names the commanders all the same",
    )


def run(args) -> int:
    from vipa.evaluation import trial_file
    from vipa.reporting import report, set_data, set_report

    if (args.run_folder / trial_file.NAME).is_file():
        if not args.unblind:
            set_data.check_finished(args.run_folder)
        print(set_report.write(args.run_folder))
        return exit_status.DONE
    report.rebuild(args.run_folder)
    print(args.run_folder / "report.html")
    return exit_status.DONE
