"""The domain of the VIPA stack: robots, motion, tasks, commanders, recordings, datasets. Imports no ROS and no simulator."""

__version__ = "0.1.0"
