"""The VIPA deployment stack: domain packages without ROS, and thin ROS 2 nodes over them."""

__version__ = "0.1.0"
