"""ROS 2 nodes: parameters in, messages in, one call into the domain, messages out."""
