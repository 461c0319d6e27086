"""What a training step takes on a device, without one: the step runs on tensors that have shapes and no contents.

Weights, gradients and moments are counted; activations are what autograd keeps, each storage once, as bfloat16 autocast makes them.
"""

from __future__ import annotations

from contextlib import contextmanager

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F

from vipa_model.configuration_vipa import VipaConfig
from vipa_model.network import attention
from vipa_model.network.modeling_vipa import VipaForActionPrediction
from vipa_model.network.recompute import set_recompute
from vipa_model.recipes import Recipe
from vipa_model.training.stages import set_stage

GIB = 2**30
MOMENTS = {"adamw": 8, "adamw8bit": 2}  # bytes a trained parameter


def estimate(
    config: VipaConfig, recipe: Recipe, micro_batch: int, views: int, text: int = 32, devices: int = 1
) -> dict[str, float]:
    """GiB a device: weights, gradients, moments, averages (ema), activations, and the peak, in training with bfloat16 autocast.

    micro_batch: samples at a time, of ``views`` pictures and ``text`` tokens. devices: that share weights, gradients and moments
    (``shard``). The peak is at the end of the forward pass or of the backward pass, whichever holds more.
    """
    with FakeTensorMode():
        model = VipaForActionPrediction(config).train()
        trained = set_stage(model, recipe.stage, recipe.train_fusion)
        set_recompute(model, recipe.checkpointing)
        activations = _kept(model, batch_of(config, recipe.stage, micro_batch, views, text)) / GIB
        total = sum(p.numel() for p in model.parameters())
        learnt = sum(p.numel() for p in trained)
    out = {
        "weights": 4 * total / GIB / devices,
        "gradients": 4 * learnt / GIB / devices,
        "moments": MOMENTS[recipe.optimizer] * learnt / GIB / devices,
        "averages": (4 * learnt / GIB if recipe.ema else 0.0) / devices,
        "activations": activations,
    }
    held = out["weights"] + out["moments"] + out["averages"]
    return out | {"peak": held + max(activations, out["gradients"])}


def batch_of(config: VipaConfig, stage: str, count: int, views: int, text: int) -> dict[str, Tensor]:
    """A batch in the shapes of a stage's data."""
    size, points = config.vision.image_size, config.vision.image_size // config.spatial.stride
    length = config.vision.tokens * views + text
    batch = {
        "pixels": torch.zeros(count, views, size, size, 3, dtype=torch.uint8),
        "input_ids": torch.zeros(count, length, dtype=torch.long),
        "attention_mask": torch.ones(count, length, dtype=torch.bool),
    }
    if config.uses_depth:
        batch["pointmap"] = torch.zeros(count, views, points, points, 4)
    if stage in ("3", "scratch"):
        batch["state"] = torch.zeros(count, config.state_dim)
        batch["actions"] = torch.zeros(count, config.head.horizon, config.action_dim)
    return batch


def _kept(model: VipaForActionPrediction, batch: dict[str, Tensor]) -> int:
    """Bytes that autograd keeps of a forward pass, beside parameters and the batch."""
    own = {_storage(t) for t in (*model.parameters(), *model.buffers(), *batch.values())}
    kept: dict[int, int] = {}
    alive = []  # a storage that has gone could lend its number to another

    def pack(tensor: Tensor) -> Tensor:
        key = _storage(tensor)
        if key not in own and key not in kept:
            kept[key] = tensor.untyped_storage().nbytes()
            alive.append(tensor)
        return tensor

    with (
        torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t),
        torch.autocast("cpu", torch.bfloat16),
        _device_attention(),
    ):
        _loss(model, batch)
    return sum(kept.values())


def _loss(model: VipaForActionPrediction, batch: dict[str, Tensor]) -> Tensor:
    if "actions" in batch:
        return model(batch)["loss"]
    inner = model.model
    hidden = inner.run_language(inner.embed_prompt(batch), batch["attention_mask"])
    answer = hidden[:, -max(1, hidden.shape[1] // 16) :].flatten(0, 1)
    return F.cross_entropy(inner.logits(answer).float(), torch.zeros(len(answer), dtype=torch.long))


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


@contextmanager
def _device_attention():
    """Attention as a GPU computes it: in the tensors' own precision, keeping no scores."""
    kept, attention.FLOAT_ON_CPU = attention.FLOAT_ON_CPU, False
    try:
        yield
    finally:
        attention.FLOAT_ON_CPU = kept
