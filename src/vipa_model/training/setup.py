"""From a command's arguments to model, processor and source, for every recipe; and the dry run."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from vipa_model.configuration_vipa import VipaConfig, changed
from vipa_model.data.frame_source import fitting_config, prepare_frames
from vipa_model.data.frame_store import STORE_FILE, FrameStore
from vipa_model.network.modeling_vipa import VipaForActionPrediction
from vipa_model.network.starting_point import make_model, with_spatial
from vipa_model.processing.images import Crop
from vipa_model.processing.processing_vipa import VipaProcessor
from vipa_model.processing.tokenization_vipa import ByteTokenizer, FolderTokenizer
from vipa_model.recipes import Recipe
from vipa_model.training.stages import set_stage, summary


def prepare(
    recipe: Recipe,
    data: Sequence[Path],
    start: Path | None = None,
    internvl: Path | None = None,
    changes: dict | None = None,
    out: Path | None = None,
    crops: dict[str, Crop] | None = None,
    spatial: Path | None = None,
) -> tuple[VipaForActionPrediction, VipaProcessor, object]:
    """Model, processor and source of a run.

    start: VIPA checkpoint. internvl: InternVL folder. spatial: a VIPA checkpoint whose spatial encoder a new model takes, or CUT3R's
    weights file. changes: dotted configuration keys of a new model, or of a new action head beside ``start``.
    out, crops: where LeRobot folders are decoded to, and which part of each camera's image is kept.
    Raises ValueError for what does not go together.
    """
    _check_together(recipe, start, internvl, spatial, changes or {})
    if recipe.data == "alignment":
        from vipa_model.data.alignment import prepare_alignment

        return prepare_alignment(recipe, data, start, changes or {})
    if recipe.data != "frames":
        from vipa_model.data.hand3d import prepare_hand3d

        return prepare_hand3d(recipe, data, start, internvl, changes or {}, spatial)
    size = _image_size(recipe, start, internvl, changes or {})
    stores = [open_frames(path, out, size, crops) for path in data]
    if recipe.stage == "0":
        from vipa_model.training.pointmap_pretraining import prepare_pointmaps

        return prepare_pointmaps(stores, recipe, start, changes or {})
    if start is not None:
        return prepare_frames(stores, recipe, start=start, changes=changes)
    named = fitting_config(stores, "full", motion_tokens=0) if internvl else fitting_config(stores, recipe.size)
    config = with_spatial(changed(named, changes or {}), spatial)
    if internvl is None and spatial is None:
        return prepare_frames(stores, recipe, config)
    model = make_model(config, recipe.seed, internvl, spatial)
    texts = [text for s in stores for text in s.instructions]
    tokenizer = FolderTokenizer(internvl) if internvl else ByteTokenizer.train(texts, config.text.vocab)
    processor = VipaProcessor(model.config, tokenizer, stores[0].crops)
    return prepare_frames(stores, recipe, model=model, processor=processor)


def _check_together(recipe: Recipe, start, internvl, spatial, changes: dict) -> None:
    """Raises ValueError for options that cannot hold at once."""
    if recipe.stage == "0" and (internvl or spatial):
        raise ValueError(
            "stage0 trains the spatial encoder alone and takes no --internvl and no --spatial; allowed: give its checkpoint to "
            "stage1 by --spatial"
        )
    if start and spatial:
        raise ValueError("--spatial is for a new model; allowed: not together with --start, which has its own encoder")
    if spatial and any(key.startswith("spatial.") for key in changes):
        raise ValueError(
            "--spatial brings its own configuration; allowed: not together with --model spatial.… or --ablate"
        )
    if start and changes and recipe.data != "frames":
        raise ValueError(
            "--model, --keypoint and --ablate change a new model; allowed together with --start: a new action head, in stage3"
        )
    if recipe.data != "frames" and (recipe.cache_features or recipe.cache_condition):
        raise ValueError(
            f"cache_features and cache_condition with recipe {recipe.name}; allowed: with recipes for demonstrations, whose pictures are "
            "seen many times"
        )
    if recipe.data == "alignment" and (internvl or spatial):
        raise ValueError(f"recipe {recipe.name} makes a small model; allowed: --start, or neither")


def open_frames(path: Path, out: Path | None, size: int, crops: dict[str, Crop] | None = None) -> FrameStore:
    """A FrameStore folder, or a LeRobotDataset v3.0 folder decoded once, at ``size`` pixels, into ``out``."""
    if (path / STORE_FILE).is_file():
        return FrameStore(path)
    if (path / "meta" / "info.json").is_file():
        from vipa_model.data.lerobot_import import import_lerobot

        if out is None:
            raise ValueError(f"{path} is a LeRobotDataset, which a dry run does not decode; allowed: a FrameStore")
        return import_lerobot(path, out / f"frames-{path.name}", size, crops)
    raise FileNotFoundError(
        f"{path} is no dataset; allowed: a FrameStore ({STORE_FILE}) or a LeRobotDataset v3.0 (meta/info.json)"
    )


def _image_size(recipe: Recipe, start: Path | None, internvl: Path | None, changes: dict) -> int:
    """Side of the views, pixels, that the model of this run takes."""
    if start is not None:
        return VipaConfig.from_pretrained(start).vision.image_size
    if internvl is not None:
        from vipa_model.network.internvl import internvl_config

        return internvl_config(internvl).vision.image_size
    return changed(VipaConfig.named(recipe.size), changes).vision.image_size


def dry_run(
    recipe: Recipe,
    data: Sequence[Path],
    start: Path | None,
    internvl: Path | None,
    changes: dict,
    spatial: Path | None = None,
) -> str:
    """What a run would train and take, as text. Small models also run one batch forward and backward."""
    _check_together(recipe, start, internvl, spatial, changes)
    full = start is None and recipe.size == "full"
    if full:
        config = changed(VipaConfig.full(), changes)
        with torch.device("meta"):
            model = VipaForActionPrediction(config)
    else:
        model, _, source = prepare(recipe, data, start, internvl, changes, spatial=spatial)
    set_stage(model, recipe.stage, recipe.train_fusion)
    lines = [f"recipe {recipe.name}, stage {recipe.stage}", f"{'part':24}{'parameters':>16}{'trained':>16}"]
    rows = summary(model)
    lines += [f"{name:24}{total:16,}{trained:16,}" for name, total, trained in rows]
    total, trained = sum(r[1] for r in rows), sum(r[2] for r in rows)
    lines.append(f"{'all':24}{total:16,}{trained:16,}")
    memory = (4 * total + 12 * trained + (4 * trained if recipe.ema else 0)) / 2**30
    lines.append(f"memory a device, without activations: {memory:.2f} GiB (float32 weights, gradients, Adam's moments)")
    if full:
        lines.append("full size: no batch was run; data and weights were not opened")
        return "\n".join(lines)
    count = min(recipe.micro_batch or recipe.batch, len(source.train))
    batch = source.batch(source.train[:count], np.random.default_rng(0))
    begin = time.perf_counter()
    losses = model.train()(batch)
    losses["loss"].backward()
    seconds = time.perf_counter() - begin
    lines.append(f"samples: {len(source.train):,} to train on, {len(source.held_out):,} held out")
    lines.append(
        f"one batch of {count}: {seconds:.2f} s, "
        + ", ".join(f"{k} {float(v.detach()):.4g}" for k, v in losses.items())
    )
    return "\n".join(lines)
