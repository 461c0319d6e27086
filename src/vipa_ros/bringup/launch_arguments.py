"""What the launch files take: the arguments of `vipa`, under the same names and with the same defaults. Needs no ROS."""

import shlex
from pathlib import Path

from vipa.errors import VipaError, unknown
from vipa_ros.bringup.episode_graph import arguments_of, kind

TASK = "put_three_obj"  # where none is named
ROS2_LAUNCH = ("launch-prefix", "launch-prefix-filter")  # options of `ros2 launch` that reach launch files as arguments
Table = dict[str, tuple[type, object, str]]  # name → type (str, int, float, bool), default, help

EVALUATE: Table = {
    "plan": (str, "", "YAML file: commanders, tasks, variants, trials"),
    "out": (str, "", "folder of the set; the same goes on where one stopped"),
    "pictures": (bool, True, "true or false: video and report of each trial"),
    "terminal": (str, "", "command that gives the process a terminal, which a real cell wants: 'xterm -e'"),
}


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


def evaluate_command(values: dict, python: str) -> list[str]:
    """The command of evaluate.launch.py from its arguments. Raises VipaError for a plan or a folder that is not named."""
    for name in ("plan", "out"):
        if not values[name]:
            raise VipaError(f"launch argument {name} must be set: plan:=PLAN.yaml out:=DIR")
    line = [*shlex.split(values["terminal"]), python, "-m", "vipa_cli.cli", "evaluate", values["plan"], "--graph"]
    return [*line, "--out", values["out"], *([] if values["pictures"] else ["--no-pictures"])]
