"""Planned moves (homing, pre-grasp, reset): one interface, our own planner or MoveIt's behind it. Planning moves nothing."""
