"""Says what a checkpoint is (a model card), or what training a model takes."""

from pathlib import Path

from vipa_cli import exit_status, json_document, parsers


def arguments(parser):
    verbs = parsers.subverbs(parser)
    card = parsers.verb(
        verbs, "card", "write a model card, as the Hugging Face hub shows it, from what a checkpoint says of itself"
    )
    card.add_argument("checkpoint", type=Path, help="folder of `vipa train`")
    card.add_argument("--out", type=Path, default=None, help="file; default: README.md in the checkpoint")
    memory = parsers.verb(
        verbs,
        "memory",
        "estimate what a training step takes on a GPU",
        "Estimates what a training step takes on a GPU: weights, gradients, moments, and activations counted tensor by tensor "
        "without computing any. Needs no GPU (the train extra, though).",
    )
    memory.add_argument("--recipe", default="stage3", help="stage1, stage2, stage3 or small")
    memory.add_argument("--size", default="full", help="xs, s or full")
    memory.add_argument("--micro-batch", type=int, default=4, help="samples at a time")
    memory.add_argument("--views", type=int, default=0, help="pictures a sample (default: 2 in stage3, else 1)")
    memory.add_argument("--text", type=int, default=32, help="tokens of text a sample")
    memory.add_argument(
        "--devices", type=int, default=1, help="devices that share weights, gradients and moments (shard)"
    )
    memory.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change a recipe key, as checkpointing=true"
    )
    memory.add_argument(
        "--model", action="append", default=[], metavar="KEY=VALUE", help="change the model, as spatial.kind=pointmap"
    )
    json_document.add(memory)


def run(args) -> int:
    from vipa_cli.commands.train import model_verb

    return model_verb({"card": card, "memory": memory}[args.action], args)


def card(args) -> int:
    """Writes the card."""
    from vipa_model.runtime.model_card import model_card

    path = args.out or args.checkpoint / "README.md"
    path.write_text(model_card(args.checkpoint), "utf-8")
    print(path)
    return exit_status.DONE


def memory(args) -> int:
    """Prints the parts and their sum."""
    from vipa_model.cli import assignments
    from vipa_model.configuration_vipa import VipaConfig, changed
    from vipa_model.recipes import named_recipe
    from vipa_model.training.memory import estimate

    recipe = named_recipe(args.recipe).changed(**assignments(args.set, "--set"))
    views = args.views or (2 if recipe.stage == "3" else 1)
    config = changed(VipaConfig.named(args.size), assignments(args.model, "--model"))
    parts = estimate(config, recipe, args.micro_batch, views, args.text, args.devices)
    for name, gib in parts.items():
        print(f"{name:<12} {gib:8.2f} GiB")
    args.document = {"recipe": recipe.name, "size": args.size, "micro_batch": args.micro_batch, "gib": parts}
    return exit_status.DONE
