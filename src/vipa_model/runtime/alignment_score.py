"""How well a checkpoint answers where things are: the paper's distance error and direction score on held-out questions."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from vipa_model.data.alignment import Groups, read_row
from vipa_model.network.modeling_vipa import VipaForActionPrediction
from vipa_model.processing.directions import score
from vipa_model.processing.images import lift_depth
from vipa_model.processing.processing_vipa import VipaProcessor

BATCH = 32
# What of the queries' answers is scored, and as what kind: to a record's own instruction, and to another in the same pictures
AS_TOLD = {"target": "queries: target", "tip": "queries: tip"}
OTHERWISE = {"target": "queries: told otherwise"}
LONGEST = 16  # tokens of an answer
_THING = re.compile(r"Where is the (.+) in relation to the gripper")


@dataclass
class Scores:
    """Of one kind of question. distance: errors of the distance said, m; direction: scores of 3; point: errors of the displacement
    regressed beside the words, m (empty where a checkpoint has none); of what the action queries are asked there are no words."""

    distance: list[float] = field(default_factory=list)
    direction: list[int] = field(default_factory=list)
    point: list[float] = field(default_factory=list)

    def as_dict(self) -> dict[str, float | int | None]:
        """Means and medians."""
        return {
            "questions": len(self.distance) or len(self.point),
            "distance_error_m": float(np.mean(self.distance)) if self.distance else None,
            "distance_error_median_m": float(np.median(self.distance)) if self.distance else None,
            "direction_score": float(np.mean(self.direction)) if self.direction else None,
            "point_error_m": float(np.mean(self.point)) if self.point else None,
            "point_error_median_m": float(np.median(self.point)) if self.point else None,
        }


def kinds(record: dict) -> list[str]:
    """The rows that a visual record counts in: its type, and the thing if it is asked in relation to the gripper."""
    thing = _THING.match(record["question"])
    return [record["type"], *([f"the {thing[1]}"] if thing else [])]


def score_checkpoint(
    folder: Path,
    files: list[Path],
    count: int,
    progress: Callable[[float], None] = lambda part: None,
    without_depth: bool = False,
) -> dict[str, dict]:
    """Kind of question → figures, of up to ``count`` groups of records of ``files``. Answers are decoded greedily. What the action
    queries answer to an instruction (option `answers`) is scored as "queries: target" and "queries: tip", a point each, and what they answer
    in the same pictures to another that means something else (`others`) as "queries: told otherwise". without_depth: each view's depth counts as missing.

    Raises ValueError for files or a checkpoint that cannot be read, or files without a question that has a vector."""
    model, processor = VipaForActionPrediction.from_pretrained(folder), VipaProcessor.from_pretrained(folder)
    waiting, instructed, out = defaultdict(list), [], defaultdict(Scores)
    groups = Groups(files)
    count = min(count, len(groups))
    for i in range(count):
        place, records = groups.read(i * len(groups) // count)
        if model.model.answers is not None:
            asked = [(place, record) for record in records if "target" in record][:1]
            instructed += [(place, record, AS_TOLD) for place, record in asked]
            instructed += [(p, record | other, OTHERWISE) for p, record in asked for other in record.get("others", [])]
        for record in (r for r in records if "question" in r and "vector" in r):
            ids = processor.ids([record["question"]], len(record["images"]))
            waiting[len(ids), len(record["images"])].append((place, record, ids))
    if not waiting:
        raise ValueError(
            f"{', '.join(map(str, files))}: no question has a vector; allowed: visual.jsonl of vipa dataset align"
        )
    total, done = sum(map(len, waiting.values())), 0
    for asked in waiting.values():
        for start in range(0, len(asked), BATCH):
            part = asked[start : start + BATCH]
            for (_, record, _), (text, point) in zip(
                part, _answers(model, processor, part, without_depth), strict=True
            ):
                error, direction = score(text, record["vector"])
                for kind in kinds(record):
                    out[kind].distance.append(error)
                    out[kind].direction.append(direction)
                    if point is not None:
                        out[kind].point.append(float(np.linalg.norm(point - record["vector"])))
            done += len(part)
            progress(done / total)
    for start in range(0, len(instructed), BATCH):
        part = instructed[start : start + BATCH]
        pairs = [(place, record) for place, record, _ in part]
        for name, places in _answered_points(model, processor, pairs, without_depth).items():
            for (_, record, scored), place in zip(part, places, strict=True):
                if name in scored and name in record:
                    out[scored[name]].point.append(float(np.linalg.norm(place - record[name])))
    return {kind: out[kind].as_dict() for kind in sorted(out)}


def constant_answer(files: list[Path], count: int) -> dict[str, dict]:
    """The same of whoever looks at no picture and gives every question of a kind the mean displacement of its kind."""
    vectors, out = defaultdict(list), {}
    groups = Groups(files)
    count = min(count, len(groups))
    for i in range(count):
        for record in groups.read(i * len(groups) // count)[1]:
            for kind in kinds(record) if "question" in record and "vector" in record else []:
                vectors[kind].append(record["vector"])
    from vipa_model.processing.directions import direction_words

    for kind in sorted(vectors):
        found, mean = Scores(), np.mean(vectors[kind], 0)
        metres = float(np.median(np.linalg.norm(vectors[kind], axis=1)))
        text = re.sub(r"[\d.]+m", f"{metres:.2f}m", direction_words(mean))
        for vector in vectors[kind]:
            error, direction = score(text, vector)
            found.distance.append(error)
            found.direction.append(direction)
            found.point.append(float(np.linalg.norm(np.subtract(vector, mean))))
        out[kind] = found.as_dict()
    return out


@torch.no_grad()
def _answers(
    model: VipaForActionPrediction, processor: VipaProcessor, part: list, without_depth: bool
) -> list[tuple[str, np.ndarray | None]]:
    """(text, displacement (3,) m or None) of questions of equal length."""
    batch = _views(processor, [(place, record) for place, record, _ in part], without_depth)
    batch["input_ids"] = np.array([ids for _, _, ids in part])
    inner, batch = model.model, {k: torch.from_numpy(v) for k, v in batch.items()}
    embeddings, said = inner.embed_prompt(batch), []
    for step in range(LONGEST):
        mask = torch.ones(embeddings.shape[:2], dtype=torch.bool)
        hidden = inner.run_language(embeddings, mask)[:, -1]
        if step == 0:
            points = (
                inner.numbers.displacement(hidden).float().numpy() if inner.numbers is not None else [None] * len(part)
            )
        said.append(inner.logits(hidden).argmax(-1))
        if (torch.stack(said) == processor.tokenizer.end).any(0).all():
            break
        embeddings = torch.cat([embeddings, inner.language.embed_tokens(said[-1])[:, None]], 1)
    texts = []
    for ids in torch.stack(said, 1).tolist():
        end = ids.index(processor.tokenizer.end) if processor.tokenizer.end in ids else len(ids)
        texts.append(processor.tokenizer.decode(ids[:end]))
    return list(zip(texts, points, strict=True))


@torch.no_grad()
def _answered_points(
    model: VipaForActionPrediction, processor: VipaProcessor, part: list, without_depth: bool
) -> dict[str, np.ndarray]:
    """Name → places (B, 3) m, base frame, that the action queries answer to records' instructions."""
    batch = _views(processor, part, without_depth)
    prompts = [processor.prompt(r["instruction"], len(r["images"])) for _, r in part]
    batch["input_ids"], batch["attention_mask"] = (np.array(column) for column in zip(*prompts, strict=True))
    h_cond = model.model.encode({k: torch.from_numpy(v) for k, v in batch.items()})
    return {k: v.float().numpy() for k, v in model.auxiliary(h_cond).items() if k in ("target", "tip")}


def _views(processor: VipaProcessor, part: list, without_depth: bool) -> dict[str, np.ndarray]:
    """The pictures of (folder, record) pairs as a batch: pixels, and the pointmap where depth is used."""
    rows = [list(zip(r["images"], r["depths"], r["intrinsics"], r["extrinsics"], strict=True)) for _, r in part]
    read = [[(read_row(str(p / i)), read_row(str(p / d))) for i, d, _, _ in row] for (p, _), row in zip(part, rows)]
    batch = {"pixels": np.array([[image for image, _ in row] for row in read])}
    if processor.uses_depth:
        depth = np.array([[far for _, far in row] for row in read]) * np.uint16(not without_depth)
        k, pose = (np.array([[view[n] for view in row] for row in rows]) for n in (2, 3))
        batch["pointmap"] = lift_depth(depth, k, pose, processor.stride)
    return batch
