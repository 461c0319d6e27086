"""Between observations, text and actions and the network's arrays. No torch."""
