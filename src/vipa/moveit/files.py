"""config/moveit/<robot>/: MoveIt's configuration of a robot, written from the robot file and compared with it."""

from pathlib import Path

import yaml

from vipa.moveit import settings
from vipa.moveit.names import srdf_name
from vipa.moveit.srdf import srdf
from vipa.robot.description import Robot

HEADER = "# Written by `vipa robot moveit` from the robot file and its URDF: edit those, and run it again. Metres, radians, seconds.\n"
SETTINGS = {
    "kinematics.yaml": settings.kinematics,
    "joint_limits.yaml": settings.joint_limits,
    "moveit_controllers.yaml": settings.controllers,
    "ompl_planning.yaml": settings.ompl,
    "servo.yaml": settings.servo,
}


def render(robot: Robot) -> dict[str, str]:
    """File name to text. The same robot file gives the same bytes. Raises VipaError."""
    files = {srdf_name(robot): srdf(robot)}
    for name, make in SETTINGS.items():
        doc = " ".join(make.__doc__.split("\n\n")[0].split()).removeprefix(f"{name}: ")
        text = yaml.safe_dump(make(robot), sort_keys=False, default_flow_style=False)
        files[name] = f"{HEADER}# {doc[0].upper()}{doc[1:]}\n{text}"
    return files


def write(robot: Robot, where: Path) -> list[Path]:
    """Writes the files into the folder `where`; returns them."""
    where.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in render(robot).items():
        (where / name).write_text(text, encoding="utf-8")
        written.append(where / name)
    return written


def differences(robot: Robot, where: Path) -> list[str]:
    """Names of the files in `where` that are missing or not what the robot file gives."""
    return [
        name
        for name, text in render(robot).items()
        if not (where / name).is_file() or (where / name).read_text(encoding="utf-8") != text
    ]
