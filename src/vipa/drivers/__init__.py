"""Real robots' own controllers: what they say of themselves and what they can be asked. No ROS."""
