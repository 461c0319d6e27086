"""A picture of a robot for people: at home, with what its arms reach."""

import mujoco
import numpy as np

from vipa.robot.description import Robot
from vipa.robot.kinematics import Kinematics
from vipa_sim import gl, robot_model, tabletop
from vipa_sim.robot_model import VISUAL

SIZE = 960, 720
DOT = 0.012  # metres


def picture(robot: Robot, dots: list[tuple[np.ndarray, float]]) -> np.ndarray:
    """(H, W, 3) uint8 of `robot` at home on a floor. dots: (position (3,) in the world, share 0 to 1): from red to green. Raises
    VipaError where nothing can be drawn."""
    spec = robot_model.load(robot)
    tabletop.add_room(spec)
    spec.visual.global_.offwidth, spec.visual.global_.offheight = SIZE
    spec.visual.quality.offsamples = 4
    model = spec.compile()
    data = mujoco.MjData(model)
    for group in robot.groups:
        for joint, q in zip(group.joints, group.home, strict=True):
            data.qpos[model.joint(joint).qposadr[0]] = q
    mujoco.mj_forward(model, data)
    context = gl.context(*SIZE)
    mjr = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
    try:
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, mjr)
        scene, option, camera = mujoco.MjvScene(model, 3000), mujoco.MjvOption(), mujoco.MjvCamera()
        option.geomgroup[:], option.geomgroup[VISUAL] = 0, 1
        camera.lookat[:], camera.distance, camera.azimuth, camera.elevation = [0.35, 0.0, 0.3], 2.2, 130.0, -28.0
        mujoco.mjv_updateScene(model, data, option, None, camera, mujoco.mjtCatBit.mjCAT_ALL, scene)
        for position, share in dots:
            geom = scene.geoms[scene.ngeom]
            rgba = np.array([1 - share, 0.25 + 0.6 * share, 0.15, 0.85], np.float32)
            mujoco.mjv_initGeom(
                geom, mujoco.mjtGeom.mjGEOM_SPHERE, [DOT, 0, 0], np.asarray(position, float), np.eye(3).ravel(), rgba
            )
            scene.ngeom += 1
        rect, image = mujoco.MjrRect(0, 0, *SIZE), np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
        mujoco.mjr_render(rect, scene, mjr)
        mujoco.mjr_readPixels(image, None, rect, mjr)
    finally:
        mjr.free()
        context.free()
    return np.ascontiguousarray(image[::-1])


def world(robot: Robot, arm: str, positions: np.ndarray) -> np.ndarray:
    """(N, 3) in the world of `positions` (N, 3) in the base of `arm`."""
    base = Kinematics(robot).group(arm).base
    return positions @ base.rotation.T + base.translation
