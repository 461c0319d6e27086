"""The timeline of a report as rows of bars: sub-tasks, motion modes, clamps, refusals, stops."""

from vipa.motion.chunk import Mode
from vipa.recording.timeline import Timeline


def timeline_rows(timeline: Timeline) -> list[dict]:
    """Rows of the timeline: label and bars (left and width in per cent of the episode, class, tooltip)."""
    rows = []
    final = timeline.states[-1].subtasks if timeline.states else ()
    for number, subtask in enumerate(final):
        first = next((s for s in timeline.states if _status(s, number) != "pending"), None)
        if first is None:
            rows.append({"label": subtask.name, "bars": []})
            continue
        begin = max(0.0, timeline.seconds(first.stamp_ns))
        end = subtask.t_done if subtask.t_done is not None else timeline.duration
        when = f"done at {subtask.t_done:.1f} s" if subtask.t_done is not None else subtask.status
        rows.append(
            {
                "label": subtask.name,
                "bars": [_bar(timeline, min(begin, end), end, subtask.status, f"{subtask.name}: {when}")],
            }
        )
    bars = [
        _bar(
            timeline,
            timeline.seconds(m.start_ns),
            timeline.seconds(m.end_ns),
            m.mode.name.lower(),
            _span_text(timeline, m),
        )
        for m in timeline.modes
    ]
    rows.append({"label": "motion", "bars": bars})
    for label, kind, events in (("clamps", "clamp", timeline.clamps), ("refused chunks", "refusal", timeline.refusals)):
        if events:
            marks = [
                _bar(
                    timeline,
                    timeline.seconds(at),
                    timeline.seconds(at),
                    kind,
                    f"{timeline.seconds(at):.2f} s: {n} more",
                )
                for at, n in events
            ]
            rows.append({"label": label, "bars": marks, "total": sum(n for _, n in events)})
    if timeline.stops:
        marks = [
            _bar(
                timeline,
                timeline.seconds(at),
                timeline.seconds(at),
                "stop",
                f"{timeline.seconds(at):.2f} s: {why or 'stop'}",
            )
            for at, why in timeline.stops
        ]
        rows.append({"label": "e-stops", "bars": marks, "total": len(marks)})
    return rows


def _status(state, number: int) -> str:
    return state.subtasks[number].status if number < len(state.subtasks) else "pending"


def _span_text(timeline: Timeline, span) -> str:
    return f"{Mode(span.mode).name.lower()}: {timeline.seconds(span.start_ns):.1f} to {timeline.seconds(span.end_ns):.1f} s"


def _bar(timeline: Timeline, begin: float, end: float, kind: str, text: str) -> dict:
    total = max(timeline.duration, 1e-9)
    left = min(max(begin / total, 0.0), 1.0)
    width = min(max((end - begin) / total, 0.004), 1.0)  # so that an instant can be seen
    left = min(left, 1.0 - width)
    return {"left": round(1000 * left, 1), "width": round(1000 * width, 1), "kind": kind, "text": text}


def axis(duration: float) -> list[tuple[float, str]]:
    """(per cent, label) of the timeline's ticks."""
    if duration <= 0:
        return []
    step = next((s for s in (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300) if duration / s <= 7), 600)
    return [(100 * k * step / duration, f"{k * step:g}") for k in range(int(duration / step) + 1)]
