"""`vipa bench alignment`: what checkpoints say of where things are, beside who looks at no picture."""

from __future__ import annotations

import json
from pathlib import Path


def run(
    checkpoints: list[Path],
    data: list[Path],
    count: int,
    out: Path | None,
    threads: int = 1,
    without_depth: bool = False,
) -> None:
    """Scores each checkpoint on the questions of `data` (JSONL; drawn scenes, or Hand3D-style records, of which the first file is asked), prints a table and writes the figures to `out`."""
    import torch
    from rich.console import Console
    from rich.progress import Progress

    from vipa.errors import VipaError
    from vipa.files import write_json
    from vipa_model.data.alignment import drawn
    from vipa_model.runtime.alignment_score import constant_answer, score_checkpoint
    from vipa_model.runtime.answer_score import constant_words, score_answers

    torch.set_num_threads(threads)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
    try:
        constant, score = constant_answer, score_checkpoint
        if not drawn(data[0]):
            constant, score, data = constant_words, score_answers, data[:1]
        found = {"no picture": constant(data, count)}
        with Progress(console=Console(stderr=True)) as bar:
            for checkpoint in checkpoints:
                line = bar.add_task(str(checkpoint), total=1.0)
                said = score(
                    checkpoint, data, count, lambda part, line=line: bar.update(line, completed=part), without_depth
                )
                found[str(checkpoint)] = said
    except (ValueError, FileNotFoundError) as error:
        raise VipaError(str(error)) from None
    print(table(found))
    if out is not None:
        write_json(out, json.loads(json.dumps(found)))


def table(found: dict[str, dict]) -> str:
    """A line each for checkpoint and kind of question."""
    head = (
        f"{'checkpoint':28}{'question':24}{'n':>6}{'distance error, m':>20}{'direction of 3':>16}{'point error, m':>17}"
    )
    lines = [head, f"{'':58}{'mean (median)':>20}{'':16}{'mean (median)':>17}"]
    for name, kinds in found.items():
        for kind, row in kinds.items():
            said = row["distance_error_m"] is not None
            distance = f"{row['distance_error_m']:.3f} ({row['distance_error_median_m']:.3f})" if said else ""
            direction = f"{row['direction_score']:.2f}" if said else ""
            point = (
                ""
                if row["point_error_m"] is None
                else f"{row['point_error_m']:.3f} ({row['point_error_median_m']:.3f})"
            )
            lines.append(f"{name[-27:]:28}{kind:24}{row['questions']:6}{distance:>20}{direction:>16}{point:>17}")
    return "\n".join(lines)
