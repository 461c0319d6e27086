"""Exports a checkpoint to ONNX, so that it runs without torch."""

from vipa_model.cli import export_arguments as arguments  # noqa: F401  the model's own


def run(args) -> int:
    from vipa_cli.commands.train import model_verb
    from vipa_model.cli import export_run

    return model_verb(export_run, args)
