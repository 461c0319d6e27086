"""Says what the trials of two commanders show: rates and scores with intervals, paired and unpaired tests, a test that may be looked at
after every trial, and how many more trials it would take. For scripts, --json. Of published counts: --counts 6/20 3/20."""

from pathlib import Path

from vipa_cli import exit_status, json_document


def arguments(parser):
    parser.add_argument("trials", type=Path, nargs="?", help="trials.jsonl of a set of trials, or the set's folder")
    parser.add_argument("--a", default="a", metavar="NAME", help="a commander of the set")
    parser.add_argument("--b", default="b", metavar="NAME", help="another")
    parser.add_argument("--task", default="", metavar="T", help="of this task alone; default: all of them together")
    parser.add_argument(
        "--counts", nargs=2, metavar=("A", "B"), help="in place of a file: successes of trials, as 6/20 3/20"
    )
    parser.add_argument(
        "--unblind", action="store_true", help="of a set on a real cell that is not finished: say it all the same"
    )
    json_document.add(parser, file=True)


def run(args) -> int:
    from vipa.errors import VipaError
    from vipa.evaluation import comparison, preferences, trial_file
    from vipa.reporting import set_data

    if bool(args.trials) == bool(args.counts):
        raise VipaError("name either trials.jsonl or --counts")
    folder = args.trials if args.trials is None or args.trials.is_dir() else args.trials.parent
    if folder is not None and not args.unblind:
        set_data.check_finished(folder)
    if args.counts:
        rows = comparison.rows_of_counts({args.a: args.counts[0], args.b: args.counts[1]})
    else:
        rows = trial_file.read(folder / trial_file.NAME if args.trials.is_dir() else args.trials)
    found = comparison.compare(rows, args.a, args.b, args.task)
    print(comparison.words(found, args.a, args.b))
    if folder is not None and (said := preferences.words(preferences.read(folder), rows, args.a, args.b)):
        print(said)
    args.document = found
    return exit_status.DONE
