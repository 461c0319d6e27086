"""No number of a robot, task, policy or URDF file may be NaN, infinite, huge, or negative where that means nothing."""

import copy
import dataclasses
import re
import typing
from dataclasses import replace

import pytest
import yaml

from vipa import config, documents, resources
from vipa.commanders.expert.scripts import grasps_by
from vipa.commanders.expert.scripts.put_three_obj import Fruit
from vipa.commanders.expert.scripts.water_plant import Grasp
from vipa.commanders.expert.skills.drawer import Bar
from vipa.dataset.import_mapping import ImportMapping
from vipa.errors import VipaError
from vipa.evaluation.plan import Plan
from vipa.robot import urdf
from vipa.robot.calibrated import Calibration
from vipa.robot.description import Robot, load_robot
from vipa.serving.mapping import Mapping, load_mapping
from vipa.tasks.checks import REGISTRY
from vipa.tasks.task import Task, load_task
from vipa_cli.cli import main
from vipa_sim.scenes import load_scene

LOADERS = {
    "config/robots": load_robot,
    "tasks": lambda path: take_task(load_task(path)),
    "config/policies": load_mapping,
}
FILES = [(folder, name) for folder in LOADERS for name in resources.names(folder)]
NOT_FINITE = [float("nan"), float("inf"), float("-inf"), 1e300, -1e300, 10**400]
SIGNED = {  # keys whose numbers may be negative
    "closed", "open", "min", "max", "home", "position", "rpy", "turn", "threshold", "target_offset", "origin", "axis", "tip", "rim",
    "fruit_min", "fruit_max", "can_min", "can_max", "plant_min", "plant_max", "holder_min", "holder_max", "vase_min", "vase_max",
    "cloth_min", "cloth_max", "face", "along", "across", "low", "high", "above", "below", "above_rim", "middle",
}  # fmt: skip


def take_task(task):
    """As whoever plays it does: its scene, and how the expert takes things with each kind of hand."""
    load_scene(task)
    for kind in task.hands:
        grasps_by(task, kind)


def numbers(data, path=()):
    """Paths of all numbers in `data`."""
    if isinstance(data, dict):
        for key, value in data.items():
            yield from numbers(value, (*path, key))
    elif isinstance(data, list):
        for i, value in enumerate(data):
            yield from numbers(value, (*path, i))
    elif isinstance(data, (int, float)) and not isinstance(data, bool):
        yield path


def spoilt(data, path, value):
    """A copy of `data` with `value` at `path`."""
    data = copy.deepcopy(data)
    place = data
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return data


def wrong_values(path):
    """What may not stand at `path`."""
    key = next(k for k in reversed(path) if isinstance(k, str))
    signed = (
        {"turn", "across", "yaw"} if "hands" in path else SIGNED
    )  # no hand is so far beside a grasp, or open by less than 0
    return NOT_FINITE + ([] if key in signed else [-0.5, -3])


@pytest.mark.parametrize("folder, name", FILES)
def test_every_number_of_every_file_is_checked(folder, name, tmp_path, monkeypatch):
    original, path = documents.read_yaml(resources.find(folder, name)), tmp_path / f"{name}.yaml"
    places = list(numbers(original))
    assert places
    path.touch()
    for place in places:
        for value in wrong_values(place):
            monkeypatch.setattr(documents, "read_yaml", lambda *_, **__: spoilt(original, place, value))  # noqa: B023
            with pytest.raises(VipaError) as caught:
                LOADERS[folder](str(path))
                pytest.fail(f"{place}: {value} is taken")
            text, key = str(caught.value), next(k for k in reversed(place) if isinstance(k, str))
            assert key in text and "\n" not in text, (place, value, text)
            assert "allowed:" in text or "expected" in text or "wants" in text, text


@pytest.mark.parametrize("text", [".nan", ".inf", "-1.0", "600.0", "1.0e+300", "'40'"])
def test_a_force_cap_that_stops_nothing_is_refused_by_file_key_and_range(tmp_path, text):
    shipped = resources.find("config/robots", "fr3_single").read_text(encoding="utf-8")
    path = tmp_path / "own.yaml"
    path.write_text(shipped.replace("force_cap: 40.0", f"force_cap: {text}"), encoding="utf-8")
    with pytest.raises(
        VipaError,
        match=rf"^{re.escape(str(path))}: groups\[0\]: force_cap: .*(allowed: above 0, to 500|expected float)",
    ):
        load_robot(str(path))


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("control_rate: 100.0", "control_rate: 0", "control_rate: 0; allowed: 10 to 1000"),
        ("margin: 0.01 ", "margin: -0.01", "margin: -0.01; allowed: 0 to 0.2"),
        ("position_margin: 0.02", "position_margin: -1", r"position_margin: -1; allowed: 0 to 1"),
        ("tool_speed: 0.6", "tool_speed: .inf", "tool_speed: inf; allowed: above 0, to 5"),
        ("min: [0.10,", "min: [.nan,", r"workspace: min\[0\]: nan; allowed: -10 to 10"),
        ("name: wrist", "name: scene", "cameras: scene stands twice"),
        ("name: wrist", "name: ../wrist", "allowed: letters, digits and '_'"),
        ("vertical_fov: 48.0", "width: 0", r"cameras\[0\]: width: 0; allowed: 16 to 8192"),
        ("depth_range: [0.07, 1.0]", "depth_range: [1.0, 0.07]", "allowed: .near, far., near below far"),
    ],
)
def test_robot_check_says_what_is_wrong_with_a_robot_file(tmp_path, capsys, old, new, message):
    shipped = resources.find("config/robots", "fr3_single").read_text(encoding="utf-8")
    assert old in shipped
    path = tmp_path / "own.yaml"
    path.write_text(shipped.replace(old, new), encoding="utf-8")
    with pytest.raises(SystemExit) as end:
        main(["robot", "check", str(path)])
    said = capsys.readouterr().err
    assert end.value.code == 2 and str(path) in said and re.search(message, said) and said.count("\n") == 1


@pytest.mark.parametrize("name", resources.names("config/robots"))
def test_the_urdf_that_ships_is_taken(name):
    robot = load_robot(name)
    assert urdf.read(robot) == robot.urdf_path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "pattern, new, message",
    [
        (r'lower="[^"]*"', 'lower="nan"', r"joint 'fr3_joint1': limit lower: nan; allowed"),
        (r'upper="[^"]*"', 'upper="inf"', r"joint 'fr3_joint1': limit upper: inf; allowed"),
        (
            r'upper="[^"]*"',
            'upper="-9"',
            r"joint 'fr3_joint1': limit lower -?[\d.]+, upper -9; allowed: lower below upper",
        ),
        (r'effort="[^"]*"', 'effort="-1"', r"limit effort: -1; allowed: 0 or more"),
        (r'mass value="[^"]*"', 'mass value="0"', r"link 'fr3_link0': mass value: 0; allowed: above 0"),
        (r'ixx="[^"]*"', 'ixx="nan"', r"link 'fr3_link0': inertia ixx: nan; allowed"),
        (r'radius="[^"]*"', 'radius="wide"', r"'wide' is no number"),
        (r'xyz="[^"]*"', 'xyz="0 1e300 0"', r"origin xyz: 1e\+300; allowed"),
        ("</robot>", "", "not a readable URDF"),
    ],
)
def test_a_spoilt_urdf_is_refused_by_file_and_place(tmp_path, pattern, new, message):
    robot = load_robot("fr3_single")
    path = tmp_path / "own.urdf"
    text, count = re.subn(pattern, new, robot.urdf_path.read_text(encoding="utf-8"), count=1)
    assert count == 1
    path.write_text(text, encoding="utf-8")
    with pytest.raises(VipaError, match=f"^{re.escape(str(path))}: .*{message}"):
        urdf.read(replace(robot, urdf=str(path)))


def test_a_range_has_no_nan():
    with pytest.raises(VipaError, match="x: nan; allowed: 0 to 1"):
        config.Range(0, 1).check(float("nan"), "x")


@pytest.mark.parametrize("line", [["episode", "--task", "water_plant", "--speed", "nan"],
                                  ["episode", "--task", "water_plant", "--time-limit", "inf"],
                                  ["evaluate", "--task", "water_plant", "--delay", "nan"],
                                  ["demos", "--task", "water_plant", "--noise", "inf"]])  # fmt: skip
def test_numbers_on_the_command_line_are_finite(line, capsys):
    with pytest.raises(SystemExit) as end:
        main(line)
    assert end.value.code == 2 and "; allowed: 0 to " in " ".join(capsys.readouterr().err.split())


def test_moveit_files_hold_finite_numbers(tmp_path, monkeypatch):
    from vipa.moveit import names, parameters

    robot = load_robot("fr3_single")
    where = names.folder(robot) / "servo.yaml"
    data = yaml.safe_load(where.read_text(encoding="utf-8"))
    place = next(iter(numbers(data)))
    (tmp_path / "servo.yaml").write_text(yaml.safe_dump(spoilt(data, place, float("nan"))), encoding="utf-8")
    monkeypatch.setattr(parameters, "folder", lambda _: tmp_path)
    with pytest.raises(VipaError, match=f"servo.yaml: .*{place[-1]}: nan; allowed"):
        parameters.settings(robot, "servo.yaml")


def bare_numbers(cls, where):
    """Fields below `cls` that hold numbers without a range of their own."""
    if dataclasses.is_dataclass(cls):
        hints = typing.get_type_hints(cls, include_extras=True)
        for field in dataclasses.fields(cls):
            yield from bare_numbers(hints[field.name], f"{where}.{field.name}")
    elif typing.get_origin(cls) is typing.Annotated:
        if typing.get_args(cls)[0] in (int, float) and not any(isinstance(a, config.Range) for a in cls.__metadata__):
            yield where
    elif cls in (int, float):
        yield where
    elif typing.get_origin(cls) is not typing.Literal:
        for part in typing.get_args(cls):
            yield from bare_numbers(part, where)


@pytest.mark.parametrize(
    "cls",
    [
        Robot,
        Task,
        Mapping,
        Plan,
        Calibration,
        ImportMapping,
        Bar,
        Fruit,
        Grasp,
        *(check.Params for check in REGISTRY.values()),
    ],
    ids=lambda cls: cls.__name__,
)
def test_every_number_of_a_file_declares_its_range(cls):
    assert list(bare_numbers(cls, cls.__name__)) == []
