"""Sets of trials: in-process on all cores, over the graph, on a real cell with a person."""
