"""Low-rank adapters (LoRA, by peft) in the language model, and what a checkpoint of such a model holds: the merged weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vipa_model.network.modeling_vipa import VipaForActionPrediction

TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
_BASE = ".base_layer."


def add_lora(model: VipaForActionPrediction, rank: int, seed: int) -> list[nn.Parameter]:
    """Put adapters of ``rank`` on every matrix of the language model; where it was to train, they train in its place, and of it the
    embedding alone, if it has motion tokens; the same for the same ``seed``. Returns what trains. Raises ImportError without peft, ValueError where a stage
    trains no language model."""
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError:
        raise ImportError("lora needs peft, which is not installed: pip install peft") from None
    language = model.model.language
    before = {n for n, p in language.named_parameters() if p.requires_grad}
    if not before:
        raise ValueError("lora adapts the language model, which this stage does not train; allowed: lora 0")
    settings = LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=0.0, target_modules=TARGETS, bias="none")
    torch.manual_seed(seed)
    inject_adapter_in_model(settings, language)
    for name, parameter in language.named_parameters():
        words = name == "embed_tokens.weight" and bool(model.config.motion_tokens)
        parameter.requires_grad_(".lora_" in name or words)
    return [p for p in model.parameters() if p.requires_grad]


def merged(model: nn.Module) -> dict[str, Tensor]:
    """The tensors of ``model`` under their own names, each matrix with its adapter added; the model is left as it is."""
    out = {k.replace(_BASE, "."): v for k, v in model.state_dict().items() if ".lora_" not in k}
    for name, module in model.named_modules():
        if hasattr(module, "get_delta_weight"):
            key = f"{name}.weight"
            out[key] = out[key] + module.get_delta_weight("default").to(out[key].dtype)
    return out
