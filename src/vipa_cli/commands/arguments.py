"""Command-line arguments from the fields of a configuration's dataclass: what `ros2 launch` takes under the same names."""

import argparse

from vipa_ros.bringup.episode_graph import EpisodeConfig, arguments_of, kind


def add(parser: argparse.ArgumentParser, names=None, required=("task",)) -> None:
    """--time-limit and so on for the arguments `names` of EpisodeConfig, None: all."""
    for field in arguments_of(names):
        flag, text = f"--{field.name.replace('_', '-')}", field.metadata["help"]
        if kind(field) is bool:
            parser.add_argument(flag, action="store_true", help=text)
        elif field.name in required:
            parser.add_argument(flag, required=True, help=text)
        else:
            parser.add_argument(flag, type=kind(field), default=field.default, help=text)


def config(args: argparse.Namespace, names=None) -> EpisodeConfig:
    """The configuration that `args` ask for, not checked."""
    return EpisodeConfig(**{field.name: getattr(args, field.name) for field in arguments_of(names)})
