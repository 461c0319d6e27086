"""Videos of people's hands in published layouts, as alignment data."""
