"""Rotations for ROS messages: by tf_transformations where ROS provides it, by our own rotations elsewhere, with the same result."""

try:
    from tf_transformations import quaternion_from_euler
except ImportError:
    from vipa.geometry.rotation import from_rpy

    def quaternion_from_euler(ai: float, aj: float, ak: float):
        """Quaternion (4,) xyzw of turns by `ai`, `aj`, `ak` radians about the fixed axes x, y, z, in this order."""
        return from_rpy((ai, aj, ak))
