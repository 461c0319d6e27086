"""Trains a VIPA-VLA policy."""

from vipa_cli import parsers


def arguments(parser):
    from vipa_model.cli import train_arguments

    train_arguments(parser)
    parser.formatter_class = parsers.Formatter


def run(args) -> int:
    from vipa_model.cli import train_run

    return model_verb(train_run, args)


def model_verb(verb, args) -> int:
    """Carries out a verb of vipa_model, whose errors become VipaError."""
    from vipa.errors import VipaError

    try:
        return verb(args)
    except ModuleNotFoundError as error:
        raise VipaError(f"{error.name} is not installed; run: make train-env") from None
    except (ValueError, FileNotFoundError, ImportError, FloatingPointError) as error:
        raise VipaError(str(error)) from None
