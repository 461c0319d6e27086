"""moveit.planning of the stand-in."""

import threading
import xml.etree.ElementTree as ElementTree
from contextlib import contextmanager, suppress
from types import SimpleNamespace

import numpy as np
import rclpy
import yaml
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from moveit import note


class MoveItPy:
    def __init__(self, node_name="moveit_py", name_space="", launch_params_filepaths=None, config_dict=None,
                 provide_planning_service=True, remappings=None):  # fmt: skip
        self.parameters = yaml.safe_load(yaml.dump({node_name: {"ros__parameters": config_dict}}))[node_name][
            "ros__parameters"
        ]
        assert self.parameters["planning_pipelines"]["pipeline_names"] == ["ompl"]
        semantic = ElementTree.fromstring(self.parameters["robot_description_semantic"])
        self.chains = {g.get("name") for g in semantic.findall("group") if g.find("chain") is not None}
        self.joints = {
            state.get("group"): [joint.get("name") for joint in state.findall("joint")]
            for state in semantic.findall("group_state")
            if state.get("name") == "home"
        }
        self.heard, self.positions = threading.Event(), {}
        context = rclpy.Context()
        rclpy.init(args=[], context=context)
        node = rclpy.create_node("stand_in", context=context)
        node.create_subscription(JointState, "/joint_states", self._on_joint_state, 10)
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(node)
        threading.Thread(target=self._spin, args=(executor,), daemon=True).start()
        urdf = ElementTree.fromstring(self.parameters["robot_description"])
        children = {joint.find("child").get("link") for joint in urdf.findall("joint")}
        self.model_frame = next(link.get("name") for link in urdf.findall("link") if link.get("name") not in children)
        self.objects = set()
        note(made=node_name)

    @staticmethod
    def _spin(executor):
        with suppress(ExternalShutdownException):
            executor.spin()

    def _on_joint_state(self, msg):
        self.positions = dict(zip(msg.name, msg.position, strict=True))
        self.heard.set()

    def get_robot_model(self):
        return self

    def get_planning_scene_monitor(self):
        return self

    @contextmanager
    def read_write(self):
        yield SimpleNamespace(
            apply_collision_object=self._apply, knows_frame_transform=lambda name: name in self.objects
        )

    def _apply(self, thing):
        """Objects in frames that are not known are dropped without a word: behind a fixed virtual joint the world is none."""
        if thing.header.frame_id == self.model_frame:
            self.objects.add(thing.id)
        note(object=thing.id, frame=thing.header.frame_id, size=list(thing.primitives[0].dimensions))

    def get_planning_component(self, planning_component_name):
        if planning_component_name not in self.chains:
            raise RuntimeError(f"Planning group '{planning_component_name}' does not exist")
        return PlanningComponent(planning_component_name, self)


class PlanRequestParameters:
    def __init__(self, moveit_cpp, ns):
        self.__dict__ |= moveit_cpp.parameters["plan_request_params"]


class PlanningComponent:
    def __init__(self, name, moveit):
        self.name, self.moveit, self.goal, self.start = name, moveit, None, None

    def set_start_state_to_current_state(self):
        assert self.moveit.heard.wait(30)
        self.start = dict(self.moveit.positions)

    def set_goal_state(self, configuration_name=None, robot_state=None, pose_stamped_msg=None, pose_link=None,
                       motion_plan_constraints=None):  # fmt: skip
        given = [configuration_name, robot_state, pose_stamped_msg, motion_plan_constraints]
        if sum(g is not None for g in given) > 1:
            raise ValueError("Cannot specify both")
        if (pose_stamped_msg is None) != (pose_link is None):
            raise ValueError("Must specify both message and corresponding link")
        if not any(g is not None for g in given):
            raise ValueError("Must specify at least one argument")
        self.goal = robot_state

    def plan(self, single_plan_parameters=None, multi_plan_parameters=None, planning_scene=None,
             solution_selection_function=None, stopping_criterion_callback=None):  # fmt: skip
        assert single_plan_parameters.planning_pipeline == "ompl"
        if self.goal is None:  # it has no inverse kinematics
            return Response(None, -31)
        goal = np.array(self.goal.groups[self.name])
        names = self.moveit.joints[self.name]
        start = np.array([self.start[name] for name in names])
        seconds = max(0.5, 3.0 * float(np.abs(goal - start).max()))
        msg = JointTrajectory(joint_names=names[::-1])  # any order
        for u in np.linspace(0, 1, 21):
            point = JointTrajectoryPoint(
                positions=(start + (3 * u**2 - 2 * u**3) * (goal - start))[::-1].tolist(),
                velocities=((6 * u - 6 * u**2) / seconds * (goal - start))[::-1].tolist(),
            )
            ns = round(u * seconds * 1e9)
            point.time_from_start.sec, point.time_from_start.nanosec = ns // 10**9, ns % 10**9
            msg.points.append(point)
        note(planned=self.name)
        return Response(SimpleNamespace(get_robot_trajectory_msg=lambda: SimpleNamespace(joint_trajectory=msg)), 1)


class Response:
    def __init__(self, trajectory, code):
        self.trajectory, self.error_code = trajectory, SimpleNamespace(val=code)

    def __bool__(self):
        return self.error_code.val == 1
