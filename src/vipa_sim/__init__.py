"""The simulated cell: scenes, cameras, contact settings, ground truth. No ROS."""
