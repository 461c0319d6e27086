"""MoveIt's planner behind the planning interface. Only for a process of its own: its teardown may crash, and what it links against
must not meet our kinematics' libraries."""

from collections.abc import Sequence

import numpy as np
from geometry_msgs.msg import Pose, PoseStamped
from scipy.interpolate import CubicHermiteSpline

from vipa.errors import VipaError
from vipa.moveit import parameters
from vipa.planning.request import STEP_S, NoPlan, PlannedMotion, PlanRequest, verified
from vipa.robot.description import Robot
from vipa.robot.fixture import Fixture
from vipa.robot.state import JointState
from vipa_ros.common.rotations import quaternion_from_euler

NODE = "vipa_moveit_py"


class MoveItPlanning:
    """moveit_py with the robot's configuration, the task's fixtures in its planning scene. It only plans: nothing here executes.

    Raises VipaError if the robot's files are not there or a fixture does not get into the scene, ImportError where moveit_py is
    not installed.
    """

    def __init__(self, robot: Robot, fixtures: Sequence[Fixture] = (), use_sim_time: bool = False):
        from moveit.core.robot_state import RobotState
        from moveit.planning import MoveItPy, PlanRequestParameters

        self.robot, self._state = robot, RobotState
        self.moveit = MoveItPy(
            node_name=NODE, config_dict=parameters.moveit_py(robot, use_sim_time), provide_planning_service=False
        )
        self.parameters = PlanRequestParameters(self.moveit, "")
        # the robot's root: a fixed joint joins it to the world, and makes it the frame that MoveIt knows
        frame = self.moveit.get_robot_model().model_frame
        with self.moveit.get_planning_scene_monitor().read_write() as scene:
            for fixture in fixtures:
                scene.apply_collision_object(collision_object(fixture, frame))
                if not scene.knows_frame_transform(
                    fixture.name
                ):  # MoveIt drops what it cannot place, and says so in its log alone
                    raise VipaError(f"planner: MoveIt did not take the fixture '{fixture.name}' in frame '{frame}'")

    def plan(self, request: PlanRequest, state: JointState) -> PlannedMotion:
        if request.contacts:
            raise NoPlan(f"{request.group}: planner moveit knows no allowed contacts; allowed: none")
        group = self.robot.group(request.group)
        component = self.moveit.get_planning_component(group.name)
        component.set_start_state_to_current_state()
        if request.pose is not None:
            component.set_goal_state(
                pose_stamped_msg=_stamped(request.pose, group.base_frame), pose_link=group.tool_frame
            )
        else:
            goal = self._state(self.moveit.get_robot_model())
            goal.set_joint_group_positions(group.name, np.asarray(request.goal_joints(group), float))
            component.set_goal_state(robot_state=goal)
        result = component.plan(single_plan_parameters=self.parameters)
        if not result:
            raise NoPlan(
                f"{group.name}: MoveIt found no plan, error code {result.error_code.val} (moveit_msgs/MoveItErrorCodes)"
            )
        steps = resampled(result.trajectory.get_robot_trajectory_msg().joint_trajectory, group.joints)
        return verified(steps, request, group, state, "moveit")


def resampled(trajectory, joints: Sequence[str]) -> np.ndarray:
    """Steps (T, J) every STEP_S seconds of a trajectory_msgs/JointTrajectory, in the order `joints`. Raises NoPlan if it is none."""
    names = list(trajectory.joint_names)
    if sorted(names) != sorted(joints) or not trajectory.points:
        raise NoPlan(f"MoveIt's path is for {', '.join(names) or 'no joints'}; allowed: {', '.join(joints)}")
    order = [names.index(joint) for joint in joints]
    times = np.array([p.time_from_start.sec + p.time_from_start.nanosec * 1e-9 for p in trajectory.points])
    positions = np.array([p.positions for p in trajectory.points])[:, order]
    if len(times) == 1:
        return positions
    velocities = np.array([p.velocities for p in trajectory.points])
    if velocities.shape != positions.shape or np.any(np.diff(times) <= 0):
        raise NoPlan("MoveIt's path has no velocities, or its times do not rise")
    grid = np.append(np.arange(times[0], times[-1], STEP_S), times[-1])
    return CubicHermiteSpline(times, positions, velocities[:, order])(grid)


def _stamped(pose: np.ndarray, frame_id: str) -> PoseStamped:
    msg = PoseStamped(pose=_pose(pose))
    msg.header.frame_id = frame_id
    return msg


def _pose(pose) -> Pose:
    msg = Pose()
    msg.position.x, msg.position.y, msg.position.z = map(float, pose[:3])
    msg.orientation.x, msg.orientation.y, msg.orientation.z, msg.orientation.w = map(float, pose[3:])
    return msg


def collision_object(fixture: Fixture, frame: str):
    """The fixture as moveit_msgs/CollisionObject, to be added to the scene. frame: the robot's root, where the world is."""
    from moveit_msgs.msg import CollisionObject
    from shape_msgs.msg import SolidPrimitive

    box = SolidPrimitive(type=SolidPrimitive.BOX, dimensions=[float(edge) for edge in fixture.size])
    turn = quaternion_from_euler(*fixture.rpy)
    pose = _pose([*fixture.position, *turn])
    added = CollisionObject(id=fixture.name, primitives=[box], primitive_poses=[pose], operation=CollisionObject.ADD)
    added.header.frame_id = frame
    return added
