"""Universal Robots: robot mode, safety mode and whether its program runs, as ur_robot_driver publishes them on every change."""

from vipa.drivers.driver import DriverState

ROBOT_MODES = {-1: "no controller", 0: "disconnected", 1: "confirm safety", 2: "booting", 3: "power off", 4: "power on",
               5: "idle", 6: "backdrive", 7: "running", 8: "updating firmware"}  # fmt: skip
POWER_OFF, POWER_ON, IDLE, RUNNING = 3, 4, 5, 7
SAFETY_MODES = ("", "normal", "reduced", "protective stop", "recovery", "safeguard stop", "system emergency stop",
                "robot emergency stop", "violation", "fault", "validate joint id", "undefined", "automatic mode safeguard stop",
                "three position enabling stop")  # fmt: skip
NORMAL, REDUCED, PROTECTIVE_STOP, VIOLATION, FAULT = 1, 2, 3, 8, 9
BY_HAND = (5, 6, 7, 12, 13)  # a person pressed or opened something, and a person must undo it

UNLOCK, RESTART_SAFETY = "unlock_protective_stop", "restart_safety"
POWER, BRAKES, PROGRAM = "power_on", "brake_release", "resend_robot_program"


class Ur:
    """A UR robot as its driver tells of it: is it ready, and what leads back when it is not.

    robot_mode, safety_mode: of the newest messages. program: whether the robot runs the driver's program. None: not heard yet.
    """

    def __init__(self):
        self.robot_mode: int | None = None
        self.safety_mode: int | None = None
        self.program: bool | None = None

    def state(self) -> DriverState:
        if self.robot_mode is None or self.safety_mode is None or self.program is None:
            return DriverState(False, False, "silent", "no state of the UR robot: is its driver running?")
        safety = SAFETY_MODES[self.safety_mode] if self.safety_mode < len(SAFETY_MODES) else str(self.safety_mode)
        mode = f"{ROBOT_MODES.get(self.robot_mode, self.robot_mode)}, {safety}"
        if self.safety_mode not in (NORMAL, REDUCED):
            by_hand = self.safety_mode in BY_HAND
            return DriverState(
                False,
                by_hand or self.safety_mode == PROTECTIVE_STOP,
                mode,
                f"{safety}: " + ("release it by hand" if by_hand else "look why, then recover"),
            )
        if self.robot_mode != RUNNING:
            return DriverState(False, False, mode, f"the arm is not running but '{ROBOT_MODES.get(self.robot_mode)}'")
        return DriverState(
            self.program, False, mode, "" if self.program else "the driver's program does not run on the robot"
        )

    def recovery(self) -> str:
        if self.state().mode == "silent":
            return ""
        if self.safety_mode not in (NORMAL, REDUCED):
            return {PROTECTIVE_STOP: UNLOCK, VIOLATION: RESTART_SAFETY, FAULT: RESTART_SAFETY}.get(self.safety_mode, "")
        if self.robot_mode == RUNNING:
            return "" if self.program else PROGRAM
        return {POWER_OFF: POWER, POWER_ON: BRAKES, IDLE: BRAKES}.get(self.robot_mode, "")
