"""What ros2_control says of the controllers of arms and heads, and what of it motion cannot work with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vipa.motion.tracking import MAX_TRACKING_ERROR_RAD

ACTIVE = "active"
TYPE = "joint_trajectory_controller/JointTrajectoryController"
# either is enough; the elder one is the only one up to ros2_controllers 4.21
DESIRED, OPEN_LOOP = "interpolate_from_desired_state", "open_loop_control"
INTERPOLATION, SCALING = "interpolation_method", "speed_scaling.state_interface"


@dataclass(frozen=True)
class Controller:
    """state: ros2_control's word. type: its plugin. joints: those that it commands, none before it is configured."""

    state: str
    type: str = ""
    joints: tuple[str, ...] = ()


def controller_faults(controllers: Mapping[str, Controller], wanted: Mapping[str, Sequence[str]]) -> list[str]:
    """Why the arms cannot be moved by `controllers`, by name. wanted: the joints of each controller of the robot file."""
    faults = []
    for name, joints in wanted.items():
        found = controllers.get(name)
        if found is None:
            faults.append(f"{name} is not loaded; allowed: {ACTIVE}")
            continue
        if found.state != ACTIVE:
            faults.append(f"{name} is {found.state}; allowed: {ACTIVE}")
        if found.type != TYPE:
            faults.append(f"{name} is a {found.type or 'controller of unknown type'}; allowed: {TYPE}")
        elif found.state == ACTIVE:
            less, more = set(joints) - set(found.joints), set(found.joints) - set(joints)
            if less:
                faults.append(
                    f"{name} does not command {', '.join(sorted(less))}; allowed: all joints of the robot file"
                )
            if more:
                faults.append(f"{name} commands {', '.join(sorted(more))}; allowed: joints of the robot file")
    return faults


def parameter_names(joints: Sequence[str]) -> tuple[str, ...]:
    """The parameters of a trajectory controller of `joints` that matter here."""
    return (DESIRED, OPEN_LOOP, INTERPOLATION, SCALING, *(f"constraints.{joint}.trajectory" for joint in joints))


def parameter_faults(name: str, values: Mapping[str, object] | None) -> list[str]:
    """Why motion cannot command the controller `name` with the parameters `values`; None: it has not said."""
    if values is None:
        return [f"{name}: {DESIRED} is not known yet; allowed: true"]
    faults = []
    if True not in (values.get(DESIRED), values.get(OPEN_LOOP)):
        faults.append(f"{name}: {DESIRED} is false; allowed: true")
    if values.get(INTERPOLATION, "splines") != "splines":  # it leaps from point to point
        faults.append(f"{name}: {INTERPOLATION} is {values[INTERPOLATION]}; allowed: splines")
    if values.get(SCALING):  # it stretches time: a command no longer says where the arm is
        faults.append(f"{name}: {SCALING} is {values[SCALING]}; allowed: none")
    # an arm that lags by more leaps to where it is measured, before motion says that it does not follow
    tight = [key for key, value in values.items() if _tolerance(key) and 0.0 < _number(value) < MAX_TRACKING_ERROR_RAD]
    if tight:
        faults.append(f"{name}: {tight[0]} is {values[tight[0]]:g}; allowed: 0, or {MAX_TRACKING_ERROR_RAD:g} and more")
    return faults


def _tolerance(key: str) -> bool:
    return key.startswith("constraints.") and key.endswith(".trajectory")


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
