"""Tasks, their sub-tasks and checks, and the scoring of episodes. No ROS."""
