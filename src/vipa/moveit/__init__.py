"""MoveIt as planner and Servo: its configuration from the robot file, and what makes Servo's habits safe. No ROS."""
