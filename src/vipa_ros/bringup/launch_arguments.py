"""What the launch files take: the arguments of `vipa`, under the same names and with the same defaults. Needs no ROS."""

from pathlib import Path

from vipa.errors import VipaError, unknown
from vipa_ros.bringup.episode_graph import arguments_of, kind

TASK = "put_three_obj"  # where none is named
ROS2_LAUNCH = ("launch-prefix", "launch-prefix-filter")  # options of `ros2 launch` that reach launch files as arguments
Table = dict[str, tuple[type, object, str]]  # name → type (str, int, float, bool), default, help


def table(names=None) -> Table:
    """Those of EpisodeConfig's arguments that are in `names`, None: all."""
    return {f.name: (kind(f), TASK if f.name == "task" else f.default, f.metadata["help"]) for f in arguments_of(names)}


def text(default) -> str:
    """A default as launch has it."""
    return str(default).lower() if isinstance(default, bool) else str(default)


def typed(name: str, type_: type, value: str):
    """A launch argument's text as str, int, float or bool. Raises VipaError."""
    if type_ is bool:
        if value not in ("true", "false"):
            raise unknown(f"value of {name}", value, ("true", "false"))
        return value == "true"
    try:
        return type_(value)
    except ValueError:
        raise VipaError(f"launch argument {name}:='{value}'; allowed: {type_.__name__}") from None


def refuse_unknown(file: str, allowed, given: list[str], line: list[str]) -> None:
    """Raises VipaError for an argument of `given` (name:=value) that is not `allowed`, if `file` is the one that the command `line`
    launches: a file that includes ours may take others."""
    if not any(Path(word).name == file for word in line):
        return
    for name in (word.partition(":=")[0] for word in given):
        if name not in allowed and name not in ROS2_LAUNCH:
            raise unknown("launch argument", name, allowed)
