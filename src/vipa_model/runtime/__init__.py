"""A checkpoint at work: policy, backends, export."""
