"""The `vipa` command: one verb a module of `vipa_cli.commands`.

One habit: files and folders that a verb works on are arguments, what it writes goes to `--out`, `--json` prints one document for scripts.
Options say how. Exit statuses: `vipa_cli.exit_status`.
"""

import argparse
import errno
import importlib
import signal
import sys
import textwrap
from pathlib import Path

from vipa import __version__, files, output
from vipa.errors import VipaError
from vipa_cli import exit_status, json_document, parsers

DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)  # a disk that takes no more: no fault of ours

# what a person wants → verb → what it does; a verb's module has `arguments(parser)` and `run(args) -> int`
VERBS = {
    "run a robot, simulated or real": {
        "episode": "run one scored task episode",
        "cell": "start a cell without an episode, for operator, teleoperation, debugging",
        "teleop": "drive by hand, record demonstrations, take over from a policy",
        "operator": "watch a running graph; e-stop, re-arm, home, judge sub-tasks",
        "calibrate": "print the board, measure cameras, their mounts and delays",
        "console": "a running graph on a web page, for a phone at the cell: cameras, checklist, e-stop",
        "view": "show a running graph in 3D: Foxglove, Lichtblick, RViz",
        "doctor": "check this machine and say what to install",
    },
    "measure": {
        "evaluate": "run many episodes in-process and give their rates",
        "compare": "say what the trials of two commanders show",
        "report": "rebuild the video and the report of a run from its bag",
        "bench": "measure speed, tracking and stops beside what others do",
    },
    "collect data": {
        "record": "record any running graph to a bag",
        "replay": "do a recorded episode again through the gate, and compare",
        "demos": "record scripted demonstrations",
        "bag": "look into recorded bags and repair them",
        "dataset": "build, check and show LeRobot v3.0 datasets; draw alignment data",
    },
    "train and serve policies": {
        "train": "train a VIPA-VLA policy (needs the train extra)",
        "export": "export a checkpoint to ONNX (needs the train extra)",
        "serve": "serve a checkpoint to robots over the network",
        "ask": "ask a checkpoint about a picture (needs the train extra)",
        "model": "a checkpoint's card; the memory that training takes",
        "policy": "list the policies that ship",
    },
    "describe tasks and robots": {
        "task": "list tasks, check task files, show scenes",
        "robot": "list robots, check robot files, write MoveIt's configuration",
    },
}


def parser() -> argparse.ArgumentParser:
    """The parser, with every verb's arguments."""
    top = parsers.Parser(
        prog="vipa",
        description="Run VIPA-VLA on robots, simulated or real.",
        formatter_class=parsers.Formatter,
        epilog=_epilog(),
    )
    top.add_argument("--version", action="version", version=f"vipa {__version__}")
    verbs = top.add_subparsers(dest="verb", metavar="VERB", required=True, help="one of those below; each has --help")
    for group in VERBS.values():
        for name in group:
            module = importlib.import_module(f"vipa_cli.commands.{name}")
            # no `help`: argparse would list it a second time, and not by groups
            sub = verbs.add_parser(name, description=module.__doc__, formatter_class=parsers.Formatter)
            module.arguments(sub)
            sub.set_defaults(run=module.run)
    return top


def _epilog() -> str:
    groups = [
        "\n".join([f"{title}:", *(f"  {n:<10} {text}" for n, text in verbs.items())]) for title, verbs in VERBS.items()
    ]
    lines = ["exit status:"]
    for status, meaning in exit_status.MEANINGS.items():
        lines += textwrap.wrap(meaning, 90, initial_indent=f"  {status:<10} ", subsequent_indent=" " * 13)
    return "\n\n".join([*groups, "\n".join(lines)])


def main(argv: list[str] | None = None) -> None:
    """Parses, runs, exits."""
    output.settle()
    for number in (signal.SIGINT, signal.SIGTERM):  # also where a shell in the background had them ignored
        signal.signal(number, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # the terminal has closed; nohup has it ignored
        signal.signal(signal.SIGHUP, signal.default_int_handler)
    args = argparse.Namespace(verb="")
    try:
        parser().parse_args(argv, args)
        with json_document.standard_output(args):
            status = args.run(args)
    except VipaError as error:
        print(f"vipa {args.verb}: {error}", file=sys.stderr)
        status = exit_status.REFUSED
    except OSError as error:
        if error.errno not in DISK:
            raise
        print(f"vipa {args.verb}: {files.disk_error(error.filename or Path.cwd(), error)}", file=sys.stderr)
        status = exit_status.FAILED
    except KeyboardInterrupt:
        status = exit_status.INTERRUPTED
    sys.exit(status)


if __name__ == "__main__":
    main()
