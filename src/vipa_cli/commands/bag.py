"""Shows what a bag holds, or repairs one that was cut off, damaged or lost its metadata."""

import sys
from pathlib import Path

from vipa_cli import exit_status, json_document, parsers


def arguments(parser):
    verbs = parsers.subverbs(parser)
    info = parsers.verb(verbs, "info", "topics, types, counts and duration of a bag")
    repair = parsers.verb(
        verbs,
        "repair",
        "rebuild index and metadata of a bag; the old files stay beside the new ones",
        "Rebuilds index and metadata of a bag that was cut off, damaged or lost its metadata. Every whole message is kept, what is whole "
        "is left as it is, and the old files stay beside the new ones. Exit status 1 if something that was found is lost.",
    )
    for verb in (info, repair):
        verb.add_argument("bag", type=Path, help="a bag folder, or a run folder that holds one")
        json_document.add(verb)


def run(args) -> int:
    folder = args.bag / "bag" if (args.bag / "bag").is_dir() else args.bag
    return {"info": _info, "repair": _repair}[args.action](args, folder)


def _info(args, folder) -> int:
    from vipa.recording import reader

    with reader.BagReader(folder) as bag:
        jump = str(bag.jump) if bag.jump else None
        topics = [topic for topic in bag.topics.values() if not topic.compressed]
        print(f"{folder}: {bag.duration:.1f} s, {sum(topic.count for topic in topics)} messages")
        for topic in topics:
            print(f"{topic.count:>8}  {topic.name}  {topic.type}")
        if jump:
            print(jump, file=sys.stderr)
        args.document = {"bag": folder, "duration_s": bag.duration, "start_ns": bag.start_ns, "end_ns": bag.end_ns,
                         "topics": topics, "jump": jump}  # fmt: skip
    return exit_status.DONE


def _repair(args, folder) -> int:
    from vipa.recording import repair

    report = repair.repair(folder)
    print(report)
    args.document = report
    return exit_status.DONE if report.complete else exit_status.FAILED
