"""Parameters of MoveIt's nodes, read from config/moveit/<robot>/. Imports nothing that MoveIt's own process may not load."""

from typing import Any

import yaml

from vipa_ros.errors import VipaError
from vipa_ros.moveit.names import folder, srdf_name
from vipa_ros.robot.description import Robot


def read(robot: Robot, name: str) -> str:
    """The text of a file of the robot's. Raises VipaError if it is not there."""
    path = folder(robot) / name
    try:
        return path.read_text()
    except OSError as error:
        raise VipaError(f"{path}: {error.strerror}; `vipa robot moveit {robot.name}` writes it") from None


def description(robot: Robot) -> dict[str, Any]:
    """What every node of MoveIt wants: URDF, SRDF, kinematics and joint limits."""
    return {
        "robot_description": robot.urdf_path.read_text(),
        "robot_description_semantic": read(robot, srdf_name(robot)),
        "robot_description_kinematics": yaml.safe_load(read(robot, "kinematics.yaml")),
        "robot_description_planning": yaml.safe_load(read(robot, "joint_limits.yaml")),
    }


def move_group(robot: Robot) -> dict[str, Any]:
    """Of move_group: it plans and keeps the scene, and executes nothing."""
    return description(robot) | yaml.safe_load(read(robot, "moveit_controllers.yaml")) | {
        "planning_pipelines": ["ompl"], "default_planning_pipeline": "ompl", "ompl": yaml.safe_load(read(robot, "ompl_planning.yaml")),
        "publish_planning_scene": True, "publish_geometry_updates": True, "publish_state_updates": True,
        "publish_transforms_updates": True,
    }


def moveit_py(robot: Robot, use_sim_time: bool) -> dict[str, Any]:
    """Of our planning process."""
    return description(robot) | yaml.safe_load(read(robot, "moveit_controllers.yaml")) | {
        "planning_pipelines": {"pipeline_names": ["ompl"]}, "ompl": yaml.safe_load(read(robot, "ompl_planning.yaml")),
        "plan_request_params": {"planning_pipeline": "ompl", "planner_id": "", "planning_attempts": 4, "planning_time": 2.0,
                                "max_velocity_scaling_factor": 0.5, "max_acceleration_scaling_factor": 0.5},
        "planning_scene_monitor_options": {"name": "planning_scene_monitor", "robot_description": "robot_description",
                                           "wait_for_initial_state_timeout": 10.0},
        "use_sim_time": use_sim_time,
    }  # fmt: skip


def servo(robot: Robot, group: str) -> dict[str, Any]:
    """Of an arm's Servo node."""
    node = yaml.safe_load(read(robot, "servo.yaml"))[group]
    smoothing = {"update_period": node["publish_period"], "planning_group_name": node["move_group_name"]}
    return description(robot) | {"moveit_servo": node} | smoothing
