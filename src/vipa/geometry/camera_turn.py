"""How a camera turned, in the words of the paper's camera movement questions."""

import numpy as np
from scipy.spatial.transform import Rotation


def turn_words(before: np.ndarray, after: np.ndarray) -> str:
    """How a camera (rotations (3, 3), base from optical) turned, about the axis on which it turned most: ``left, 12.384 degrees``."""
    pitch, yaw, _ = Rotation.from_matrix(before.T.astype(np.float64) @ after).as_rotvec(degrees=True)
    if abs(yaw) >= abs(pitch):
        return f"{'right' if yaw > 0 else 'left'}, {abs(yaw):.3f} degrees"
    return f"{'up' if pitch > 0 else 'down'}, {abs(pitch):.3f} degrees"
