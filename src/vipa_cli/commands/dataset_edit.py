"""`vipa dataset edit`: delete, split, merge, relabel, trim."""

from pathlib import Path

from vipa_cli import exit_status, json_document, parsers
from vipa_cli.progress import Progress

EPISODES = "episode numbers: 4, 2:5 (2, 3, 4), 7: (to the last)"


def arguments(verbs) -> None:
    """Adds `edit` to the actions of `vipa dataset`."""
    edit = parsers.verb(
        verbs,
        "edit",
        "delete, split, merge, relabel or trim episodes; lossless depth and all else stays",
        "Writes an edited dataset. What is read stays as it is: the result goes to --out, or takes the dataset's place with --in-place, "
        "when it is whole.",
    )
    edits = edit.add_subparsers(dest="edit", metavar="EDIT", required=True)
    delete = parsers.verb(edits, "delete", "leave episodes out")
    delete.add_argument("dataset", type=Path, help="folder of the dataset")
    delete.add_argument("episodes", nargs="+", metavar="EPISODES", help=EPISODES)
    split = parsers.verb(edits, "split", "make several datasets of one, an episode whole in one of them")
    split.add_argument("dataset", type=Path, help="folder of the dataset")
    split.add_argument(
        "parts",
        nargs="+",
        metavar="NAME=WHAT",
        help="train=0.8 (a share, drawn by chance) or train=0:40,45 (episode numbers)",
    )
    split.add_argument("--seed", type=int, default=0, help="of the draw")
    split.add_argument("--out", type=Path, required=True, help="folder that a dataset NAME of each part is made in")
    merge = parsers.verb(edits, "merge", "make one dataset of several of the same robot, rate, cameras and columns")
    merge.add_argument("datasets", type=Path, nargs="+", metavar="DATASET", help="folders of the datasets, in order")
    merge.add_argument("--out", type=Path, required=True, help="folder of the new dataset")
    relabel = parsers.verb(edits, "relabel", "give episodes another instruction, or sub-tasks other names")
    relabel.add_argument("dataset", type=Path, help="folder of the dataset")
    relabel.add_argument("episodes", nargs="*", metavar="EPISODES", help=f"{EPISODES}; default: all")
    relabel.add_argument("--instruction", default=None, help="the new instruction")
    relabel.add_argument(
        "--subtask",
        action="append",
        default=[],
        metavar="OLD=NEW",
        help="another name of a sub-task; may be given several times",
    )
    trim = parsers.verb(edits, "trim", "cut frames off the beginning or the end of episodes")
    trim.add_argument("dataset", type=Path, help="folder of the dataset")
    trim.add_argument(
        "spans",
        nargs="+",
        metavar="EPISODE=FIRST:END",
        help="frames to keep: 3=10:120, 4=:90 (the first 90), 5=12: (from 12 on)",
    )
    for verb in (delete, relabel, trim):
        where = verb.add_mutually_exclusive_group(required=True)
        where.add_argument("--out", type=Path, default=None, help="folder of the new dataset")
        where.add_argument(
            "--in-place",
            action="store_true",
            help="the result takes the dataset's place, in one step, when it is whole",
        )
    for verb in (delete, split, merge, relabel, trim):
        json_document.add(verb)


def run(args) -> int:
    return {"delete": _delete, "split": _split, "merge": _merge, "relabel": _relabel, "trim": _trim}[args.edit](args)


def _delete(args) -> int:
    from vipa.dataset import edit

    left = edit.delete(args.dataset, _numbers(args.dataset, args.episodes), _out(args), Progress())
    return _said(args, _out(args), f"{left} episodes left", episodes=left)


def _split(args) -> int:
    from vipa.dataset import edit, edit_words

    parts = edit_words.parts_of(args.parts)
    if isinstance(next(iter(parts.values())), float):
        chosen = edit.shares(args.dataset, parts, args.seed)
    else:
        chosen = {name: _numbers(args.dataset, words) for name, words in parts.items()}
    made = edit.split(args.dataset, chosen, args.out, Progress())
    text = ", ".join(f"{name} {count} episodes" for name, count in made.items())
    return _said(args, args.out, text, parts=chosen)


def _merge(args) -> int:
    from vipa.dataset import edit

    count = edit.merge(args.datasets, args.out, Progress())
    return _said(args, args.out, f"{count} episodes of {len(args.datasets)} datasets", episodes=count)


def _relabel(args) -> int:
    from vipa.dataset import edit, edit_words

    names = edit_words.renamed(args.subtask)
    chosen = _numbers(args.dataset, args.episodes) if args.episodes else None
    count = edit.relabel(args.dataset, _out(args), args.instruction, chosen, names, Progress())
    return _said(args, _out(args), f"{count} episodes relabelled", relabelled=count)


def _trim(args) -> int:
    from vipa.dataset import edit, edit_words

    gone = edit.trim(args.dataset, edit_words.spans_of(args.spans), _out(args), Progress())
    return _said(args, _out(args), f"{gone} frames cut off", frames=gone)


def _numbers(root: Path, words: list[str]) -> list[int]:
    from vipa.dataset import edit_words
    from vipa.dataset.reader import Dataset

    return edit_words.numbers(words, len(Dataset(root)))


def _out(args) -> Path:
    return args.dataset if args.in_place else args.out


def _said(args, out: Path, text: str, **found) -> int:
    print(f"{out}: {text}")
    args.document = {"dataset": out, **found}
    return exit_status.DONE
