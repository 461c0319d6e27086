"""How far long work is, on standard error."""

import sys


class Progress:
    """Says how far long work is, on stderr: in place on a terminal, else a line every tenth."""

    def __init__(self):
        self.said = 0

    def __call__(self, part: float) -> None:
        if sys.stderr.isatty():
            print(f"\r{100 * part:3.0f} %", end="\n" if part >= 1 else "", file=sys.stderr, flush=True)
        elif int(10 * part) > self.said:
            self.said = int(10 * part)
            print(f"{10 * self.said} %", file=sys.stderr, flush=True)
