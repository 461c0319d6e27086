"""The `vipa` command: one verb a module of `vipa_cli.commands`.

Exit status: 0 it did its job; 1 it ran and did not succeed; 2 the request was wrong; 130 interrupted.
"""

import argparse
import errno
import importlib
import signal
import sys
from pathlib import Path

from vipa import __version__, files, output
from vipa.errors import VipaError

DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)  # a disk that takes no more: no fault of ours

# verb → what it does; its module has `arguments(parser)` and `run(args) -> int`
VERBS = {
    "episode": "run one scored task episode",
    "cell": "start a cell without an episode, for operator, teleoperation, debugging",
    "evaluate": "run many episodes in-process and give their rates",
    "compare": "say what the trials of two commanders show",
    "operator": "watch a running graph; e-stop, re-arm, home, judge sub-tasks",
    "report": "rebuild the video and the report of a run from its bag",
    "demos": "record scripted demonstrations",
    "dataset": "build, check and show LeRobot v3.0 datasets",
    "train": "train a VIPA-VLA policy (needs the train extra)",
    "export": "export a checkpoint to ONNX (needs the train extra)",
    "serve": "serve a checkpoint to robots over the network",
    "robot": "list and check robots, write MoveIt's configuration of them",
    "bench": "measure and print beside what others do",
    "record": "inspect and repair bags",
    "doctor": "check this machine and say what to install",
}


def parser() -> argparse.ArgumentParser:
    """The parser, with every verb's arguments."""
    top = argparse.ArgumentParser(prog="vipa", description="Run VIPA-VLA on robots, simulated or real.")
    top.add_argument("--version", action="version", version=f"vipa {__version__}")
    verbs = top.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, text in VERBS.items():
        module = importlib.import_module(f"vipa_cli.commands.{name}")
        formatter = argparse.ArgumentDefaultsHelpFormatter
        sub = verbs.add_parser(name, help=text, description=module.__doc__, formatter_class=formatter)
        module.arguments(sub)
        sub.set_defaults(run=module.run)
    return top


def main(argv: list[str] | None = None) -> None:
    """Parses, runs, exits."""
    output.settle()
    args = parser().parse_args(argv)
    for number in (signal.SIGINT, signal.SIGTERM):  # also where a shell in the background had them ignored
        signal.signal(number, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # the terminal has closed; nohup has it ignored
        signal.signal(signal.SIGHUP, signal.default_int_handler)
    try:
        status = args.run(args)
    except VipaError as error:
        print(f"vipa {args.verb}: {error}", file=sys.stderr)
        status = 2
    except OSError as error:
        if error.errno not in DISK:
            raise
        print(f"vipa {args.verb}: {files.disk_error(error.filename or Path.cwd(), error)}", file=sys.stderr)
        status = 1
    except KeyboardInterrupt:
        status = 130
    sys.exit(status)


if __name__ == "__main__":
    main()
