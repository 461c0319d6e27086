"""Scripted commander that knows the cell's ground truth, a file a skill. No ROS."""
