"""The graph as a list of processes, and what starts and ends them."""
