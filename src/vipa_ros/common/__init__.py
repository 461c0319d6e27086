"""What all nodes share: message conversion, start-up, QoS, services."""
