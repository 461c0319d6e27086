"""Policies behind a socket: `vipa serve`, and the clients of policies that others serve. No ROS."""
