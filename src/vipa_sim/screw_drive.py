"""Joints of a hand that are driven by screws: a motor turns the screw as far as its force allows, and what presses on the joint does not
turn it back."""

import numpy as np


class ScrewDrive:
    """The screws of one hand's joints. stiffness: N m/rad between screw and joint. force: (H,) N m that each drives with at most."""

    def __init__(self, stiffness: float, force: np.ndarray):
        self._reach = force / stiffness  # radians between screw and joint at which a motor stalls

    def reset(self, positions: np.ndarray) -> None:
        """The joints stand at `positions` (H,) with no load."""
        self._screw = np.array(positions, float)

    def follow(self, wanted: np.ndarray, joints: np.ndarray) -> np.ndarray:
        """Where the screws stand (H,) radians, having been sent to `wanted` (H,) with the joints at `joints` (H,)."""
        ahead = np.maximum(self._screw, np.minimum(wanted, joints + self._reach))
        back = np.minimum(self._screw, np.maximum(wanted, joints - self._reach))
        self._screw = np.where(wanted > self._screw, ahead, back)
        return self._screw
