"""What trains in which stage (paper section 3 and supplement B)."""

from __future__ import annotations

from torch import nn

from vipa_model.network.modeling_vipa import VipaForActionPrediction

# Module prefixes that train, by stage. The action queries belong to the head's side of the model.
STAGES: dict[str, tuple[str, ...]] = {
    "0": ("model.spatial",),
    "1": ("model.fusion",),
    "2": ("model.fusion", "model.language", "model.output"),
    "3": (
        "model.language",
        "model.queries",
        "model.grounding",
        "model.answers",
        "model.look",
        "head",
        "aim",
        "target_head",
        "subtask_head",
    ),
    "head": ("head", "aim"),
    "scratch": ("model", "head", "aim", "target_head", "subtask_head"),
    "1-small": ("model",),
    "2-small": ("model.fusion", "model.language", "model.queries", "model.numbers", "model.answers", "model.look"),
}


def set_stage(model: VipaForActionPrediction, stage: str, train_fusion: bool = False) -> list[nn.Parameter]:
    """Freeze everything but what ``stage`` trains and return that.

    stage: '1-small' and '2-small' are the first two at small sizes, where everything is new (assumed); '0' spatial encoder on pointmaps (ours), '1' fusion, '2' fusion + language model, '3' language model +
    queries + heads (``train_fusion`` adds the fusion layer: the paper leaves it open), 'head' the action head alone, on what was aligned (assumed), 'scratch' everything but a
    pretrained frozen vision encoder (small sizes, assumed). Raises ValueError for another stage or when nothing is
    left to train. In stages 1 to 3 what starts at random (``model.new_parts``) trains, too: nothing is random and frozen.
    """
    if stage not in STAGES:
        raise ValueError(f"stage is {stage!r}; allowed: {', '.join(STAGES)}")
    prefixes = STAGES[stage] + (("model.fusion",) if train_fusion else ()) + new_here(model, stage)
    frozen = ("model.vision",) if model.config.vision.kind == "efficientnet_lite0" else ()
    if stage != "0":  # what reads pointmaps out of the recurrent encoder is of use in stage 0 alone
        frozen += ("model.spatial.point_head", "model.spatial.pose_head")
    chosen = []
    for name, parameter in model.named_parameters():
        trains = any(name == p or name.startswith(p + ".") for p in prefixes) and not any(
            name.startswith(f) for f in frozen
        )
        parameter.requires_grad_(trains)
        if trains:
            chosen.append(parameter)
    if not chosen:
        raise ValueError(
            f"stage {stage!r} trains nothing: spatial.kind is {model.config.spatial.kind!r}, which has no "
            f"{' or '.join(prefixes)} to train"
        )
    return chosen


def new_here(model: VipaForActionPrediction, stage: str) -> tuple[str, ...]:
    """Parts that start at random and that ``stage`` trains for that reason alone."""
    if stage not in ("1", "2", "3"):
        return ()
    unused = {"model.output"} if stage == "3" else set()  # no word is said in stage 3
    return tuple(sorted(model.new_parts - set(STAGES[stage]) - unused))


def summary(model: nn.Module) -> list[tuple[str, int, int]]:
    """(module, parameters, of which trained) for each part of the model, for people to read."""
    parts: dict[str, list[int]] = {}
    for name, parameter in model.named_parameters():
        key = ".".join(name.split(".")[:2]) if name.startswith("model.") else name.split(".")[0]
        row = parts.setdefault(key, [0, 0])
        row[0] += parameter.numel()
        row[1] += parameter.numel() * parameter.requires_grad
    return [(k, *v) for k, v in parts.items()]
