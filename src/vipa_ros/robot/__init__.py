"""The wires to a robot's own driver: state, recovery, homing."""
