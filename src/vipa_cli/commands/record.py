"""Shows what a bag holds, or repairs one that was cut off, damaged or lost its metadata."""

import sys
from pathlib import Path


def arguments(parser):
    parser.add_argument("bag", type=Path, help="a bag folder, or a run folder that holds one")
    parser.add_argument(
        "--repair",
        action="store_true",
        help="rebuild index and metadata; the old files stay beside; exit status 1 if something that was found is lost",
    )


def run(args) -> int:
    from vipa.recording import reader, repair

    folder = args.bag / "bag" if (args.bag / "bag").is_dir() else args.bag
    if args.repair:
        report = repair.repair(folder)
        print(report)
        return 0 if report.complete else 1
    with reader.BagReader(folder) as bag:
        for topic in bag.topics.values():
            print(f"{topic.count:>8}  {topic.name}  {topic.type}")
        if bag.jump:
            print(f"{bag.jump}", file=sys.stderr)
    return 0
