"""mink's differential IK on the benchmark's stream, where mink is installed: the same arm, boxes, targets, margins and solver."""

import importlib.util
import time
from collections.abc import Sequence

import numpy as np

from vipa.motion.servo import ACTIVATION_M, ROTATION_WEIGHT_M
from vipa.robot.description import Robot
from vipa.robot.fixture import Fixture
from vipa.robot.kinematics import Kinematics


def installed() -> bool:
    """Whether mink and its solvers are there."""
    return all(importlib.util.find_spec(name) is not None for name in ("mink", "qpsolvers"))


def times(robot: Robot, fixtures: Sequence[Fixture], targets: list[dict[str, np.ndarray]]) -> tuple[list[float], int]:
    """Seconds of each step that follows `targets` (tool poses (7,) in the base frame, by arm), and the number of pairs of shapes
    that mink keeps apart: those of links among each other and with `fixtures`, within the distance at which ours get a row."""
    import mink
    import mujoco

    from vipa_sim import robot_model

    spec = robot_model.load(robot)
    for f in fixtures:
        box = spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_BOX, size=np.array(f.size) / 2, pos=f.position)
        box.group = robot_model.VISUAL
    model = spec.compile()
    links = [
        g
        for g in range(model.ngeom)
        if model.geom_group[g] == robot_model.HIDDEN and (model.geom_contype[g] or model.geom_conaffinity[g])
    ]
    boxes = [g for g in range(model.ngeom) if model.geom_bodyid[g] == 0]
    kinematics = Kinematics(robot)
    configuration = mink.Configuration(model)
    q = configuration.q.copy()
    for name, value in zip(kinematics.joint_names, kinematics.home, strict=True):
        q[model.joint(name).qposadr[0]] = value
    configuration.update(q)
    tasks = [mink.FrameTask(g.tool_frame, "body", 1.0, ROTATION_WEIGHT_M) for g in robot.arms]
    posture = mink.PostureTask(model, cost=0.05)
    posture.set_target(q)
    avoid = mink.CollisionAvoidanceLimit(
        model,
        [(links, links), (links, boxes)],
        minimum_distance_from_collisions=robot.margin,
        collision_detection_distance=ACTIVATION_M,
    )
    speeds = {j: v for g in robot.groups for j, v in zip(g.joints, g.max_velocity)}
    limits = [mink.ConfigurationLimit(model), mink.VelocityLimit(model, speeds), avoid]
    bases = {g.name: kinematics.groups[g.name].base for g in robot.arms}
    spent, dt = [], 1.0 / robot.control_rate
    for wanted in targets:
        clock = time.perf_counter()
        for group, task in zip(robot.arms, tasks):
            pose, base = wanted[group.name], bases[group.name]
            rotation = mink.SO3(np.roll(pose[3:], 1))
            here = mink.SE3.from_rotation_and_translation(rotation, pose[:3])
            task.set_target(mink.SE3.from_matrix(base.homogeneous) @ here)
        v = mink.solve_ik(configuration, [*tasks, posture], dt, solver="daqp", damping=1e-3, limits=limits)
        configuration.integrate_inplace(v, dt)
        spent.append(time.perf_counter() - clock)
    return spent, len(avoid.geom_id_pairs)
