"""Training data: frame stores, datasets, Hand3D-style records."""
