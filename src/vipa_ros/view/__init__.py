"""The running graph in 3D, for viewers of others."""
