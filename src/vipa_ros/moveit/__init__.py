"""The wires to MoveIt: Servo's topics and services, moveit_py's planner."""
