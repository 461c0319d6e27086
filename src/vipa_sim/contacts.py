"""Contact settings that hold what is grasped, and reading contacts back."""

import mujoco

PHYSICS_RATE_HZ = 500.0  # Hz; a tick of the cell is a whole number of these steps


def set_options(spec: mujoco.MjSpec, timestep: float) -> None:
    """Solver options: elliptic cone, high impratio and no-slip passes, without which thin objects creep out of a grasp."""
    spec.option.timestep = timestep
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    spec.option.impratio = 10
    spec.option.noslip_iterations = 5
    spec.option.iterations = 50


def set_finger(geom: mujoco.MjsGeom) -> None:
    """Make `geom` a rubber fingertip: its parameters win over those of what it touches."""
    geom.priority = 1
    geom.condim = 6
    geom.friction = [1.5, 0.05, 0.0005]
    geom.solref = [0.004, 1.0]


def set_object(geom: mujoco.MjsGeom, rolling: float = 0.0005) -> None:
    """Make `geom` a loose thing that comes to rest. rolling: metres; a ball stops on a slope below rolling / radius."""
    geom.condim = 6
    geom.friction = [0.9, 0.01, rolling]
    geom.solref = [0.006, 1.0]


def set_cloth(geom: mujoco.MjsGeom) -> None:
    """Make `geom` a soft cloth that slides: its parameters win over all others'."""
    geom.priority = 2
    geom.condim = 4
    geom.friction = [0.3, 0.005, 0.0001]
    geom.solref = [0.045, 1.0]  # 3 kN/m in a hand


def normal_force(data: mujoco.MjData, first: int, second: int) -> float:
    """Newtons that press the geoms with the ids `first` and `second` on each other."""
    contact = data.contact
    if not data.ncon:
        return 0.0
    pairs = contact.geom
    of = ((pairs[:, 0] == first) & (pairs[:, 1] == second)) | ((pairs[:, 0] == second) & (pairs[:, 1] == first))
    rows = contact.efc_address[of]
    return float(data.efc_force[rows[rows >= 0]].sum())  # an elliptic cone's first row is its normal


def touching(model: mujoco.MjModel, data: mujoco.MjData, names: list[str]) -> frozenset[tuple[str, str]]:
    """Pairs of bodies in contact, each sorted by name. names: body id → name."""
    contact = data.contact
    if not data.ncon:
        return frozenset()
    bodies = model.geom_bodyid[contact.geom[contact.dist <= 0.0]]
    return frozenset((names[a], names[b]) if names[a] < names[b] else (names[b], names[a]) for a, b in bodies.tolist())
