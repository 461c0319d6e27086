"""Franka robots: the robot mode of franka_msgs/FrankaRobotState."""

from vipa.drivers.driver import DriverState

OTHER, IDLE, MOVE, GUIDING, REFLEX, USER_STOPPED, RECOVERING = range(7)
MODES = ("other", "idle", "move", "guiding", "reflex", "user stopped", "automatic error recovery")
ERROR_RECOVERY = "error_recovery"
STATE_TIMEOUT_S = 0.5  # seconds, monotonic: the state broadcaster speaks with every cycle of the controller manager
WHY = {
    OTHER: "the robot is in no mode that it names: look at Desk",
    GUIDING: "the robot is guided by hand: let go of it",
    REFLEX: "a reflex stopped the robot: look why, then recover",
    USER_STOPPED: "the stop button is pressed: release it",
    RECOVERING: "the robot recovers from an error",
}


class Franka:
    """mode: robot_mode of the newest state; errors: names of what is wrong; heard: the local clock's seconds of it."""

    def __init__(self):
        self.mode: int | None = None
        self.errors: tuple[str, ...] = ()
        self.heard = self.now = 0.0

    def state(self) -> DriverState:
        if self.mode is None or self.now - self.heard > STATE_TIMEOUT_S:
            return DriverState(False, False, "silent", "no state of the Franka robot: is its driver running?")
        word = MODES[self.mode] if self.mode < len(MODES) else str(self.mode)
        if self.mode in (IDLE, MOVE) and not self.errors:
            return DriverState(True, False, word)
        why = WHY.get(self.mode, "" if self.mode in (IDLE, MOVE) else WHY[OTHER])
        return DriverState(
            False, self.mode == USER_STOPPED, word, "; ".join(filter(None, [why, ", ".join(self.errors)]))
        )

    def recovery(self) -> str:
        return ERROR_RECOVERY if self.mode == REFLEX or (self.mode in (IDLE, MOVE) and self.errors) else ""
