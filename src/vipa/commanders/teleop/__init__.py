"""A person drives: devices, and the commander that turns what they say into action chunks."""
