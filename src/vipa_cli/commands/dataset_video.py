"""`vipa dataset align-video`: alignment data from videos of people's hands."""

from pathlib import Path

from vipa_cli import exit_status, json_document, parsers

LAYOUTS = (
    "arctic",
    "dexycb",
    "egodex",
    "fpha",
    "h2o",
    "hoi4d",
    "oakink2",
    "taco",
)  # vipa.human.layouts', which is slow to load


def arguments(verbs) -> None:
    """Adds `align-video` to the actions of `vipa dataset`."""
    verb = parsers.verb(
        verbs,
        "align-video",
        "alignment data (stages 1 and 2) from a dataset of people's hands in its published layout",
        "Makes questions with answers and wrist motions for stages 1 and 2 from a dataset of people's hands: a picture a second, "
        "directions and distances in the camera's frame, the source's own words (docs/dataset.md).",
    )
    verb.add_argument("layout", choices=LAYOUTS, help="which dataset it is")
    verb.add_argument("folder", type=Path, help="where it was unpacked")
    verb.add_argument(
        "--out", type=Path, required=True, help="new folder for visual.jsonl, action.jsonl and their pictures"
    )
    verb.add_argument("--limit", type=int, default=None, help="clips; default: all")
    verb.add_argument("--seed", type=int, default=0, help="of what kind of motion record is drawn")
    verb.add_argument(
        "--depth", type=Path, default=None,
        help="folder of estimated depth, KEY-NNNNNN.npy a picture of any unit, brought to metres by the joints; default: the source's own",
    )  # fmt: skip
    verb.add_argument(
        "--captions",
        default=None,
        metavar="FILE",
        help="JSON object: other instructions by a clip's key, from any model",
    )
    json_document.add(verb)


def run(args) -> int:
    """Writes the records and prints how many of each type there are."""
    from vipa import config, documents
    from vipa.errors import VipaError
    from vipa.human import layouts, records

    if args.limit is not None and args.limit < 1:
        raise VipaError(f"--limit {args.limit}; allowed: at least 1")
    captions = None
    if args.captions:
        captions = config.build(documents.read_json(Path(args.captions)), dict[str, str], args.captions)

    def progress(count: int) -> None:
        if count % 100 == 0:
            print(f"{count} clips", flush=True)

    clips = layouts.clips(args.layout, args.folder)
    report = records.write(clips, args.out, args.seed, args.limit, args.depth, captions, progress)
    print(f"{args.out}: {report['clips']} clips")
    print(records.table(report))
    if report["unscaled_pictures"]:
        print(f"  {report['unscaled_pictures']} pictures without depth: no joint in them brings it to metres")
    args.document = {"folder": args.out, **report}
    return exit_status.DONE
