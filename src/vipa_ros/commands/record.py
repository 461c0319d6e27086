"""Shows what a bag holds, or repairs one that was cut off."""

from pathlib import Path


def arguments(parser):
    parser.add_argument("bag", type=Path, help="a bag folder, or a run folder that holds one")
    parser.add_argument("--repair", action="store_true", help="rebuild the index and metadata of a bag that was cut off")


def run(args) -> int:
    from vipa_ros.recording import reader, repair

    folder = args.bag / "bag" if (args.bag / "bag").is_dir() else args.bag
    if args.repair:
        print(repair.repair(folder))
        return 0
    with reader.BagReader(folder) as bag:
        for topic in bag.topics.values():
            print(f"{topic.count:>8}  {topic.name}  {topic.type}")
    return 0
