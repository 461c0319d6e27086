"""The graph of an episode as a list of process specs, from which the CLI's supervisor and the launch files both start it."""

import importlib.util
from dataclasses import Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated

from vipa import config, resources
from vipa.commanders import registry
from vipa.commanders.inference import InferenceOptions
from vipa.commanders.kind import CommanderRequest
from vipa.config import Range, pinned
from vipa.drivers.driver import OWN
from vipa.errors import VipaError, unknown
from vipa.motion.admittance import check_force
from vipa.motion.task_context import TaskContext
from vipa.recording.topics import PICTURES
from vipa.robot.contacts import Contacts
from vipa.robot.description import Robot, load_robot
from vipa.tasks import wants
from vipa.tasks.task import Task, load_task
from vipa.web import access
from vipa_ros.bringup import camera_nodes, motion_backend
from vipa_ros.bringup.moveit_graph import solved_by
from vipa_ros.bringup.process import ProcessSpec
from vipa_sim import following
from vipa_sim.scenes import load_scene

CELLS = ("sim", "real")
DRIVERS = {  # and the packages that they want
    "franka": ("controller_manager_msgs", "franka_msgs"),
    "franky": ("franky",),
    "ur": ("controller_manager_msgs", "ur_dashboard_msgs"),
}


def argument(default, text: str):
    """A field that is an argument of `vipa` and of the launch files, with its help."""
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True)
class EpisodeConfig:
    """What to run. Each field with a help text is an argument of `vipa episode` and of the launch files, which say what it means.

    Args:
        task: and the rest: see the fields' help.
        run_folder: empty: nothing is written.
        policy_sha256: what the server of a served policy says of its checkpoint.
        blind: the person at the cell does not read who commands.
        noise, delay: of the commander, see CommanderRequest.
        motion_backend_why: why `checked` took that one for "auto"; empty: it was asked for.

    Raises:
        VipaError: by `checked`, for what cannot be run.
    """

    task: str = field(metadata={"help": "name in tasks/ or path of a task file"})
    policy: str = argument(registry.DEFAULT, registry.HELP)
    robot: str = argument("", "name in config/robots/ or robots/, or path; empty: the task's")
    cell: str = argument("sim", "sim or real")
    seed: Annotated[int, Range(0, 2**31 - 1)] = argument(0, "initial scene")
    variant: str = argument("", "appearance; empty: drawn by the seed from the seen ones")
    time_limit: Annotated[float, Range(0, 86_400)] = argument(0.0, "seconds of ROS time; 0: the task's")
    speed: Annotated[float, Range(0, 1000)] = argument(1.0, "simulated over wall time at most; 0: as fast as it goes")
    driver: str = argument(
        "", "of the robot in a real cell: franka (franka_ros2), franky (our own, without ROS drivers) or ur"
    )
    camera_driver: str = argument(
        "", "of a real cell's cameras: realsense (our node) or realsense2_camera; empty: they are started by hand"
    )
    run_folder: str = ""
    require_success: bool = argument(False, "exit 1 unless every sub-task is done")
    policy_sha256: str = ""
    blind: bool = False
    noise: Annotated[float, Range(0, 1)] = 0.0
    delay: Annotated[float, Range(0, 60)] = 0.0
    runtime: str = argument("onnxruntime", "of a checkpoint: onnxruntime or torch")
    precision: str = argument("", "fp32 or int8 (onnxruntime), fp32 or bf16 (torch); empty: the best fit")
    device: str = argument("auto", "of torch: cpu, cuda, or auto: cuda where there is one")
    motion_backend: str = argument("auto", motion_backend.HELP)
    motion_backend_why: str = ""
    following: str = argument(
        "", "how simulated arms follow: lag=S,dead_time=S,velocity_noise=RAD/S,interpolate_from_desired_state=BOOL"
    )
    fixed_cameras: bool = argument(
        False,
        "simulated cameras stand where the robot file says; default: some 10 cm and 4 degrees off, drawn by the seed",
    )
    commander_elsewhere: bool = argument(
        False, "the commander runs on another host: vipa policy run, there; docs/several-machines.md"
    )
    compressed: bool = argument(
        False,
        "with commander_elsewhere: its pictures cross the network as JPEG, depth as PNG that loses nothing; there: vipa policy run --compressed",
    )
    pictures: str = argument(
        "raw", "in the bag: raw, or compressed: colour as JPEG, depth as PNG that loses nothing; docs/teleoperation.md"
    )
    camera_noise: bool = argument(
        False, "simulated cameras see as a RealSense does: noise, holes, drift; default: perfectly"
    )
    console: str = argument(
        "", "HOST[:PORT] to serve the web console at, as localhost or this machine's address; empty: none"
    )

    def checked(self, commander: bool = True) -> "EpisodeConfig":
        """Itself with the robot and the motion backend filled in and files by their whole paths; raises VipaError for what cannot be run,
        before anything is started. commander: False if only the cell is to run."""
        config.build(self.__dict__, EpisodeConfig, "episode")
        task = load_task(self.task)
        robot = load_robot(self.robot or task.robot)
        task.check_robot(robot)
        if self.cell not in CELLS:
            raise unknown("cell", self.cell, CELLS)
        if self.cell == "sim":
            load_scene(task)
        check_cell(self, commander)
        if self.variant and self.variant not in task.variants:
            raise unknown("variant", self.variant, task.variants)
        missing = set(task.cameras) - {c.name for c in robot.cameras}
        if missing:
            raise VipaError(
                f"robot '{robot.name}' has no camera {', '.join(sorted(missing))}, which task '{task.name}' uses"
            )
        if self.console:
            access.parse(self.console, 0)
        if self.pictures not in PICTURES:
            raise unknown("pictures", self.pictures, PICTURES)
        if self.compressed and not self.commander_elsewhere:
            raise VipaError("compressed pictures without commander_elsewhere: a commander on this host has them whole")
        request = self.commander_request
        following.parse(self.following)
        check_wants(task, robot)
        named = resources.absolute(self.robot or task.robot, "config/robots")
        filled = {"task": resources.absolute(self.task), "robot": named}
        filled |= motion_backend.chosen(self.motion_backend, robot, self.cell, self.speed)
        if commander:
            filled["policy_sha256"] = registry.kind_of(self.policy).check(request, robot, task)
        return replace(self, **filled)

    @property
    def inference(self) -> InferenceOptions:
        """How a checkpoint runs. Raises VipaError."""
        return InferenceOptions(self.runtime, self.precision, self.device)

    @property
    def commander_request(self) -> CommanderRequest:
        """What the registry is asked for. Raises VipaError."""
        return CommanderRequest(self.policy, self.inference, self.seed, self.noise, self.delay)


def arguments_of(names=None) -> list[Field]:
    """The fields of EpisodeConfig that are arguments, or those of them in `names`."""
    return [f for f in fields(EpisodeConfig) if "help" in f.metadata and (names is None or f.name in names)]


def kind(argument: Field) -> type:
    """str, int, float or bool."""
    return getattr(argument.type, "__origin__", argument.type)


CELL_ARGUMENTS = (
    "task",
    "robot",
    "cell",
    "driver",
    "camera_driver",
    "seed",
    "variant",
    "speed",
    "motion_backend",
    "following",
    "fixed_cameras",
    "camera_noise",
    "console",
)


def standing_graph(config: EpisodeConfig) -> list[ProcessSpec]:
    """A cell that stands: robot, motion, planner and what homes and recovers the robot, for whoever wants to move it. `config` has
    been checked."""
    specs = cell_graph(config)
    if config.cell == "sim":
        ours = {"robot": config.robot, "use_sim_time": True}
        specs += [
            ProcessSpec("planner", "planner", {**ours, "task": config.task}),
            ProcessSpec("robot", "robot", {**ours, "cell": "sim"}),
        ]
    return [*solved_by(config.motion_backend, specs, "motion"), *console_nodes(config.console)]


def console_nodes(at: str, **parameters: str | bool | int | float) -> list[ProcessSpec]:
    """The web console at `at`, none for "". The graph does without it while it is started again."""
    return [ProcessSpec("console", "console", {"at": at, **parameters}, respawn=True, speaks=True)] if at else []


def simulation(config: EpisodeConfig) -> dict[str, str | bool]:
    """What node `sim` is told of how the cell is simulated; what is left out is as it is by default."""
    names = "following", "fixed_cameras", "camera_noise"
    return {name: value for name in names if (value := getattr(config, name))}


def check_cell(config: EpisodeConfig, commander: bool) -> None:
    """Raises VipaError for what `config` asks of its cell and does not get: in a real one, what only a simulation has."""
    if config.cell == "sim":
        if config.driver:
            raise VipaError(f"driver '{config.driver}' is for cell real; a simulated robot has none")
        if config.camera_driver:
            raise VipaError(
                f"camera driver '{config.camera_driver}' is for cell real; a simulation renders its pictures"
            )
        return
    if config.following:
        raise VipaError(f"following '{config.following}' is for cell sim; a real arm follows as it does")
    if config.fixed_cameras or config.camera_noise:
        raise VipaError("fixed cameras and camera noise are for cell sim; real ones stand and see as they do")
    if config.driver not in DRIVERS:
        raise unknown("driver of the real cell", config.driver, DRIVERS)
    lacking = [name for name in DRIVERS[config.driver] if importlib.util.find_spec(name) is None]
    if lacking:
        raise VipaError(f"driver '{config.driver}' wants the package {', '.join(lacking)}, which is not installed")
    robot = load_robot(config.robot or load_task(config.task).robot)
    camera_nodes.check(config.camera_driver, robot)
    if config.driver not in OWN and len(robot.arms) > 1:
        raise VipaError(
            f"driver '{config.driver}' tells of one arm, and robot '{robot.name}' has {len(robot.arms)}: the other's stops would not be "
            "seen; allowed: one arm, or driver franky; docs/robots/fr3.md"
        )
    if config.driver == "franky" and (unset := [g.name for g in robot.arms if g.franky is None]):
        raise VipaError(
            f"driver 'franky': robot '{robot.name}' does not say where {', '.join(unset)} is; allowed: in the group's "
            "franky: {address: HOST}; docs/robots/franky.md"
        )
    if commander and registry.kind_of(config.policy).wants_truth:
        allowed = ", or ".join(kind.form for kind in registry.KINDS if not kind.wants_truth)
        raise VipaError(
            f"policy '{config.policy}' lives on a simulation's ground truth; allowed in a real cell: {allowed}"
        )


def check_wants(task: Task, robot: Robot) -> None:
    """Raises VipaError for fixtures whose names stand for something else, and for contacts, forces and held tools of sub-tasks
    that the robot's file does not allow."""
    known, names = Contacts(robot), []
    for fixture in task.fixtures:
        if why := known.taken(fixture.name, names):
            raise VipaError(f"task '{task.name}': fixtures: {why}")
        names.append(fixture.name)
    for subtask in task.subtasks:
        contacts, group, tool, force = wants.of([subtask]).arguments
        why = TaskContext.make(robot, known, names, contacts, group, tool)[1] or check_force(force, robot.arms)
        if why:
            raise VipaError(f"task '{task.name}': subtask '{subtask.name}': {why}")


def cell_graph(config: EpisodeConfig) -> list[ProcessSpec]:
    """The cell and the motion node: a robot that waits for a commander. In a real cell the robot's ros2_control, and the cameras unless
    `config` names our driver of them, are started by their own launch files; what stands here is ours."""
    robot, task = config.robot, config.task
    if config.cell == "real":
        ours = {"robot": robot, "use_sim_time": False}
        specs = [
            ProcessSpec("motion", "motion", {**ours, "task": task, "dated_commands": config.driver not in OWN}),
            ProcessSpec("planner", "planner", {**ours, "task": task}),
            ProcessSpec("robot", "robot", {**ours, "driver": config.driver, "cell": config.cell}),
        ]
        if config.driver == "franka":  # its hand has an action, and no trajectory controller
            specs.append(ProcessSpec("gripper", "gripper", ours))
        if config.driver == "franky":
            arms = [group.name for group in load_robot(robot).arms]
            specs += [ProcessSpec(_franky(arm, arms), "franky", {**ours, "group": arm}) for arm in arms]
        return specs + camera_nodes.camera_nodes(config.camera_driver, load_robot(robot), robot)
    ours = {"robot": robot, "task": task, "use_sim_time": True}
    sim = {**ours, "seed": config.seed, "variant": config.variant, "speed": float(config.speed)}
    sim |= simulation(config)
    return [ProcessSpec("sim", "sim", sim), ProcessSpec("motion", "motion", ours)]


def _franky(arm: str, arms: list[str]) -> str:
    """The name of the node that runs the arm."""
    return "franky" if len(arms) == 1 else f"franky_{arm}"


def pinned_files(config: EpisodeConfig) -> tuple[str, str]:
    """Task and robot as every process is told them: what has changed since is refused."""
    return pinned(config.task, load_task(config.task)), pinned(config.robot, load_robot(config.robot))


def episode_graph(config: EpisodeConfig) -> list[ProcessSpec]:
    """Everything one scored episode needs; `config` has been checked."""
    task, robot = pinned_files(config)
    common = {"robot": robot, "task": task, "use_sim_time": config.cell == "sim"}
    commander = commander_spec(config.commander_request, common)
    goal = {
        "task": task,
        "commander": commander.name,
        "seed": config.seed,
        "variant": config.variant,
        "time_limit": config.time_limit,
        "run_folder": config.run_folder,
        "require_success": config.require_success,
    } | ({"blind": True} if config.blind else {})
    cell = cell_graph(replace(config, task=task, robot=robot))
    return [
        *solved_by(config.motion_backend, cell, "motion"),
        *([] if config.commander_elsewhere else [commander]),
        *compressor_nodes(config, robot),
        ProcessSpec(
            "task_manager",
            "task_manager",
            {**common, "cell": config.cell, "policy": config.policy, "policy_sha256": config.policy_sha256},
        ),
        recorder_spec(config, robot),
        ProcessSpec("episode", "episode", goal, leader=True),
        *console_nodes(
            config.console,
            blind=config.blind,
            runs=str(Path(config.run_folder).parent) if config.run_folder else "runs",
        ),
    ]


def compressor_nodes(config: EpisodeConfig, robot: str) -> list[ProcessSpec]:
    """Who compresses the pictures of the task's cameras for a commander elsewhere, or of all for the bag, where `config` wants it. The
    graph does without it while it is started again."""
    recorded = config.pictures == "compressed"
    if not config.compressed and not recorded:
        return []
    cameras = "" if recorded else ",".join(load_task(config.task).cameras)
    wanted = {"robot": robot, "cameras": cameras, "use_sim_time": config.cell == "sim"}
    return [ProcessSpec("compressor", "compressor", wanted, respawn=True)]


def recorder_spec(config: EpisodeConfig, robot: str) -> ProcessSpec:
    """Who writes the bag."""
    sim = config.cell == "sim"
    return ProcessSpec(
        "recorder", "recorder", {"robot": robot, "cell": config.cell, "pictures": config.pictures, "use_sim_time": sim}
    )


def commander_spec(request: CommanderRequest, common: dict) -> ProcessSpec:
    """The node of a commander; its name is its commander_id."""
    kind = registry.kind_of(request.name)
    return ProcessSpec(kind.commander_id, kind.executable, {**common, **kind.parameters(request)})


def tasks() -> list[str]:
    """Names of the tasks that ship."""
    return resources.names("tasks")
