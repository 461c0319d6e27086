"""The commands `vipa train` and `vipa export`. Importing this module is cheap; torch is loaded when a command runs."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

KEYPOINT_WIDTH = 64  # of the head that --keypoint adds

_TRAIN = """Train VIPA-VLA.

DATA is one or more FrameStore folders or LeRobotDataset v3.0 folders (recipes small, stage0, stage3), or Hand3D-style
JSONL files (stage1, stage2; see docs/model.md). The run folder --out gets log.jsonl, TensorBoard events and, at every
save, a checkpoint ready for `vipa export`. A run that was interrupted goes on where it was when the same command is
given again."""

_EXAMPLES = """examples:
  vipa train datasets/water_plant_demos --recipe small --out models/water-plant
  vipa train datasets/water_plant_demos --recipe small --ablate spatial=none --out models/water-plant-2d
  vipa train hand3d.jsonl --recipe stage1 --internvl weights/InternVL3_5-2B-HF --out models/stage1 --dry-run
  accelerate launch -m vipa_model.cli train demos --recipe stage3 --start models/stage2 --out models/stage3"""


def train_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `vipa train`'s arguments to ``parser``."""
    parser.description, parser.epilog = _TRAIN, _EXAMPLES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("data", nargs="+", type=Path, metavar="DATA", help="FrameStore or LeRobot folder, or JSONL")
    parser.add_argument("--recipe", default="small", help="small, stage0, stage1, stage2 or stage3 (default: small)")
    parser.add_argument("--out", type=Path, required=True, help="run folder; becomes the checkpoint")
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--start", type=Path, help="VIPA checkpoint to start from (weights, statistics, tokenizer)")
    start.add_argument("--internvl", type=Path, help="InternVL3.5 folder (Hugging Face layout) to start from")
    parser.add_argument(
        "--spatial",
        type=Path,
        help="spatial encoder of a new model: a VIPA checkpoint (as of recipe stage0), or CUT3R's weights file; without it the encoder "
        "starts at random and the stage trains it",
    )
    parser.add_argument("--size", help="size of a new model: xs, s or full (default: the recipe's)")
    parser.add_argument("--steps", type=int, help="training steps (default: the recipe's)")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a recipe key, as lr=0.0005",
    )
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a new model, e.g. head.horizon=8; beside --start, in stage3, a new action head",
    )
    parser.add_argument(
        "--ablate",
        action="append",
        default=[],
        metavar="PART=WHAT",
        help="spatial=none (the InternVL baseline), spatial=colour (as many parameters, no depth), spatial=recurrent, spatial=pointmap, "
        "fusion=2 (two layers)",
    )
    parser.add_argument(
        "--keypoint",
        action="store_true",
        help="add a head that points at the sub-task's object in the measured depth, taught with the simulator's poses: ours, not "
        "the paper's, and with it a policy rests on that head (docs/model.md); a new model with depth only",
    )
    parser.add_argument(
        "--crop",
        nargs=5,
        action="append",
        default=[],
        metavar=("CAMERA", "LEFT", "TOP", "RIGHT", "BOTTOM"),
        help="part of a camera's image to keep, as fractions; for LeRobot folders (a FrameStore has its own)",
    )
    parser.add_argument("--threads", type=int, default=0, help="CPU threads of torch (default: torch's own choice)")
    parser.add_argument("--stop-after", type=int, help="leave after this many steps of this call, saved")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="show what would be trained and the memory it takes; a small model runs one batch; nothing is written",
    )


def train_run(args: argparse.Namespace) -> int:
    """Carry out `vipa train`: exit status, or ValueError, FileNotFoundError or ImportError with the reason."""
    import torch

    from vipa_model.processing.images import Crop
    from vipa_model.recipes import named_recipe
    from vipa_model.training.loop import train
    from vipa_model.training.setup import dry_run, prepare
    from vipa_model.training.stages import new_here

    if args.threads:
        torch.set_num_threads(args.threads)
    recipe = named_recipe(args.recipe)
    changes = assignments(args.set, "--set")
    if args.steps is not None:
        changes["steps"] = args.steps
    if args.size is not None:
        changes["size"] = args.size
    recipe = recipe.changed(**changes)
    model_changes = assignments(args.model, "--model") | ablations(args.ablate)
    if args.keypoint:
        model_changes = {"grounding": KEYPOINT_WIDTH} | model_changes
    if args.dry_run:
        print(dry_run(recipe, args.data, args.start, args.internvl, model_changes, args.spatial))
        return 0
    crops = {camera: Crop(*map(float, edges)) for camera, *edges in args.crop}
    model, processor, source = prepare(
        recipe, args.data, args.start, args.internvl, model_changes, args.out, crops, args.spatial
    )
    for part in new_here(model, recipe.stage):
        print(f"{part} starts at random: {recipe.name} trains it{_advice(model, part)}")
    measures = train(recipe, model, processor, source, args.out, args.stop_after, args.quiet)
    print(f"{args.out}: " + ", ".join(f"{k} {v:.4g}" for k, v in measures.items()))
    return 0


def _advice(model, part: str) -> str:
    if part == "model.spatial" and model.config.spatial.kind == "recurrent":
        return ", from answers alone; better trained before by recipe stage0, whose checkpoint --spatial takes"
    return ""


def export_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `vipa export`'s arguments to ``parser``."""
    parser.description = (
        "Write a checkpoint's ONNX graphs (condition and velocity, fp32 and int8) into its folder, compare them with "
        "eager torch, and refresh SHA256SUMS. The folder then runs without torch."
    )
    parser.add_argument("checkpoint", type=Path, help="folder written by `vipa train`")
    parser.add_argument(
        "--precision", choices=("fp32", "int8", "both"), default="both", help="which graphs to keep (default: both)"
    )


def export_run(args: argparse.Namespace) -> int:
    """Carry out `vipa export`."""
    import torch

    from vipa_model.runtime.export import PRECISIONS, export

    torch.set_num_threads(1)
    precisions = PRECISIONS if args.precision == "both" else (args.precision,)
    for graph, difference in export(args.checkpoint, precisions).items():
        print(f"{graph}: largest difference to eager {difference:.2g}")
    return 0


def train_main(argv: list[str] | None = None) -> int:
    """`vipa train`."""
    parser = argparse.ArgumentParser("vipa train")
    train_arguments(parser)
    return _run(parser, train_run, argv)


def export_main(argv: list[str] | None = None) -> int:
    """`vipa export`."""
    parser = argparse.ArgumentParser("vipa export")
    export_arguments(parser)
    return _run(parser, export_run, argv)


def assignments(items: list[str], option: str) -> dict:
    """['lr=0.1', 'a.b=none'] to {'lr': 0.1, 'a.b': 'none'}; values are read as JSON where they are JSON."""
    out = {}
    for item in items:
        key, sign, text = item.partition("=")
        if not sign or not key:
            raise ValueError(f"{option} {item!r}; allowed: KEY=VALUE")
        try:
            out[key] = json.loads(text)
        except json.JSONDecodeError:
            out[key] = text
    return out


def ablations(items: list[str]) -> dict:
    """['spatial=none', 'fusion=2'] to configuration changes."""
    names = {"spatial": "spatial.kind", "fusion": "fusion.layers"}
    changes = assignments(items, "--ablate")
    unknown = sorted(set(changes) - set(names))
    if unknown:
        raise ValueError(f"--ablate of {unknown}; allowed: {sorted(names)}")
    return {names[k]: v for k, v in changes.items()}


def describe(recipe) -> str:
    """A recipe on one line."""
    return ", ".join(f"{f.name} {getattr(recipe, f.name)}" for f in dataclasses.fields(recipe))


def _run(parser: argparse.ArgumentParser, run, argv: list[str] | None) -> int:
    args = parser.parse_args(argv)
    try:
        return run(args)
    except (ValueError, FileNotFoundError, ImportError, FloatingPointError) as error:
        parser.exit(1, f"{parser.prog}: {error}\n")


def main(argv: list[str] | None = None) -> int:
    """`python -m vipa_model.cli train|export ...`, for `accelerate launch -m`."""
    parser = argparse.ArgumentParser("vipa_model")
    commands = parser.add_subparsers(dest="command", required=True)
    train_arguments(commands.add_parser("train"))
    export_arguments(commands.add_parser("export"))
    return _run(parser, lambda args: {"train": train_run, "export": export_run}[args.command](args), argv)


if __name__ == "__main__":
    raise SystemExit(main())
