"""The verbs of the `vipa` command. Modules import what they need when they run, so that `vipa --help` is quick."""
