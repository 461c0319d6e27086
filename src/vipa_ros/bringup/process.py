"""One process of a graph, whoever wrote its program, and how the supervisor and the launch files start it. No ROS."""

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vipa import files
from vipa.errors import VipaError
from vipa.recording.access import enclave
from vipa_ros.bringup import environment
from vipa_ros.common import lifeline

NODES = "vipa_ros.nodes"
LAUNCH_KILL_S = "15"  # wall seconds that launch leaves between SIGTERM and SIGKILL: a bag is closed meanwhile
LAUNCH_RESPAWN_S = 2.0  # wall seconds after which launch starts again what respawns


@dataclass(frozen=True)
class ProcessSpec:
    """A node in a process of its own.

    Args:
        name: of the node.
        executable: module of a Python package, or program of an installed ROS package.
        parameters: of the node, by name; of a program they may be nested, as launch_ros takes them. Empty texts are left out.
        package: a dotted name is a Python package, whose modules run in this interpreter ("vipa_ros.nodes"); a name without a
            dot is a ROS package, whose programs lie under AMENT_PREFIX_PATH ("moveit_servo").
        namespace: of the node; empty: the root.
        leader: its end is the end of the graph, its exit status the graph's.
        respawn: it is started again whenever it ends; otherwise its end ends the graph.
        speaks: what it prints is for the person at the terminal, beside the log.
        remappings: its names of topics, whole, to ours.
    """

    name: str
    executable: str
    parameters: dict[str, Any] = field(default_factory=dict)
    package: str = NODES
    namespace: str = ""
    leader: bool = False
    respawn: bool = False
    speaks: bool = False
    remappings: dict[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """What its log is called: the name, behind the namespace's parts."""
        return "_".join([*filter(None, self.namespace.split("/")), self.name])

    @property
    def module(self) -> str:
        """The Python module that it runs, "" for a program."""
        return f"{self.package}.{self.executable}" if "." in self.package else ""

    @property
    def given(self) -> dict[str, Any]:
        """The parameters that are handed over: rcl has no empty string on the command line, and every default is empty then."""
        return {key: value for key, value in self.parameters.items() if value != ""}


def program(spec: ProcessSpec) -> Path:
    """The program of `spec` under AMENT_PREFIX_PATH. Raises VipaError if its package is not installed."""
    prefixes = [Path(p) for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    for prefix in prefixes:
        if (path := prefix / "lib" / spec.package / spec.executable).is_file():
            return path
    where = ", ".join(map(str, prefixes)) or "an empty AMENT_PREFIX_PATH"
    raise VipaError(f"package {spec.package} is not installed: no lib/{spec.package}/{spec.executable} in {where}")


def command(spec: ProcessSpec, folder: Path) -> list[str]:
    """The command line that starts `spec` with this interpreter.

    Args:
        spec: what to start.
        folder: where the file with a program's parameters is written; it exists.

    Raises:
        VipaError: the program is not installed, or the file cannot be written.
    """
    start = [sys.executable, "-m", spec.module] if spec.module else lifeline.tied([str(program(spec))])
    line = [*start, "--ros-args", "-r", f"__node:={spec.name}"]
    if spec.namespace:
        line += ["-r", f"__ns:={spec.namespace}"]
    for theirs, ours in spec.remappings.items():
        line += ["-r", f"{theirs}:={ours}"]
    line += enclave_arguments(spec)
    if spec.module:
        for key, value in spec.given.items():
            line += ["-p", f"{key}:={_yaml(value)}"]
    else:
        path = folder / f"{spec.label}.yaml"
        files.write_yaml(path, {"/**": {"ros__parameters": spec.given}})
        line += ["--params-file", str(path.resolve())]
    return line


def enclave_arguments(spec: ProcessSpec) -> list[str]:
    """Of SROS2 for one of our nodes, where it is on: its own keys and permissions. Programs of others have enclaves of their own."""
    secured = os.environ.get("ROS_SECURITY_ENABLE", "").lower() == "true"
    return ["--enclave", enclave(spec.name)] if secured and spec.module else []


def _yaml(value: str | int | float | bool) -> str:
    """A parameter's value as rcl reads it: texts are quoted, so that none is taken for a number or a truth value."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"'{value}'" if isinstance(value, str) else repr(value)


def launch_keywords(spec: ProcessSpec) -> dict[str, Any]:
    """What launch_ros.actions.Node takes to start `spec`. Raises VipaError if its program is not installed."""
    given = {
        "name": spec.name,
        "namespace": spec.namespace,
        "exec_name": spec.label,  # in the log, where it would be "python"
        "parameters": [spec.given],
        "output": "screen",
    }
    if spec.remappings:
        given["remappings"] = list(spec.remappings.items())
    if spec.respawn:
        given |= {"respawn": True, "respawn_delay": LAUNCH_RESPAWN_S}
    if spec.module:
        given |= {"executable": sys.executable, "arguments": ["-m", spec.module], "sigkill_timeout": LAUNCH_KILL_S}
        given |= {"ros_arguments": secured} if (secured := enclave_arguments(spec)) else {}
        return given | {"additional_env": {**environment.child_additions(), **lifeline.environment()}}
    program(spec)
    given |= {"package": spec.package, "executable": spec.executable, "prefix": " ".join(lifeline.tied([]))}
    return given | {"additional_env": {**environment.dds_additions(), **lifeline.environment()}}
