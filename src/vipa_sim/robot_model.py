"""The robot's URDF as a MuJoCo specification: servos, mimic joints, wrench sensors and cameras added."""

from collections.abc import Sequence
from xml.sax.saxutils import quoteattr

import mujoco
import numpy as np

from vipa.errors import VipaError
from vipa.robot import urdf
from vipa.robot.description import Camera, Group, Robot
from vipa_sim import contacts, geometry, textures
from vipa_sim.screw_drive import ScrewDrive

VISUAL, HIDDEN = 1, 3  # geom groups: drawn, and collision shapes that are not

ARMATURE = 0.1  # kg m², reflected inertia of an arm's motors
STIFFNESS_PER_EFFORT = 120.0  # (N m / rad) per N m: an acceleration at the torque limit costs 8 mrad
# of a hand's joints by its kind: stiffness, and reflected inertia of the motor. N/m and kg where fingers slide: a squeeze of a
# few mm past contact already presses with full force. N m/rad and kg m² where they turn: likewise of a degree
HANDS = {"parallel": (1.0e4, 0.1), "six_joint": (100.0, 2.0e-3)}

_COMPILER = '<mujoco><compiler strippath="true" discardvisual="false" fusestatic="false" balanceinertia="true" meshdir="{}"/></mujoco>'


def load(robot: Robot) -> mujoco.MjSpec:
    """The URDF of `robot` as a specification without world, servos or cameras.

    Bodies carry the names of the links, the root link too. Raises VipaError if the file cannot be read.
    """
    text = urdf.read(robot)
    tag = text.find("<robot")
    end = text.index(">", tag) + 1
    try:
        folder = quoteattr(str(robot.urdf_path.resolve().parent / "meshes"))[1:-1]  # where `vipa robot add` puts them
        spec = mujoco.MjSpec.from_string(text[:end] + _COMPILER.format(folder) + text[end:])
    except ValueError as error:
        raise VipaError(f"{robot.urdf_path}: {' '.join(str(error).split())}") from None
    for geom in spec.geoms:
        if geom.contype or geom.conaffinity:
            geom.group = HIDDEN
        else:
            geom.group = VISUAL
            _paint(spec, geom)
    for body in spec.bodies:
        body.gravcomp = 1.0
    return spec


def add_servos(spec: mujoco.MjSpec, robot: Robot) -> None:
    """Position servos with velocity feed-forward for every driven joint, named as the joint; stiff mimic couplings."""
    for equality in spec.equalities:
        if equality.type == mujoco.mjtEq.mjEQ_JOINT:
            # the default would let a finger yield by centimetres under the grip
            equality.solref = [0.004, 1.0]
            equality.solimp = [0.99, 0.999, 0.001, 0.5, 2.0]
    for group in robot.groups:
        for joint in group.joints:
            _find_joint(spec, joint, robot).armature = ARMATURE
            effort = float(spec.joint(joint).actfrcrange[1])
            stiffness = STIFFNESS_PER_EFFORT * effort
            # damping ratio near 1 for the inertia a joint of this size moves
            inertia = ARMATURE + 0.012 * effort
            _add_servo(spec, joint, stiffness, 2.0 * np.sqrt(stiffness * inertia), effort)
        if group.hand:
            hand_stiffness, armature = HANDS[group.hand.kind]
            for joint in group.hand.joints:
                followers = [e.name1 for e in spec.equalities if e.name2 == joint]
                for name in [joint, *followers]:
                    _find_joint(spec, name, robot).armature = armature
                    # the servo is the limit, not the URDF's effort of one finger
                    spec.joint(name).actfrclimited = False
                fingers = 1 + len(followers)
                # one motor drives all fingers: each presses with hand.force
                damping = 2.0 * np.sqrt(hand_stiffness * armature * fingers)
                _add_servo(spec, joint, hand_stiffness, damping, (group.hand.holds or group.hand.force) * fingers)
            for link in group.hand.fingers:
                for geom in spec.body(link).geoms:
                    if geom.group == HIDDEN:
                        contacts.set_finger(geom)


def screws(model: mujoco.MjModel, group: Group) -> ScrewDrive | None:
    """The screws that drive the hand of `group`, None: it has none that lock."""
    if group.hand is None or group.hand.holds is None:
        return None
    followed = [model.joint(joint).id for joint in group.hand.joints]
    coupled = [int(joint) for joint in model.eq_obj2id[model.eq_type == mujoco.mjtEq.mjEQ_JOINT]]
    force = [group.hand.force * (1 + coupled.count(joint)) for joint in followed]
    return ScrewDrive(HANDS[group.hand.kind][0], np.array(force))


def add_wrench_sensor(spec: mujoco.MjSpec, group: Group) -> None:
    """Force and torque between the arm and its hand, taken at the tool frame: sensors `<group>_force`, `<group>_torque`.

    They measure at the hand body: the first body from the tool frame towards the base that has mass.
    """
    spec.body(group.tool_frame).add_site(name=f"{group.name}_tool", group=HIDDEN)
    hand = spec.body(group.tool_frame)
    offset, rotation = np.zeros(3), np.eye(3)
    while hand.mass == 0 and hand.parent.name != "world":
        turn = np.zeros(9)
        mujoco.mju_quat2Mat(turn, hand.quat)
        offset = hand.pos + turn.reshape(3, 3) @ offset
        rotation = turn.reshape(3, 3) @ rotation
        hand = hand.parent
    site = hand.add_site(name=f"{group.name}_wrench", group=HIDDEN, pos=offset, quat=geometry.matrix_quat(rotation))
    for kind, sensor in (("force", mujoco.mjtSensor.mjSENS_FORCE), ("torque", mujoco.mjtSensor.mjSENS_TORQUE)):
        spec.add_sensor(name=f"{group.name}_{kind}", type=sensor, objtype=mujoco.mjtObj.mjOBJ_SITE, objname=site.name)


def add_cameras(spec: mujoco.MjSpec, cameras: Sequence[Camera]) -> None:
    """MuJoCo cameras where the robot file puts them. Raises VipaError for an unknown parent link."""
    for camera in cameras:
        body = spec.worldbody if camera.parent == "world" else spec.body(camera.parent)
        if body is None:
            links = ", ".join(b.name for b in spec.bodies)
            raise VipaError(f"camera '{camera.name}': unknown parent '{camera.parent}'; allowed: {links}")
        body.add_camera(
            name=camera.name, pos=camera.position, quat=geometry.camera_quat(camera.rpy), fovy=camera.vertical_fov
        )
        if body.name != "world":
            _add_housing(body, camera)


def _paint(spec, geom):
    """Give a visual of the URDF its colour as a material, with the sheen of painted metal or of rubber."""
    name = "robot_" + "".join(f"{round(255 * float(c)):02x}" for c in geom.rgba[:3])
    if spec.material(name) is None:
        bright = float(np.mean(geom.rgba[:3]))
        textures.add_material(spec, name, geom.rgba, specular=0.1 + 0.4 * bright, shininess=0.2 + 0.4 * bright)
    geom.material = name
    geom.rgba = [0.5, 0.5, 0.5, 1.0]  # MuJoCo's "not set": any other colour hides the material's


def _add_housing(body, camera):
    """What is seen of a camera on a link: a small box behind its lens. The lens itself looks out of its front."""
    turn = geometry.rpy_matrix(camera.rpy)
    quat = geometry.matrix_quat(turn)
    for depth, size, rgba in (
        (-0.012, (0.044, 0.044, 0.022), [0.62, 0.64, 0.67, 1]),
        (-0.003, (0.038, 0.016, 0.005), [0.06, 0.06, 0.07, 1]),
    ):
        body.add_geom(
            type=mujoco.mjtGeom.mjGEOM_BOX, pos=np.array(camera.position) + turn @ [0, 0, depth], quat=quat,
            size=np.array(size) / 2, rgba=rgba, contype=0, conaffinity=0, group=VISUAL, mass=0,
        )  # fmt: skip


def _find_joint(spec, name, robot):
    joint = spec.joint(name)
    if joint is None:
        raise VipaError(f"{robot.name}: unknown joint '{name}'; allowed: {', '.join(j.name for j in spec.joints)}")
    return joint


def _add_servo(spec, joint, stiffness, damping, force):
    """force = stiffness (ctrl - q) - damping v, clipped; feed-forward is in ctrl = q + v damping / stiffness."""
    actuator = spec.add_actuator(name=joint, target=joint, trntype=mujoco.mjtTrn.mjTRN_JOINT)
    actuator.gaintype = mujoco.mjtGain.mjGAIN_FIXED
    actuator.biastype = mujoco.mjtBias.mjBIAS_AFFINE
    actuator.gainprm[0] = stiffness
    actuator.biasprm[1] = -stiffness
    actuator.biasprm[2] = -damping
    actuator.forcelimited = True
    actuator.forcerange = [-force, force]
