"""LeRobot's language columns (its datasets/language.py): the instruction, and the sub-task that is under way from when on."""

import numpy as np
import pyarrow as pa

_CALLS = pa.list_(pa.json_() if hasattr(pa, "json_") else pa.string())
_STRINGS = ("role", "content", "style")


def columns(instruction: str, subtasks: list[str], numbers: np.ndarray, fps: int) -> dict[str, pa.Array]:
    """`language_persistent` and `language_events` of an episode. numbers: (T,), the sub-task of each frame, of `subtasks`.

    Every frame holds all of the episode's rows, as LeRobot wants it; there are no events.
    """
    rows = [("user", instruction, "task_aug", 0.0)]
    changes = [0, *(np.flatnonzero(np.diff(numbers)) + 1)] if len(subtasks) else []
    rows += [("assistant", subtasks[numbers[k]], "subtask", float(k) / fps) for k in changes]
    return {
        "language_persistent": _lists(rows, len(numbers), timed=True),
        "language_events": _lists([], len(numbers), timed=False),
    }


def _lists(rows: list[tuple[str, str, str, float]], count: int, timed: bool) -> pa.ListArray:
    """`count` times the list of `rows`."""
    total = count * len(rows)
    parts = [pa.array([row[k] for row in rows] * count, pa.string()) for k in range(3)]
    fields = [pa.field(n, pa.string(), nullable=n != "role") for n in _STRINGS]
    if timed:
        parts.append(pa.array([row[3] for row in rows] * count, pa.float32()))
        fields.append(pa.field("timestamp", pa.float32(), nullable=False))
    parts += [pa.nulls(total, pa.string()), pa.nulls(total, _CALLS)]
    fields += [pa.field("camera", pa.string()), pa.field("tool_calls", _CALLS)]
    offsets = pa.array(np.arange(count + 1) * len(rows), pa.int32())
    return pa.ListArray.from_arrays(offsets, pa.StructArray.from_arrays(parts, fields=fields))
