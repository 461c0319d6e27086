"""Parameters of MoveIt's nodes, read from config/moveit/<robot>/. Imports nothing that MoveIt's own process may not load."""

from typing import Any

from vipa import config, documents
from vipa.errors import VipaError
from vipa.moveit.names import folder, srdf_name
from vipa.robot import urdf
from vipa.robot.description import Robot


def read(robot: Robot, name: str) -> str:
    """The text of a file of the robot's. Raises VipaError if it is not there."""
    path = folder(robot) / name
    if not path.is_file():
        raise VipaError(f"{path}: not there; `vipa robot moveit {robot.name}` writes it")
    return documents.read_text(path)


def settings(robot: Robot, name: str) -> dict[str, Any]:
    """The mapping in a YAML file of the robot's. Raises VipaError."""
    path = folder(robot) / name
    return config.build(documents.parse_yaml(read(robot, name), str(path), finite=False), dict[str, Any], str(path))


def description(robot: Robot) -> dict[str, Any]:
    """What every node of MoveIt wants: URDF, SRDF, kinematics and joint limits."""
    return {
        "robot_description": urdf.read(robot),
        "robot_description_semantic": read(robot, srdf_name(robot)),
        "robot_description_kinematics": settings(robot, "kinematics.yaml"),
        "robot_description_planning": settings(robot, "joint_limits.yaml"),
    }


def move_group(robot: Robot) -> dict[str, Any]:
    """Of move_group: it plans and keeps the scene, and executes nothing."""
    return (
        description(robot)
        | settings(robot, "moveit_controllers.yaml")
        | {
            "planning_pipelines": ["ompl"],
            "default_planning_pipeline": "ompl",
            "ompl": settings(robot, "ompl_planning.yaml"),
            "publish_planning_scene": True,
            "publish_geometry_updates": True,
            "publish_state_updates": True,
            "publish_transforms_updates": True,
        }
    )


def moveit_py(robot: Robot, use_sim_time: bool) -> dict[str, Any]:
    """Of our planning process."""
    return description(robot) | settings(robot, "moveit_controllers.yaml") | {
        "planning_pipelines": {"pipeline_names": ["ompl"]}, "ompl": settings(robot, "ompl_planning.yaml"),
        "plan_request_params": {"planning_pipeline": "ompl", "planner_id": "", "planning_attempts": 4, "planning_time": 2.0,
                                "max_velocity_scaling_factor": 0.5, "max_acceleration_scaling_factor": 0.5},
        "planning_scene_monitor_options": {"name": "planning_scene_monitor", "robot_description": "robot_description",
                                           "wait_for_initial_state_timeout": 10.0},
        "use_sim_time": use_sim_time,
    }  # fmt: skip


def servo(robot: Robot, group: str) -> dict[str, Any]:
    """Of an arm's Servo node."""
    node = settings(robot, "servo.yaml")[group]
    smoothing = {"update_period": node["publish_period"], "planning_group_name": node["move_group_name"]}
    return description(robot) | {"moveit_servo": node} | smoothing
