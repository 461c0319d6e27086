"""The ROS 2 package vipa_ros (ament_python) and its packages vipa, vipa_sim, vipa_model and vipa_cli."""

import sys
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).resolve().parent
# `pip install --editable .` is the wheels world: the checkout itself is used, and bin/ gets the `vipa` command alone.
EDITABLE = "editable_wheel" in sys.argv


def tree(folder: str) -> list[tuple[str, list[str]]]:
    """`data_files` that put `folder` into share/vipa_ros, subfolders as they are."""
    files: dict[str, list[str]] = {}
    for path in sorted((HERE / folder).rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            relative = path.relative_to(HERE)
            files.setdefault(f"share/vipa_ros/{relative.parent}", []).append(str(relative))
    return list(files.items())


def requirements(name: str) -> list[str]:
    lines = (line.split("#")[0].strip() for line in (HERE / name).read_text().splitlines())
    return [line for line in lines if line]


nodes = sorted(p.stem for p in (HERE / "src/vipa_ros/nodes").glob("*.py") if not p.stem.startswith("_"))
scripts = ["vipa = vipa_cli.cli:main"]
data_files = []
if not EDITABLE:
    # setup.cfg sends these to lib/vipa_ros, where `ros2 run` looks; bin/vipa calls the one there.
    scripts += [f"{node} = vipa_ros.nodes.{node}:main" for node in nodes]
    data_files = [
        ("share/ament_index/resource_index/packages", ["resource/vipa_ros"]),
        ("share/vipa_ros", ["package.xml"]),
        ("bin", ["scripts/vipa"]),
        *(entry for folder in ("launch", "config", "tasks", "urdf") for entry in tree(folder)),
    ]

setup(
    name="vipa_ros",
    version="0.1.0",
    description="VIPA-VLA on ROS 2: episodes, teleoperation, recording, training and evaluation",
    maintainer="VIPA developers",
    maintainer_email="vipa@example.org",
    license="Apache-2.0",
    python_requires=">=3.11,<3.14",
    package_dir={"": "src"},
    packages=find_packages("src"),
    package_data={"": ["*.html", "*.j2", "*.css", "*.js", "*.svg", "*.json", "*.xml", "*.yaml", "*.png"]},
    data_files=data_files,
    extras_require={
        "train": requirements("requirements-train.in"),
        "realsense": ["pyrealsense2"],
        "franky": ["franky-control"],
        "teleop": ["evdev", "hidapi"],
        "ray": ["ray"],
        "view": ["foxglove-sdk"],
        "human": ["h5py"],
        "finetune": ["peft", "bitsandbytes"],
    },
    entry_points={"console_scripts": scripts},
    zip_safe=False,
)
