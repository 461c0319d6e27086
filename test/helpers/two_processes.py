"""What each of two processes does in test_distributed: the same training in data parallel and in shards, and what it saw on the way.

Started by torch.distributed.run: two_processes.py DATA.jsonl OUT
"""

import json
import sys
from pathlib import Path

import torch
from torch.nn.parallel import DistributedDataParallel

from helpers.tiny_model import tiny_config
from vipa_model.data.hand3d import Hand3DSource
from vipa_model.network.starting_point import make_model
from vipa_model.processing.processing_vipa import VipaProcessor
from vipa_model.processing.tokenization_vipa import ByteTokenizer
from vipa_model.recipes import named_recipe
from vipa_model.training.loop import train

STEPS = 3
RECIPE = named_recipe("stage1").changed(
    batch=8, micro_batch=2, steps=STEPS, lr=1e-3, ema=0.9, log_every=1, save_every=2, precision="fp32"
)


def run(data: Path, out: Path, stop_after=None, **changes) -> dict:
    """Train; returns the samples of each step as this process saw them, and how often gradients were kept back."""
    torch.set_num_threads(1)
    recipe = RECIPE.changed(**changes)
    model = make_model(tiny_config("pointmap"), 0)
    processor = VipaProcessor(model.config, ByteTokenizer())
    source = Hand3DSource([data], model.config, processor, recipe)
    seen, kept_back, batch = [], [], source.batch

    def recorded(indices, rng):
        if rng is not None:
            seen.append([int(i) for i in indices])
        return batch(indices, rng)

    source.batch = recorded
    no_sync = DistributedDataParallel.no_sync

    def counted(self):
        kept_back.append(1)
        return no_sync(self)

    DistributedDataParallel.no_sync = counted
    try:
        train(recipe, model, processor, source, out, stop_after, quiet=True)
    finally:
        DistributedDataParallel.no_sync = no_sync
    return {"seen": seen, "kept_back": len(kept_back)}


if __name__ == "__main__":
    data, out = map(Path, sys.argv[1:])
    found = {"plain": run(data, out / "plain")}
    found["shard"] = run(data, out / "shard", shard=True)
    run(data, out / "parts", stop_after=1, shard=True)
    found["parts"] = run(data, out / "parts", shard=True)
    rank = torch.distributed.get_rank()
    (out / f"rank{rank}.json").write_text(json.dumps(found), encoding="utf-8")
    torch.distributed.destroy_process_group()
