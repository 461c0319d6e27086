"""A person at a device: the shell around the commander `teleop`, the session, and what the screen shows."""
