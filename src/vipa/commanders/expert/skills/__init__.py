"""What the expert can do with a named arm, a file a skill."""
