"""What the task manager, the recorder and the operator say and ask around an episode."""
