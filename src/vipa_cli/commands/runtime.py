"""What the verbs that run a checkpoint have in common: how it is run."""

import argparse
from collections.abc import Callable

from vipa.commanders.inference import InferenceOptions
from vipa.config import Range
from vipa.errors import VipaError
from vipa_cli.commands import arguments


def number(low: float, high: float) -> Callable[[str], float]:
    """The type of an argument that is a number from `low` to `high`: NaN and infinity are none."""

    def parse(text: str) -> float:
        try:
            value = float(text)
            Range(low, high).check(value, "number")
        except (ValueError, VipaError):
            raise argparse.ArgumentTypeError(f"'{text}'; allowed: {low:g} to {high:g}") from None
        return value

    return parse


def runtime_arguments(parser) -> None:
    """--runtime, --precision and --device of a checkpoint folder."""
    arguments.add(parser, ("runtime", "precision", "device"))


def inference(args: argparse.Namespace) -> InferenceOptions:
    """What `runtime_arguments` were given. Raises VipaError."""
    return InferenceOptions(args.runtime, args.precision, args.device)
