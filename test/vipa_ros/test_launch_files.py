"""The launch files: what each starts with its defaults and with every argument of its own. The true `launch` where it is installed."""

import importlib.util
import json
import re
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from helpers.own_file import own
from vipa import resources
from vipa.errors import VipaError

STAND_IN = Path(__file__).parents[1] / "helpers" / "launch_stand_in"
FILES = {path.name.partition(".")[0]: path for path in (resources.root() / "launch").glob("*.launch.py")}
PLAN = str(resources.root() / "examples/plans/water_plant.yaml")
WANTED = {
    "evaluate": {"plan": PLAN, "out": "a set"},
    "teleop": {"device": "page"},
}  # without these a file says what it wants
REAL = {"cell": "real", "driver": "franka", "policy": "water_plant", "task": "water_plant"}
CHECKPOINT = str(resources.root() / "config/policies/water_plant")
WATER = {"task": "water_plant"}
CELL = ["sim", "motion", "planner", "robot"]
GRAPHS = {
    "cell": CELL, "evaluate": [], "moveit": ["move_group", "servo", *CELL],
    "episode": ["sim", "motion", "expert", "task_manager", "recorder", "episode"],
    "teleop": [*CELL, "task_manager", "recorder", "teleop"],
}  # fmt: skip
# a value that differs from the default, and what else it wants
VALUES = {
    "task": ("water_plant", {}), "policy": (CHECKPOINT, WATER), "robot": ("ur5e_single", WATER), "cell": ("real", REAL),
    "seed": ("7", {}), "variant": ("crimson", {}), "time_limit": ("30", {}), "speed": ("0.5", {}), "driver": ("ur", REAL),
    "camera_driver": ("realsense2_camera", {**REAL, "robot": "own.yaml"}), "require_success": ("true", {}), "precision": ("int8", {**WATER, "policy": CHECKPOINT}),
    "runtime": ("torch", {**WATER, "policy": CHECKPOINT}), "device": ("cpu", {**WATER, "policy": CHECKPOINT}),
    "following": ("lag=0.03", {}), "fixed_cameras": ("true", {}), "camera_noise": ("true", {}), "commander_elsewhere": ("true", {}), "compressed": ("true", {"commander_elsewhere": "true"}), "out": ("elsewhere", {}),
    "move_group": ("false", {}), "plan": (PLAN.replace("water_plant", "other"), {}), "pictures": ("compressed", {}), "evaluate pictures": ("false", {}),
    "terminal": ("xterm -e", {}), "options": ("port=8123", {}), "pedal": ("a pedal", {}), "frame": ("tool", {}), "lock": ("yaw", {}),
    "scale": ("0.5", {}), "step": ("0.02", {}), "tool_speed": ("0.1", {}), "operator": ("Ada", {}), "motion_backend": ("moveit", {}), "console": ("localhost", {}), "teleop device": ("page", {}),
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def launch():
    """`launch` and `launch_ros`: the true ones, or the stand-in for as long as this module's tests run."""
    spec = importlib.util.find_spec("launch_ros")
    before = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        if spec is None:
            patch.syspath_prepend(str(STAND_IN))
            sys.modules.pop("launch", None)  # the folder launch/ of this checkout
        yield
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in ("launch", "launch_ros") or name == "vipa_ros.bringup.launching":
            del sys.modules[name]


def generated(name: str) -> tuple[list, dict[str, str]]:
    """The entities of launch file `name`, and argument → default."""
    from launch.actions import DeclareLaunchArgument

    entities = runpy.run_path(str(FILES[name]))["generate_launch_description"]().entities
    arguments = [e for e in entities if isinstance(e, DeclareLaunchArgument)]
    assert all(a.description for a in arguments)
    return entities, {a.name: text(a.default_value) for a in arguments}


def text(value) -> str:
    """A default as text: launch has it as a list of substitutions."""
    return value if isinstance(value, str) else "".join(part.text for part in value)


class Launched:
    """What launch file `name` does with the arguments `given` and the command line's words `typed` besides.

    actions: launch's own. started: the specs and command lines that these were made of, run folders without their names.
    """

    def __init__(self, name: str, given: dict[str, str], typed: tuple[str, ...] = ()):
        from launch import LaunchContext

        from vipa_ros.bringup import launching

        argv = [*(f"{key}:={value}" for key, value in given.items()), *typed]
        self.context, self.actions, made = LaunchContext(argv=argv), [], []
        self.context.launch_configurations.update(given)
        entities, arguments = generated(name)
        assert set(given) <= set(arguments)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                "vipa_ros.preflight.run.before_real_episode", lambda config, env: None
            )  # there is no cell to look at
            patch.setattr(sys, "argv", ["ros2", "launch", "vipa_ros", FILES[name].name, *argv])
            for what in ("launch_node", "evaluate_actions"):
                made_by = getattr(launching, what)
                patch.setattr(launching, what, lambda spec, made_by=made_by: made.append(spec) or made_by(spec))
            for entity in entities:
                self.actions += entity.visit(self.context) or []
        self.started = re.sub(r"\d{8}-\d{6}-[\w-]+", "RUN", "\n".join(map(str, made)))


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Run folders are made in a folder of the test's; programs of other packages are there, and a robot whose cameras have serials."""
    for program in (
        "moveit_servo/servo_node",
        "moveit_ros_move_group/move_group",
        "realsense2_camera/realsense2_camera_node",
    ):
        path = tmp_path / "ros/lib" / program
        path.parent.mkdir(parents=True)
        path.touch()
    serials = [(f"- name: {camera}", f"- serial: '{camera}'\n    name: {camera}") for camera in ("scene", "wrist")]
    own(tmp_path, "fr3_single", *serials, folder="config/robots")
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path / "ros"), prepend=":")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", sorted(FILES))
def test_what_a_file_starts_with_its_defaults(name):
    launched = Launched(name, WANTED.get(name, {}))
    assert re.findall(r"ProcessSpec\(name='(\w+)'", launched.started) == GRAPHS[name]
    assert ("'plan': '" + PLAN in launched.started) == (name == "evaluate")


@pytest.mark.parametrize("name", sorted(FILES))
def test_every_argument_changes_what_is_started(name, tmp_path):
    for argument, default in generated(name)[1].items():
        value, besides = VALUES.get(f"{name} {argument}") or VALUES[argument]
        others = WANTED.get(name, {}) | {k: v for k, v in besides.items() if k in generated(name)[1]}
        others.pop(argument, None)
        assert value != default
        try:
            before = Launched(name, others).started
        except VipaError:  # what is besides goes with this argument alone
            before = "refused"
        after = Launched(name, others | {argument: value}).started
        assert before != after, f"{name}: {argument}:={value} changes nothing"


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_typo_is_refused_by_name(name):
    with pytest.raises(VipaError, match=r"unknown launch argument 'tsk'( \(did you mean 'task'\?\))?; allowed: "):
        Launched(name, WANTED.get(name, {}), ("tsk:=water_plant",))


def test_pages_name_files_and_arguments_that_exist():
    pages = [*(resources.root() / "docs").rglob("*.md"), resources.root() / "README.md", *FILES.values()]
    shown = [
        line for page in pages for line in re.findall(r"ros2 launch vipa_ros .*", page.read_text(encoding="utf-8"))
    ]
    assert len(shown) > 8
    for line in shown:
        name, given = re.match(r"ros2 launch vipa_ros (\w+)\.launch\.py((?: \w+:=\S+)*)", line).groups()
        unknown = {word.partition(":=")[0] for word in given.split()} - set(generated(name)[1])
        assert not unknown, line


class Episode:
    """What episode.launch.py has rendered, and the events of its processes."""

    def __init__(self):
        from launch.actions import ExecuteProcess, RegisterEventHandler

        self.launched = Launched("episode", {"task": "water_plant"})
        self.folder = next(Path("runs").resolve().glob("2*"))
        self.processes = {p.name: p for p in self.launched.actions if isinstance(p, ExecuteProcess)}
        self.handlers = [a.event_handler for a in self.launched.actions if isinstance(a, RegisterEventHandler)]

    def ends(self, name: str, status: int = 0) -> list:
        """Who is asked to end ("" for the launch as a whole), after how many seconds, and what is started, when `name` ends."""
        process, done = self.processes[name], []
        process.return_code = status
        for handler in self.handlers:
            if handler.target_action is process:
                for action in handler.handle(SimpleNamespace(returncode=status), self.launched.context) or []:
                    done += self._told(action)
        return done

    def _told(self, action, after: float = 0.0) -> list:
        if hasattr(action, "period"):
            return [told for inner in action.actions for told in self._told(inner, action.period)]
        if not hasattr(action, "event"):
            self.processes[action.name] = action
            return [("start", action.name, after)]
        matches = getattr(action.event, "process_matcher", None)
        if matches is None:
            return [("end", "", after)]
        return [("end", name, after) for name, process in self.processes.items() if matches(process)]


@pytest.fixture
def episode():
    if (
        importlib.util.find_spec("launch_ros")
        and "launch_stand_in" not in importlib.util.find_spec("launch_ros").origin
    ):
        pytest.skip("names and events of processes are read from the stand-in")
    made = Episode()
    made.processes["episode"].process_details = {"pid": 1}
    return made


def test_an_episode_that_is_over_ends_the_graph_then_its_report_ends_the_launch(episode):
    (episode.folder / "scorecard.json").write_text("{}", encoding="utf-8")
    others = set(episode.processes) - {"episode", "report"}
    assert set(episode.ends("episode")) == {*(("end", name, 0.0) for name in others), ("start", "report", 0.0)}
    assert episode.ends("report") == [("end", "", 0.0)]


@pytest.mark.parametrize("name, status, after", [("motion", 1, 60.0), ("sim", 2, 0.0), ("task_manager", 1, 0.0)])
def test_a_node_that_dies_leaves_the_episode_time_to_score_itself(episode, name, status, after):
    """Unless nobody scores, or the node has said what was wrong."""
    assert episode.ends(name, status) == [("end", "episode", after)]
    episode.ends("episode", 1)
    card = json.loads((episode.folder / "scorecard.json").read_text(encoding="utf-8"))
    assert card["outcome"] == "error" and card["failure"]["detail"] == f"node '{name}' died"


def test_an_interrupted_launch_leaves_a_scorecard(episode):
    episode.launched.context.is_shutdown = True
    assert episode.ends("episode", -2) == []
    assert json.loads((episode.folder / "scorecard.json").read_text(encoding="utf-8"))["outcome"] == "stopped"
