"""Things that stand in scenes."""
