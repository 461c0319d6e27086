"""Whoever wants the robot to move: the protocol, the expert, the policies."""
