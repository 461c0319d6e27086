"""A checkpoint at work: policy, runtimes, export."""
