"""The shells around commanders."""
