"""MoveIt's parameters for a robot, file by file, as plain dictionaries. Figures that are not the robot's say where they are from."""

from typing import Any

from vipa.motion.collision import FINGER_MARGIN_M
from vipa.moveit.names import ALL_ARMS, SERVO_JOINT_STATES, hand_group, servo_output
from vipa.robot.description import Group, Robot
from vipa.robot.kinematics import Kinematics

PLANNER = "RRTConnectkConfigDefault"
# With MoveIt's default, 6 to 9 of 20 paths failed its own validation afterwards; with this one 0 to 1 did
SEGMENT_FRACTION = 0.002
SERVO_PERIOD_S = 0.01  # seconds
SERVO_TIMEOUT_S = 0.1  # seconds that a command stays good: Servo's default
SERVO_LATENCY_S = 0.1  # seconds that Servo's output reaches ahead: Servo's default
SINGULARITY_SLOWS, SINGULARITY_HALTS = 60.0, 200.0  # condition numbers; grasps of our tasks lie at up to 92
SERVO_JOINT_MARGIN_RAD = 0.05  # radians from the limits, which have the robot file's position_margin taken off already


def kinematics(robot: Robot) -> dict[str, Any]:
    """kinematics.yaml: a solver an arm."""
    solver = {
        "kinematics_solver": "kdl_kinematics_plugin/KDLKinematicsPlugin",
        "kinematics_solver_search_resolution": 0.005,
        "kinematics_solver_timeout": 0.05,
    }
    return {group.name: dict(solver) for group in robot.arms}


def joint_limits(robot: Robot) -> dict[str, Any]:
    """joint_limits.yaml: the limits that motion's gate has, so that what MoveIt plans can be executed."""
    model = Kinematics(robot)
    limits = {}
    for group in robot.groups:
        spec = model.group(group.name)
        for j, joint in enumerate(group.joints):
            limits[joint] = _joint(
                spec.lower[j], spec.upper[j], group.max_velocity[j], group.max_acceleration[j], group.max_jerk[j]
            )
        if group.hand:
            for joint, closed, opened in zip(group.hand.joints, group.hand.closed, group.hand.open):
                speed = group.hand.max_velocity * abs(opened - closed)
                limits[joint] = _joint(min(closed, opened), max(closed, opened), speed, 10 * speed, None)
    return {"default_velocity_scaling_factor": 0.5, "default_acceleration_scaling_factor": 0.5, "joint_limits": limits}


def _joint(low: float, high: float, velocity: float, acceleration: float, jerk: float | None) -> dict[str, Any]:
    limit = {
        "has_position_limits": True,
        "min_position": _round(low),
        "max_position": _round(high),
        "has_velocity_limits": True,
        "max_velocity": _round(velocity),
        "has_acceleration_limits": True,
        "max_acceleration": _round(acceleration),
        "has_jerk_limits": jerk is not None,
    }
    return limit | ({"max_jerk": _round(jerk)} if jerk is not None else {})


def controllers(robot: Robot) -> dict[str, Any]:
    """moveit_controllers.yaml: no controller. Only the motion node commands one; what MoveIt plans goes through its gate."""
    return {
        "allow_trajectory_execution": False,
        "moveit_manage_controllers": False,
        "moveit_controller_manager": "moveit_simple_controller_manager/MoveItSimpleControllerManager",
    }


def ompl(robot: Robot) -> dict[str, Any]:
    """ompl_planning.yaml: RRT-Connect, paths validated densely."""
    groups = [g.name for g in robot.groups] + [hand_group(g) for g in robot.arms if g.hand]
    groups += [ALL_ARMS] if len(robot.arms) > 1 else []
    requests = [
        "ResolveConstraintFrames",
        "ValidateWorkspaceBounds",
        "CheckStartStateBounds",
        "CheckStartStateCollision",
    ]
    responses = ["AddTimeOptimalParameterization", "ValidateSolution", "DisplayMotionPath"]
    pipeline: dict[str, Any] = {
        "planning_plugins": ["ompl_interface/OMPLPlanner"],
        "request_adapters": [f"default_planning_request_adapters/{name}" for name in requests],
        "response_adapters": [f"default_planning_response_adapters/{name}" for name in responses],
        "planner_configs": {PLANNER: {"type": "geometric::RRTConnect", "range": 0.0}},
    }
    for name in groups:
        pipeline[name] = {
            "default_planner_config": PLANNER,
            "planner_configs": [PLANNER],
            "longest_valid_segment_fraction": SEGMENT_FRACTION,
        }
    return pipeline


def servo(robot: Robot) -> dict[str, Any]:
    """servo.yaml: a node an arm, in a namespace of its own, each with a planning scene of its own."""
    return {group.name: _servo(group, robot) for group in robot.arms}


def _servo(group: Group, robot: Robot) -> dict[str, Any]:
    return {
        "move_group_name": group.name,
        "publish_period": SERVO_PERIOD_S,
        "max_expected_latency": SERVO_LATENCY_S,
        "incoming_command_timeout": SERVO_TIMEOUT_S,
        "command_in_type": "speed_units",
        "scale": {"linear": group.tool_speed, "rotational": group.tool_angular_speed, "joint": 0.5},
        "command_out_type": "trajectory_msgs/JointTrajectory",
        "command_out_topic": servo_output(group.name),
        "status_topic": "~/status",
        "joint_topic": SERVO_JOINT_STATES,
        "publish_joint_positions": True,
        "publish_joint_velocities": True,
        "publish_joint_accelerations": False,
        # one that is not asks for the scene in its own namespace, where nobody offers it: 5 s of every start, in vain
        "is_primary_planning_scene_monitor": True,
        "use_smoothing": True,
        "smoothing_filter_plugin_name": "online_signal_smoothing::AccelerationLimitedPlugin",
        # motion's gate keeps the true margins. Servo's slow-down near anything would stop fingers above a table for good
        "check_collisions": True,
        "collision_check_rate": 10.0,
        # Servo does not start with one that is larger than the scene's
        "self_collision_proximity_threshold": min(robot.margin / 2, FINGER_MARGIN_M),
        "scene_collision_proximity_threshold": FINGER_MARGIN_M,
        # Servo halts at the second for good. Its joints' speeds are limited anyhow, by itself and by motion's gate
        "lower_singularity_threshold": SINGULARITY_SLOWS,
        "hard_stop_singularity_threshold": SINGULARITY_HALTS,
        "joint_limit_margins": [SERVO_JOINT_MARGIN_RAD],
    }


def _round(value: float) -> float:
    return round(float(value), 6)
