"""Rotations for ROS messages: by tf_transformations where ROS provides it, by scipy elsewhere, with the same result."""

try:
    from tf_transformations import quaternion_from_euler
except ImportError:
    from scipy.spatial.transform import Rotation

    def quaternion_from_euler(ai: float, aj: float, ak: float):
        """Quaternion (4,) xyzw of turns by `ai`, `aj`, `ak` radians about the fixed axes x, y, z, in this order."""
        return Rotation.from_euler("xyz", [ai, aj, ak]).as_quat()
