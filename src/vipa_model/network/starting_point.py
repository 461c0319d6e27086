"""Where a model's weights come from when a run begins: an InternVL folder, a spatial encoder, another VIPA checkpoint, or nowhere.

What starts at random is remembered in ``model.new_parts``: stages 1 to 3 train it whatever else they train (see stages), so that
nothing is random and frozen.
"""

from __future__ import annotations

import copy
from pathlib import Path

import torch

from vipa_model.configuration_vipa import CONFIG_FILE, VipaConfig, changed
from vipa_model.network.modeling_vipa import VipaForActionPrediction
from vipa_model.network.weights import read_weights

VLM_PARTS = ("model.vision", "model.projector", "model.language", "model.output", "model.spatial", "model.fusion")
CHANGEABLE = (
    "head.",
    "rate_hz",
    "cameras",
    "use_joints",
    "target",
    "subtasks",
    "aux_weight",
)  # beside a VLM that is kept


def make_model(
    config: VipaConfig, seed: int, internvl: Path | None = None, spatial: Path | None = None
) -> VipaForActionPrediction:
    """A new model of ``config``, the same for the same ``seed``.

    internvl: folder whose vision tower, projector and language model it takes (vision and text of ``config`` are the folder's).
    spatial: see ``with_spatial``. Raises ValueError for a folder or file that does not fit.
    """
    config = with_spatial(config, spatial)
    torch.manual_seed(seed)
    if internvl is not None:
        model = VipaForActionPrediction.from_internvl(internvl, config)
        new = {"model.spatial", "model.fusion"}
    else:
        model = VipaForActionPrediction(config)
        new = set(VLM_PARTS)
        if config.vision.kind == "efficientnet_lite0":
            model.model.vision.load_wheel()
            new.remove("model.vision")
    if spatial is not None:
        if spatial.is_dir():
            _take(model, read_weights(spatial, "model.spatial."), spatial)
        new.discard("model.spatial")
    model.new_parts = frozenset(p for p in new if any(n.startswith(f"{p}.") for n, _ in model.named_parameters()))
    return model


def with_spatial(config: VipaConfig, spatial: Path | None) -> VipaConfig:
    """``config`` with the spatial encoder of ``spatial``: a VIPA checkpoint (as of recipe stage0), or CUT3R's weights file. Raises
    FileNotFoundError or ValueError for anything else."""
    if spatial is None:
        return config
    out = copy.deepcopy(config)
    if spatial.is_dir():
        out.spatial = VipaConfig.from_pretrained(spatial).spatial
        if out.spatial.kind in ("none", "cut3r"):
            raise ValueError(
                f"{spatial / CONFIG_FILE} has spatial.kind {out.spatial.kind!r}, so no weights of one; "
                "allowed: 'recurrent', 'pointmap', 'colour', or CUT3R's weights file itself"
            )
    elif spatial.is_file():
        out.spatial = copy.deepcopy(out.spatial)
        out.spatial.kind, out.spatial.weights = "cut3r", str(spatial.resolve())
    else:
        raise FileNotFoundError(f"{spatial} is missing; allowed: a VIPA checkpoint folder, or CUT3R's weights file")
    return VipaConfig.from_dict(out.to_dict())


def adapted(folder: Path, facts: dict, changes: dict, seed: int) -> VipaForActionPrediction:
    """The vision-language part of checkpoint ``folder`` under a new action head for the robot of ``facts`` (cameras, groups, rate_hz).

    changes: dotted keys beside those; only such as leave the vision-language part as it is. Auxiliary heads are the checkpoint's.
    Raises ValueError for another key, and for a keypoint head with other cameras than its own.
    """
    wrong = sorted(k for k in changes if not k.startswith(CHANGEABLE))
    if wrong:
        raise ValueError(
            f"--model {', '.join(wrong)} would change what {folder} has learnt; allowed beside --start: {', '.join(CHANGEABLE)}"
        )
    old = VipaConfig.from_pretrained(folder)
    if old.subtasks and "subtasks" in facts:
        changes = {"subtasks": facts["subtasks"]} | changes
    config = copy.deepcopy(old)
    config.cameras, config.groups, config.rate_hz = facts["cameras"], facts["groups"], facts["rate_hz"]
    config = changed(config, changes)
    if old.grounding and len(config.cameras) != len(old.cameras):
        raise ValueError(
            f"{folder} points at objects in {len(old.cameras)} cameras, the data have {config.cameras}; allowed: as many, or a start without keypoint"
        )
    torch.manual_seed(seed)
    model = VipaForActionPrediction(config)
    kept = read_weights(folder, "model.")
    if config.head.queries != old.head.queries:
        del kept["model.queries"]
    _take(model, kept, folder)
    return model


def _take(model: VipaForActionPrediction, weights: dict, folder: Path) -> None:
    """Load the tensors ``weights``; the others stay. Raises ValueError unless each has its place and shape in ``model``."""
    there = dict(model.state_dict())
    wrong = sorted(k for k, v in weights.items() if k not in there or there[k].shape != v.shape)
    if wrong:
        shapes = [f"{k} {tuple(weights[k].shape)}" for k in wrong[:3]]
        raise ValueError(f"{folder}: {len(wrong)} tensors do not fit this model, as {', '.join(shapes)}")
    model.load_state_dict(weights, strict=False)
