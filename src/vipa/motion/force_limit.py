"""Load: forces and torques on the tools, and whether they are more than the arms may bear."""

import numpy as np

from vipa.robot.description import Robot

RELEASE_SHARE = 0.5  # share of the caps below which an arm that pressed too hard has let go
MAX_WRENCH_AGE_S = 0.1  # seconds of ROS time that a wrench may be old to say that an arm presses


class Load:
    """The newest wrench (6,) on each arm's tool, tool frame. Beyond the arm's force_cap or torque_cap it wants a stop.

    After a re-arm under load the retreat must be free: the load may fall, and not rise again.
    """

    def __init__(self, robot: Robot):
        self.limit(robot)
        self.wrenches: dict[str, np.ndarray] = {}
        self._stamps: dict[str, int] = {}
        self._borne: dict[str, np.ndarray] = {}
        self._pressing: dict[str, str] = {}  # arm → why
        self.loaded: set[str] = set()  # the arms that bear more than RELEASE_SHARE of a cap

    def limit(self, robot: Robot) -> None:
        """The caps are those of `robot` now."""
        self._caps = {g.name: np.array([g.force_cap, g.torque_cap]) for g in robot.arms}

    def take(self, group: str, wrench: np.ndarray, stamp_ns: int) -> str:
        """'' or why the arms must stop: one reason until the arm has let go. Raises ValueError for what is no wrench of an arm."""
        wrench = np.asarray(wrench, float)
        if group not in self._caps or wrench.shape != (6,) or not np.all(np.isfinite(wrench)):
            raise ValueError(f"wrench of '{group}' dropped: shape {wrench.shape}, or not finite, or no arm")
        self.wrenches[group], self._stamps[group] = wrench, stamp_ns
        load, caps = _magnitudes(wrench), self._caps[group]
        borne = self._borne[group] = np.minimum(self._borne.get(group, np.zeros(2)), load)
        over = load > np.maximum(caps, 1.1 * borne)
        if np.all(load <= RELEASE_SHARE * caps):
            self.loaded.discard(group)
            self._pressing.pop(group, None)
        else:
            self.loaded.add(group)
        if not over.any():
            return ""
        worst = int(np.argmax(np.where(over, load / caps, 0.0)))
        return self._pressing.setdefault(
            group, f"{load[worst]:.1f} {('N', 'Nm')[worst]} on the tool of {group}; allowed: {caps[worst]:g}"
        )

    def pressing(self, stamp_ns: int) -> set[str]:
        """The arms that were beyond a cap and have not let go since, as far as is known at the ROS time `stamp_ns`."""
        return {name for name in self._pressing if abs(stamp_ns - self._stamps[name]) <= MAX_WRENCH_AGE_S * 1e9}

    def rearm(self) -> None:
        """What is on the tools now is known and may stay."""
        self._borne = {name: _magnitudes(wrench) for name, wrench in self.wrenches.items()}
        self._pressing = {}


def _magnitudes(wrench: np.ndarray) -> np.ndarray:
    """Force (N) and torque (N m) of a wrench (6,)."""
    return np.array([np.linalg.norm(wrench[:3]), np.linalg.norm(wrench[3:])])
