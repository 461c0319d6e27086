"""The web console's ears and hands in the graph."""
