"""What the nodes share: topic table, message conversion, node start-up."""
