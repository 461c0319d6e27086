"""Bags: written, repaired, read. No ROS."""
