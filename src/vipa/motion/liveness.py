"""Liveness: what motion must keep hearing to be allowed to move: fresh joint states, ROS time, the wrench of every arm.

Ages are ROS time, by stamps: in lock-step a slow machine slows them all alike.
"""

import numpy as np

# seconds that a joint state may be old: an older one waited in a queue while this process stood still
MAX_JOINT_STATE_AGE_S = 0.05
MAX_CLOCK_LAG_S = 0.15  # seconds that ROS time may lie behind the joint states: /clock has stopped
MAX_HAND_SKEW_S = 0.5  # seconds that the joint state of a hand may lie beside that of the arms
WRENCH_TIMEOUT_S = 0.1  # seconds between the wrenches of an arm; they come at 50 Hz
FROZEN_WRENCH_S = 0.2  # seconds of wrenches without any change: a sensor's noise changes every one
REARM_FAULT_S = 1.0  # seconds of a fault after which it wants a re-arm


class Liveness:
    """fault: '' or why nothing may be executed now. lasting: it has gone on for REARM_FAULT_S, after all was well.

    arms: names of the groups whose wrench must keep coming.
    """

    def __init__(self, arms: tuple[str, ...] = ()):
        self.fault, self.lasting = "", False
        self._wrench_ns: dict[str, int | None] = dict.fromkeys(arms)
        self._values: dict[str, tuple[int, bytes]] = {}  # since when a wrench is the same, and which
        self._since_ns = 0
        self._well = False

    def wrench(self, group: str, stamp_ns: int, wrench: np.ndarray) -> None:
        """A usable `wrench` (6,) of `group` came."""
        if group not in self._wrench_ns:
            return
        self._wrench_ns[group], value = stamp_ns, wrench.tobytes()
        if group not in self._values or self._values[group][1] != value:
            self._values[group] = stamp_ns, value

    @staticmethod
    def stale(stamp_ns: int, ros_ns: int) -> str:
        """'' or why a joint state of `stamp_ns` says nothing of where the robot is at the ROS time `ros_ns`."""
        if stamp_ns == 0:
            return "joint state: its stamp is zero"
        age = (ros_ns - stamp_ns) / 1e9
        return (
            f"joint state is {age:.2f} s old; allowed: {MAX_JOINT_STATE_AGE_S}" if age > MAX_JOINT_STATE_AGE_S else ""
        )

    def take(self, stamp_ns: int, ros_ns: int, hand_ns: int | None = None, slow: str = "") -> None:
        """A control step at the joint state of `stamp_ns` is due, and it is `ros_ns`. hand_ns: stamp of the hands' joint states.
        slow: '' or that joint states come too slowly."""
        before, self.fault = self.fault, slow or self._find(stamp_ns, ros_ns, stamp_ns if hand_ns is None else hand_ns)
        if not before:
            self._since_ns = stamp_ns
        self._well = self._well or not self.fault
        self.lasting = bool(self.fault) and self._well and (stamp_ns - self._since_ns) / 1e9 >= REARM_FAULT_S

    def _find(self, stamp_ns: int, ros_ns: int, hand_ns: int) -> str:
        behind = (stamp_ns - ros_ns) / 1e9
        if behind > MAX_CLOCK_LAG_S:
            return f"ROS time is {behind:.2f} s behind the joint states; allowed: {MAX_CLOCK_LAG_S}"
        if abs(apart := (stamp_ns - hand_ns) / 1e9) > MAX_HAND_SKEW_S:
            return f"the hands' joint states are {apart:.2f} s behind the arms'; allowed: {MAX_HAND_SKEW_S}"
        for group, wrench_ns in self._wrench_ns.items():
            if wrench_ns is None:
                return f"no wrench of {group} yet"
            if abs(silent := (stamp_ns - wrench_ns) / 1e9) > WRENCH_TIMEOUT_S:
                return f"no wrench of {group} for {silent:.2f} s; allowed: {WRENCH_TIMEOUT_S}"
            if (same := (wrench_ns - self._values[group][0]) / 1e9) > FROZEN_WRENCH_S:
                return f"the wrench of {group} is frozen: all six numbers the same for {same:.2f} s; allowed: {FROZEN_WRENCH_S}"
        return ""
