"""Alignment data from the simulated cell: pictures of arranged scenes, and what can be asked about them."""
