"""How evenly an arm can move its tool from where it stands: far from singular, or stretched out."""

import numpy as np

NEAR_SINGULAR = 0.03  # arms of the robots that ship have 0.10 to 0.11 at home, a straight one 0


def conditioning(jacobian: np.ndarray, length: float) -> float:
    """Smallest over largest singular value of a tool's Jacobian (6, J), 0 (singular) to 1.

    length: metres, the arm's, by which the linear rows are divided: a metre then counts as a radian does at the arm's end.
    """
    values = np.linalg.svd(np.vstack([jacobian[:3] / length, jacobian[3:]]), compute_uv=False)
    return float(values[-1] / values[0]) if values[0] > 0 else 0.0
