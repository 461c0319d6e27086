"""A topic's name is written once, and a package that package.xml names is used."""

import re
from xml.etree import ElementTree

import pytest

from vipa import resources

ROOT = resources.root()
SOURCES = {
    p: p.read_text(encoding="utf-8") for folder in ("src", "launch") for p in sorted((ROOT / folder).rglob("*.py"))
}
# packages that no line of ours imports → what shows that one is needed
RUN_TIME = {
    "rmw_fastrtps_cpp": "rmw_fastrtps_cpp",
    "moveit_py": "moveit.planning",
    "moveit_kinematics": "kdl_kinematics_plugin",
    "moveit_planners_ompl": "ompl_interface/OMPLPlanner",
    "moveit_simple_controller_manager": "moveit_simple_controller_manager",
    "moveit_servo": "moveit_servo",
    "moveit_ros_move_group": "moveit_ros_move_group",
    "joint_trajectory_controller": "JointTrajectoryController",
    "realsense2_camera": "realsense2_camera",
    "ros2launch": "launch_ros",
}
MODULES = {"python3-jinja2": "jinja2", "python3-numpy": "numpy", "python3-opencv": "cv2", "python3-opengl": "OpenGL",
           "python3-pil": "PIL", "python3-rich": "rich", "python3-scipy": "scipy", "python3-yaml": "yaml"}  # fmt: skip


def test_a_topic_s_name_is_written_once():
    name = re.compile(r'["\']/(?:vipa/(?!\{)|joint_states|clock|tf|camera/|diagnostics)[^"\']*["\']')
    found = {str(p.relative_to(ROOT)): name.findall(text) for p, text in SOURCES.items() if p.name != "topic_names.py"}
    allowed = {"src/vipa/moveit/names.py"}  # MoveIt's own topics, written there alone
    assert {p: names for p, names in found.items() if names and p not in allowed} == {}


def test_the_names_import_no_ros():
    assert "import" not in (ROOT / "src/vipa/recording/topic_names.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("tag", ["depend", "exec_depend"])
def test_package_xml_names_nothing_that_is_not_used(tag):
    text = "\n".join(SOURCES.values())
    named = [e.text for e in ElementTree.parse(ROOT / "package.xml").getroot().iter(tag)]
    assert named
    unused = []
    for package in named:
        module = MODULES.get(package, package)
        imported = re.search(rf"^\s*(?:from|import) {module}\b", text, re.MULTILINE) or f'"{module}/msg/' in text
        if not imported and not (package in RUN_TIME and RUN_TIME[package] in text):
            unused.append(package)
    assert unused == []
