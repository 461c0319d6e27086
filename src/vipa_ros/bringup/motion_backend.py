"""Which motion backend a graph gets: the one that was asked for, or what `auto` finds here."""

from vipa.errors import VipaError, unknown
from vipa.moveit.backend import MIN_RATE_HZ
from vipa.robot.description import Robot, load_robot
from vipa_ros.bringup import moveit_graph
from vipa_ros.bringup.process import ProcessSpec

BACKENDS = ("auto", "embedded", "moveit")
HELP = "embedded, moveit: poses by MoveIt Servo, or auto: in a real cell moveit where it is installed, else embedded"


def chosen(asked: str, robot: Robot, cell: str, speed: float = 1.0) -> dict[str, str]:
    """`motion_backend`, embedded or moveit, and `motion_backend_why`, empty unless `auto` was asked for.

    A simulated cell is embedded: its clock is not the wall's, which Servo keeps, and the in-process loop has no Servo. MoveIt that is
    asked for by name and cannot be had is an error where the graph starts; `auto` does without it and says why.

    Raises VipaError for an unknown name, and for a speed of simulation at which Servo cannot keep wall time.
    """
    if asked not in BACKENDS:
        raise unknown("motion backend", asked, BACKENDS)
    if asked == "moveit" and not 0 < speed <= 1:
        raise VipaError(f"speed {speed:g} with motion backend moveit, which keeps wall time; allowed: above 0, to 1")
    if asked != "auto":
        return {"motion_backend": asked}
    if cell == "sim":
        return _auto("embedded", "a simulated cell, whose clock need not be the wall's")
    if why := lacking(robot):
        return _auto("embedded", why)
    return _auto("moveit", "MoveIt Servo is installed")


def _auto(backend: str, why: str) -> dict[str, str]:
    return {"motion_backend": backend, "motion_backend_why": why}


def lacking(robot: Robot) -> str:
    """Why MoveIt Servo cannot solve the poses of `robot` on this host; empty if it can."""
    if robot.control_rate < MIN_RATE_HZ:
        return f"control_rate {robot.control_rate:g} Hz is below the {MIN_RATE_HZ:g} Hz that MoveIt Servo needs"
    try:
        moveit_graph.servo_nodes(robot, False)
    except VipaError as error:
        return str(error)
    return ""


def say(config) -> None:
    """Prints which backend `auto` took and why, for the person who starts the graph of `config`, which has been checked."""
    if config.motion_backend_why:
        print(f"motion backend {config.motion_backend} (auto: {config.motion_backend_why})", flush=True)


def servo_nodes(config) -> list[ProcessSpec]:
    """MoveIt's nodes that the motion backend of `config` needs. Raises VipaError where they cannot be had."""
    if config.motion_backend != "moveit":
        return []
    try:
        return moveit_graph.servo_nodes(load_robot(config.robot), config.cell == "sim")
    except VipaError as error:
        raise VipaError(f"{error}; or: motion backend embedded") from None
