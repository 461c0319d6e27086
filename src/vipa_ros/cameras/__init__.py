"""Cameras as topics: the simulated cell's publisher, the policy's reader."""
