"""Help texts of one form for all verbs: paragraphs are refilled, indented lines are kept, defaults that say something are shown."""

import argparse
import textwrap


class Formatter(argparse.HelpFormatter):
    """Refills paragraphs, keeps indented ones as they stand, and adds "(default: …)" where there is a default to know of."""

    def _fill_text(self, text, width, indent):
        parts = [part.strip("\n") for part in text.split("\n\n")]
        kept = [any(line.startswith("  ") for line in part.splitlines()) for part in parts]
        filled = [
            textwrap.indent(part, indent) if keep else super(Formatter, self)._fill_text(part, width, indent)
            for part, keep in zip(parts, kept, strict=True)
        ]
        return "\n\n".join(filled)

    def _get_help_string(self, action):
        text = action.help or ""
        silent = action.default is None or action.default is False or action.default in ("", [], argparse.SUPPRESS)
        if silent or action.required or "default:" in text or not (action.option_strings or action.nargs in ("?", "*")):
            return text
        return f"{text} (default: %(default)s)"


def subverbs(parser: argparse.ArgumentParser, metavar: str = "ACTION"):
    """What `verb(…)` adds the actions of a verb to, as `info` and `repair` of `vipa bag`. The chosen one is `args.action`."""
    return parser.add_subparsers(dest="action", metavar=metavar, required=True)


def verb(verbs, name: str, help_: str, description: str = "") -> argparse.ArgumentParser:
    """Adds action `name`; without a description its help, as a sentence, stands for one."""
    text = description or f"{help_[0].upper()}{help_[1:]}."
    return verbs.add_parser(name, help=help_, description=text, formatter_class=Formatter)
