"""What a fixed depth camera shows of a task: how far a drawer stands open, where a thing lies, how much ink is left. No ROS, no simulator."""
