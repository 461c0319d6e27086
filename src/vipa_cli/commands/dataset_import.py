"""`vipa dataset import`: another's LeRobot dataset as one of ours."""

from pathlib import Path

from vipa_cli import exit_status, json_document, parsers
from vipa_cli.progress import Progress


def arguments(verbs, lerobot: tuple[str, ...]) -> None:
    """Adds `import` to the actions of `vipa dataset`."""
    verb = parsers.verb(
        verbs,
        "import",
        "make a dataset of a LeRobot dataset v2.0, v2.1 or v3.0 that other tools have written; a mapping says what its columns mean",
        "Makes a dataset of a LeRobot dataset v2.0, v2.1 or v3.0 that other tools have written, such as LIBERO's and DROID's. A mapping file "
        "says what its columns mean: cameras, states, actions, the gripper's direction, frames (docs/dataset.md). Episodes that the "
        "dataset has are skipped, so that a killed import goes on.",
    )
    verb.add_argument("source", type=Path, help="folder of the LeRobot dataset")
    verb.add_argument("mapping", help="name in config/imports/ (libero, droid, …) or path of a mapping file")
    verb.add_argument("--out", type=Path, required=True, help="folder of the dataset, made if it is not there")
    verb.add_argument(
        "--episodes", nargs="+", default=None, metavar="EPISODES", help="numbers there: 4, 2:5; default: all"
    )
    verb.add_argument("--workers", type=int, default=1, help="processes, an episode each")
    verb.add_argument("--lerobot", choices=lerobot, default=lerobot[0], help="oldest LeRobot that is to read it")
    json_document.add(verb)


def run(args) -> int:
    """Imports, and says what was not usable."""
    from vipa.dataset.edit_words import numbers
    from vipa.dataset.import_mapping import load_mapping
    from vipa.dataset.import_others import import_dataset
    from vipa.dataset.import_source import SourceDataset

    mapping = load_mapping(args.mapping)
    chosen = numbers(args.episodes, len(SourceDataset(args.source).episodes)) if args.episodes else None
    result = import_dataset(args.source, mapping, args.out, chosen, Progress(), args.workers, args.lerobot)
    print(f"{args.out}: {result}")
    args.document = {"dataset": args.out, "added": result.added, "there": result.there, "failed": result.failed}
    return exit_status.FAILED if result.failed else exit_status.DONE
