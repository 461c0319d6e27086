"""How well a checkpoint answers Hand3D-style questions, whose true answers are words: the paper's distance error and direction score."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from vipa_model.data.hand3d import VISUAL, Hand3DSource, open_records
from vipa_model.network.modeling_vipa import VipaForActionPrediction
from vipa_model.processing.directions import compared, read_answer
from vipa_model.processing.processing_vipa import VipaProcessor
from vipa_model.recipes import named_recipe
from vipa_model.runtime.alignment_score import Scores


def score_answers(
    folder: Path,
    files: Sequence[Path],
    count: int,
    progress: Callable[[float], None] = lambda part: None,
    without_depth: bool = False,
) -> dict[str, dict]:
    """Type of question → figures, of up to ``count`` visual records of ``files``. Answers are decoded greedily, on CUDA where torch finds
    it; what has no distance in metres (turns of a camera) is not asked. without_depth: each view's depth counts as missing.

    Raises ValueError for files or a checkpoint that cannot be read."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model, processor = VipaForActionPrediction.from_pretrained(folder).to(device), VipaProcessor.from_pretrained(folder)
    source = Hand3DSource(files, model.config, processor, named_recipe("stage1"))

    def move(batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        if without_depth and "pointmap" in batch:
            batch["pointmap"].zero_()
        return {key: value.to(device) for key, value in batch.items()}

    out, chosen = defaultdict(Scores), _spread(len(source.records), count)
    for done, i in enumerate(chosen, 1):
        if (found := source.scored(model, move, i)) is not None:
            _add(out[source.records[i][0]["type"]], found)
        progress(done / len(chosen))
    return {kind: out[kind].as_dict() for kind in sorted(out)}


def constant_words(files: Sequence[Path], count: int) -> dict[str, dict]:
    """The same of whoever looks at no picture and gives every question of a type the type's commonest words and median distance."""
    records, true, out = open_records(files, VISUAL), defaultdict(list), {}
    for i in _spread(len(records), count):
        record = records[i][0]
        if np.isfinite(read_answer(record["answer"])[1]):
            true[record["type"]].append(record["answer"])
    for kind in sorted(true):
        words = Counter(answer.rpartition(",")[0] for answer in true[kind]).most_common(1)[0][0]
        text, found = f"{words}, {np.median([read_answer(a)[1] for a in true[kind]]):.3f}m", Scores()
        for answer in true[kind]:
            _add(found, compared(text, answer))
        out[kind] = found.as_dict()
    return out


def _add(scores: Scores, found: tuple[float, int] | None) -> None:
    if found is not None:
        scores.distance.append(found[0])
        scores.direction.append(found[1])


def _spread(total: int, count: int) -> list[int]:
    """Up to ``count`` of ``total`` places, evenly."""
    count = min(count, total)
    return [i * total // count for i in range(count)]
