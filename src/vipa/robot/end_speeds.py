"""How fast joints may near the ends of their ranges, where the arm itself sets such a limit."""

from collections.abc import Sequence

import numpy as np

from vipa.robot.description import Group


class EndSpeeds:
    """Speed limits of J joints by position: towards an end of its range a joint may go sqrt(2 deceleration room) - offset, `room` being the
    way that is left to that end, and not at all where this is below nought. Joints whose group sets none go as fast as they like.

    Args:
        groups: whose joints they are, in their order.
        lower, upper: (J,) radians, the ends: the URDF's limits.
    """

    def __init__(self, groups: Sequence[Group], lower: np.ndarray, upper: np.ndarray):
        self.lower, self.upper = lower, upper
        self.any = any(group.end_limits is not None for group in groups)
        deceleration: list[float] = []
        offset: list[float] = []
        for group in groups:
            spec, free = group.end_limits, len(group.joints)
            deceleration += spec.deceleration if spec is not None else [np.inf] * free
            offset += spec.offset if spec is not None else [0.0] * free
        self._twice, self._offset = 2.0 * np.array(deceleration), np.array(offset)

    def at(self, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Smallest and largest velocities at `q` (..., J), rad/s, each (..., J): at most nought and at least nought."""
        room = np.array((q - self.lower, self.upper - q))
        # a hair of room, so that an unlimited joint at its very end is 0 * inf no more
        back, on = np.maximum(np.sqrt(self._twice * np.maximum(room, 1e-12)) - self._offset, 0.0)
        return -back, on
