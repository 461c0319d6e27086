"""A stand-in for ROS 2's `launch_ros` (branch jazzy): the action Node."""
