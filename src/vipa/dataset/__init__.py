"""Demonstrations as a LeRobotDataset v3.0: written, read, checked, built from bags. No ROS, no torch. See docs/dataset.md."""
