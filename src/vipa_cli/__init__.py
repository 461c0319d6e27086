"""The `vipa` command."""
