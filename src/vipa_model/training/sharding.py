"""Weights, gradients and moments in shards over the devices: torch's FSDP2, in the processes that `accelerate launch` starts.

(accelerate's own FSDP wraps a model whole and wants GPUs; this shards the same blocks, and runs on CPUs, where the tests are.)
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor

from vipa_model.network.modeling_vipa import VipaForActionPrediction

# Units that every process runs equally often: the recurrent encoder is one as a whole, its blocks run once a view.
UNITS = ("Qwen3DecoderLayer", "InternVLVisionLayer", "DiTBlock", "RecurrentEncoder")


def shard(model: VipaForActionPrediction, device: torch.device) -> None:
    """Shard ``model`` in place over all processes: each unit by itself, then what is left. Its parameters are DTensors from here on.
    Raises ValueError with a single process."""
    if not torch.distributed.is_initialized():
        raise ValueError(
            "shard divides a model over several processes; allowed: started by accelerate launch --multi_gpu"
        )
    if any(p.requires_grad for m in model.modules() if type(m).__name__ == "RecurrentEncoder" for p in m.parameters()):
        raise ValueError(
            "shard and a recurrent encoder that trains do not go together: which of its weights get gradients hangs on how many views "
            "a process has; allowed: an encoder trained before, by recipe stage0 (--spatial), or shard=false"
        )
    numbers = {
        p for p in model.parameters() if not p.ndim
    }  # cannot be divided: each process keeps them, see ``share_numbers``
    mesh = init_device_mesh(device.type, (torch.distributed.get_world_size(),))
    for module in list(model.modules()):
        if type(module).__name__ in UNITS:
            fully_shard(module, mesh=mesh, ignored_params=numbers)
    fully_shard(model.model, mesh=mesh, ignored_params=numbers)
    fully_shard(model, mesh=mesh, ignored_params=numbers)
    for owner, names in (
        (model.model, ("encode", "language_loss")),
        (model, ("predict_actions", "auxiliary", "state_token")),
    ):
        for name in names:
            register_fsdp_forward_method(owner, name)


def share_numbers(trained: list[nn.Parameter]) -> None:
    """The mean over the processes of the gradients that are not in shards; before a step."""
    for parameter in trained:
        if parameter.grad is not None and not isinstance(parameter, DTensor):
            torch.distributed.all_reduce(parameter.grad)
            parameter.grad /= torch.distributed.get_world_size()


def clip(trained: list[nn.Parameter], most: float) -> Tensor:
    """Scale all gradients so that their norm over all shards is ``most`` or less; the norm before that."""
    gradients = [p.grad for p in trained if p.grad is not None]
    squares = [
        sum(
            (local(g).square().sum() for g in gradients if isinstance(g, DTensor) == parted),
            torch.zeros((), device=gradients[0].device),
        )
        for parted in (True, False)
    ]
    torch.distributed.all_reduce(squares[0])
    norm = (squares[0] + squares[1]).sqrt()
    for gradient in gradients:
        local(gradient).mul_((most / (norm + 1e-6)).clamp(max=1.0))
    return norm


def local(tensor: Tensor) -> Tensor:
    """This process's part of a tensor."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def whole_state(model: nn.Module) -> dict[str, Tensor]:
    """All tensors of a sharded model, whole, on the CPU of the first process; empty on the others. Called by all."""
    return get_model_state_dict(model, options=StateDictOptions(full_state_dict=True, cpu_offload=True))
