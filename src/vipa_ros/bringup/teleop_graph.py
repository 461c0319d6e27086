"""The graph of a person's session: a standing cell, who records and scores, perhaps a policy to take over from, and `teleop`."""

from dataclasses import dataclass, fields, replace
from pathlib import Path

from vipa.commanders import registry
from vipa.commanders.teleop import devices
from vipa.commanders.teleop.settings import Settings
from vipa.errors import VipaError
from vipa.robot.description import load_robot
from vipa_ros.bringup.episode_graph import (
    CELL_ARGUMENTS,
    EpisodeConfig,
    argument,
    commander_spec,
    compressor_nodes,
    pinned_files,
    recorder_spec,
    standing_graph,
)
from vipa_ros.bringup.launch_arguments import Table
from vipa_ros.bringup.process import ProcessSpec

NAMES = (*CELL_ARGUMENTS, "pictures")  # arguments of EpisodeConfig that a session takes


@dataclass(frozen=True)
class TeleopConfig:
    """What a session adds to its cell. policy "": the person drives from the beginning."""

    device: str = argument("terminal", f"one of: {', '.join(devices.names())}")
    options: str = argument("", "of the device: key=value,…; see docs/teleoperation.md")
    pedal: str = argument("", "part of a foot pedal's name, or its /dev/input/event…: nothing moves unless it is held")
    policy: str = argument("", "commander to take over from; empty: the person drives")
    frame: str = argument("base", "whose axes are meant: base, tool, or a camera's name")
    lock: str = argument("", "axes that stand still, comma between: x,y,z,roll,pitch,yaw")
    scale: float = argument(1.0, "metres of the tool a metre of a pose device")
    step: float = argument(0.01, "metres of one key")
    tool_speed: float = argument(0.15, "m/s of a full deflection")
    time_limit: float = argument(600.0, "seconds of ROS time of a demonstration at most")
    operator: str = argument("operator", "the person's name, for the records")
    out: str = argument("runs", "where run folders go")

    def checked(self, cell: EpisodeConfig) -> "TeleopConfig":
        """Itself. Raises VipaError for what cannot be run in `cell`, which has been checked."""
        robot = load_robot(cell.robot)
        devices.make(self.device, self.options, self.pedal)
        lock = [axis for axis in self.lock.split(",") if axis]
        limits = {"scale": self.scale, "step": self.step, "speed": self.tool_speed}
        Settings.of(frame=self.frame, lock=lock, **limits).checked(robot)
        if not 0 < self.time_limit <= 86_400:
            raise VipaError(f"time_limit {self.time_limit:g}; allowed: above 0, to 86400 s")
        return self


def table() -> Table:
    """Name → type, default, help of a session's own arguments, for command line and launch files."""
    return {f.name: (f.type, f.default, f.metadata["help"]) for f in fields(TeleopConfig)}


def driving(config: TeleopConfig) -> dict:
    """What the node `teleop` is told of how to drive."""
    names = ("device", "options", "pedal", "frame", "lock", "scale", "step", "tool_speed", "operator")
    return {name: getattr(config, name) for name in names}


def teleop_graph(cell: EpisodeConfig, config: TeleopConfig) -> list[ProcessSpec]:
    """Everything a session needs; both have been checked."""
    task, robot = pinned_files(cell)
    cell = replace(cell, task=task, robot=robot, policy=config.policy or registry.DEFAULT)
    sim = cell.cell == "sim"
    ours = {"robot": robot, "use_sim_time": sim}
    commander = commander_spec(cell.commander_request, {**ours, "task": task}) if config.policy else None
    session = driving(config) | {
        **ours, "task": task, "session": True, "cell": cell.cell, "commander": commander.name if commander else "teleop",
        "runs": str(Path(config.out).absolute()), "seed": cell.seed, "variant": cell.variant, "time_limit": config.time_limit,
    }  # fmt: skip
    return [
        *standing_graph(cell),
        ProcessSpec("task_manager", "task_manager", {**ours, "cell": cell.cell, "policy": config.policy or "teleop"}),
        recorder_spec(cell, robot),
        *compressor_nodes(cell, robot),
        *([commander] if commander else []),
        ProcessSpec("teleop", "teleop", session, leader=True),
    ]
