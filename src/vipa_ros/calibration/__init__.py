"""Calibration of a running cell: guided poses and motions through the gate, pictures and joints as they come."""
