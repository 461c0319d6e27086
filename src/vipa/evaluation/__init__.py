"""Randomised paired trials: plans, what is written of them, and what their numbers allow one to say."""
