"""The checklist in a terminal, and as lines where there is none."""

import io
import math

from rich.console import Console

from vipa.terminal.checklist import Checklist, Row, render

ROWS = [
    Row(
        "pick up watering can",
        "done",
        4.2,
        1.0,
        "can lifted 99 mm (wants > 50 mm), and a long tail of words that does not fit",
    ),
    Row("locate plant", "active", math.nan, 0.5, "can_nozzle misses plant by 120 mm"),
    Row("press spray handle", "pending", math.nan, 0.0, ""),
]


def test_names_and_times_are_never_cut_for_the_evidence():
    console = Console(file=io.StringIO(), width=60)
    console.print(render("water the plant", "running", 5.0, 60.0, ROWS))
    lines = console.file.getvalue().splitlines()
    assert "✓ pick up watering can    4.2 s" in lines[1] and lines[1].rstrip().endswith("…")
    assert "▸ locate plant" in lines[2] and "━━━━━" in lines[2]
    assert "running, 5.0 of 60 s" in lines[4]


def test_without_a_terminal_every_change_is_one_line():
    stream = io.StringIO()
    with Checklist(stream) as checklist:
        for _ in range(3):
            checklist.show("water the plant", "running", 5.0, 60.0, ROWS)
    assert stream.getvalue().splitlines() == [
        "[   5.0 s] running: water the plant",
        "[   5.0 s] ✓ pick up watering can: done",
        "[   5.0 s] ▸ locate plant: active",
    ]
