"""Help texts of one form for all verbs: paragraphs are refilled, indented lines are kept, defaults that say something are shown."""

import argparse
import re
import textwrap

from vipa.errors import meant


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


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, and what was meant where a name is nearly right; argparse prints all options first."""

    def parse_known_args(self, args=None, namespace=None):
        self._given = args
        found, left = super().parse_known_args(args, namespace)
        if left:  # here, where the options are known; argparse hands them up to the parser of all verbs
            self.error(f"unknown argument {' '.join(left)}; allowed: none")
        return found, left

    def error(self, message):
        """Prints why and exits with 2."""
        options = [name for name in self._option_string_actions if name.startswith("--")]
        given = [text.partition("=")[0] for text in self._given or () if str(text).startswith("--")]
        strange = [text for text in given if text != "--" and not any(name.startswith(text) for name in options)]
        if strange:
            message = f"unknown option {strange[0]}{meant(strange[0], options)}"
        elif found := re.match(r"argument (\S+): invalid choice: '(.*)' \(choose from (.*)\)$", message):
            names = re.findall(r"'([^']*)'", found[3])
            message = f"argument {found[1]}: unknown '{found[2]}'{meant(found[2], names)}; allowed: {', '.join(names)}"
        self.exit(2, f"{self.prog}: {message}. See {self.prog} --help\n")


def subverbs(parser: argparse.ArgumentParser, metavar: str = "ACTION"):
    """What `verb(…)` adds the actions of a verb to, as `info` and `repair` of `vipa bag`. The chosen one is `args.action`."""
    return parser.add_subparsers(dest="action", metavar=metavar, required=True)


def verb(verbs, name: str, help_: str, description: str = "") -> argparse.ArgumentParser:
    """Adds action `name`; without a description its help, as a sentence, stands for one."""
    text = description or f"{help_[0].upper()}{help_[1:]}."
    return verbs.add_parser(name, help=help_, description=text, formatter_class=Formatter)
