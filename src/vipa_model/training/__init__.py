"""The training loop, its stages and its set-up."""
