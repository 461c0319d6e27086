"""Calibration: what a camera measures, where it stands, how late it and the robot are. From pictures and joints; no ROS."""
