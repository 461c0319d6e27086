"""The web console without ROS: what it knows, what it is asked, what it serves."""
