"""What a robot is: its description, its state, its kinematics. No ROS."""
