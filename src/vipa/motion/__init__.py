"""From action chunks to joint commands: buffer, servo, safety gate. No ROS."""
