"""The ROS shell of the VIPA stack: thin nodes over the domain, and what starts them."""
