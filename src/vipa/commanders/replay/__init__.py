"""What was done once, done again: a recorded episode as a commander."""
