"""Preflight: is this cell fit to move? Judgements of what was heard of it; no ROS."""
