"""The learned policy as a commander: observations in, action chunks out. No ROS."""
