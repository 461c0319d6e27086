"""The live checklist of a running episode in a terminal; where there is none, a line whenever something changes."""

import math
import sys
from dataclasses import dataclass

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

MARKS = {"pending": ("·", "dim"), "active": ("▸", "cyan"), "done": ("✓", "green"), "failed": ("✗", "red")}


@dataclass(frozen=True)
class Row:
    """A sub-task: status pending|active|done|failed, t_done seconds (NaN: not done), progress 0..1, evidence."""

    name: str
    status: str
    t_done: float
    progress: float
    evidence: str


class Checklist:
    """Context manager; `show` at every change or tick. One thread."""

    def __init__(self, stream=None):
        self.console = Console(file=stream or sys.stdout, highlight=False)
        self.live = Live(console=self.console, auto_refresh=False) if self.console.is_terminal else None
        self.said: dict[str, str] = {}

    def __enter__(self):
        if self.live:
            self.live.__enter__()
        return self

    def __exit__(self, *error):
        if self.live:
            self.live.__exit__(*error)

    def show(self, instruction: str, phase: str, elapsed: float, limit: float, rows: list[Row]) -> None:
        """The state now; elapsed and limit in seconds of ROS time."""
        if self.live:
            self.live.update(render(instruction, phase, elapsed, limit, rows), refresh=True)
            return
        if self.said.get("") != phase:
            self.said[""] = phase
            print(f"[{elapsed:6.1f} s] {phase}: {instruction}", file=self.console.file, flush=True)
        for row in rows:
            if self.said.get(row.name, "pending") != row.status:
                self.said[row.name] = row.status
                mark = MARKS[row.status][0]
                why = f", {row.evidence}" if row.status == "failed" and row.evidence else ""
                print(f"[{elapsed:6.1f} s] {mark} {row.name}: {row.status}{why}", file=self.console.file, flush=True)

    def note(self, words: str) -> None:
        """A line of text above the checklist."""
        self.console.print(Text(words))


def render(instruction: str, phase: str, elapsed: float, limit: float, rows: list[Row]) -> Table:
    """The checklist as a rich table."""
    table = Table.grid(padding=(0, 1), expand=True)
    for width in (1, max((len(row.name) for row in rows), default=1), 8):
        table.add_column(no_wrap=True, min_width=width)
    table.add_column(no_wrap=True, ratio=1)
    for row in rows:
        mark, style = MARKS[row.status]
        when = f"{row.t_done:6.1f} s" if not math.isnan(row.t_done) else ""
        bar = "" if row.status in ("done", "pending", "failed") else "━" * round(10 * row.progress)
        table.add_row(Text(mark, style), Text(row.name, style), when, Text(bar or row.evidence, "dim"))
    frame = Table.grid()
    frame.add_row(Text(instruction, "bold"))
    frame.add_row(table)
    frame.add_row(Text(f"{phase}, {elapsed:.1f} of {limit:.0f} s", "dim"))
    return frame
