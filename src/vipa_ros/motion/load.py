"""Load: the forces on the tools, and whether they are more than the arms may bear."""

import numpy as np

from vipa_ros.robot.description import Robot


class Load:
    """The newest wrench (6,) on each arm's tool, tool frame. Beyond the arm's force_cap it wants a stop.

    After a re-arm under load the retreat must be free: the load may fall, and not rise again.
    """

    def __init__(self, robot: Robot):
        self.limit(robot)
        self.wrenches: dict[str, np.ndarray] = {}
        self._borne: dict[str, float] = {}

    def limit(self, robot: Robot) -> None:
        """The force caps are those of `robot` now."""
        self._caps = {g.name: g.force_cap for g in robot.arms}

    def take(self, group: str, wrench: np.ndarray) -> str:
        """'' or why the arms must stop. Raises ValueError for what is no wrench of an arm."""
        wrench = np.asarray(wrench, float)
        if group not in self._caps or wrench.shape != (6,) or not np.all(np.isfinite(wrench)):
            raise ValueError(f"wrench of '{group}' dropped: shape {wrench.shape}, or not finite, or no arm")
        self.wrenches[group] = wrench
        force, cap = float(np.linalg.norm(wrench[:3])), self._caps[group]
        borne = self._borne[group] = min(self._borne.get(group, 0.0), force)
        return f"{force:.1f} N on the tool of {group}; allowed: {cap:g}" if force > max(cap, 1.1 * borne) else ""

    def rearm(self) -> None:
        """What is on the tools now is known and may stay."""
        self._borne = {name: float(np.linalg.norm(w[:3])) for name, w in self.wrenches.items()}
