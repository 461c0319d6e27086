"""Start from an InternVL3.5 checkpoint folder in the Hugging Face layout (the paper: OpenGVLab/InternVL3_5-2B-HF)."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import torch

from vipa_model.configuration_vipa import TextConfig, VipaConfig, VisionConfig

_VISION_KEYS = (
    "attention_bias", "hidden_act", "layer_norm_eps", "layer_scale_init_value", "norm_type",
    "use_absolute_position_embeddings", "use_mask_token", "use_mean_pooling", "use_qk_norm",
)  # fmt: skip


_TEXT_KEYS = ("rms_norm_eps", "hidden_act", "attention_bias")


def internvl_config(folder: str | Path, config: VipaConfig | None = None) -> VipaConfig:
    """``config`` (``VipaConfig.full`` by default) with vision and text replaced by what ``folder`` holds.

    Raises ValueError when the folder is another kind of model.
    """
    from transformers import AutoConfig

    theirs = AutoConfig.from_pretrained(str(folder), local_files_only=True)
    if theirs.model_type != "internvl" or theirs.text_config.model_type != "qwen3":
        kind = (
            f"{theirs.model_type} with {getattr(getattr(theirs, 'text_config', None), 'model_type', 'no text model')}"
        )
        raise ValueError(f"{folder} holds {kind}; allowed: internvl with qwen3 (InternVL3.5, the -HF folders)")
    vision, text = theirs.vision_config, theirs.text_config
    out = copy.deepcopy(config) if config is not None else VipaConfig.full()
    wanted_tokens = out.motion_tokens
    out.vision = VisionConfig(
        kind="internvl",
        image_size=vision.image_size[0],
        width=vision.hidden_size,
        layers=vision.num_hidden_layers,
        heads=vision.num_attention_heads,
        mlp=vision.intermediate_size,
        patch=vision.patch_size[0],
        downsample=theirs.downsample_ratio,
        extra={k: getattr(vision, k) for k in _VISION_KEYS if hasattr(vision, k)},
    )
    images = Path(folder) / "preprocessor_config.json"
    if images.is_file():
        found = json.loads(images.read_text(encoding="utf-8"))
        out.vision.mean, out.vision.std = found["image_mean"], found["image_std"]
    out.text = TextConfig(
        vocab=text.vocab_size,
        width=text.hidden_size,
        layers=text.num_hidden_layers,
        heads=text.num_attention_heads,
        kv_heads=text.num_key_value_heads,
        head_dim=text.head_dim,
        mlp=text.intermediate_size,
        rope_theta=_theta(text, folder),
        max_tokens=out.text.max_tokens,
        image_token=theirs.image_token_id,
        tied=bool(theirs.tie_word_embeddings),
        extra={k: getattr(text, k) for k in _TEXT_KEYS},
    )
    out.motion_tokens = wanted_tokens
    return VipaConfig.from_dict(out.to_dict())


def load_internvl(cls, folder: str | Path, config: VipaConfig | None = None):
    """A ``cls`` (VipaForActionPrediction) whose vision tower, projector and language model are those of ``folder``.

    Spatial encoder, fusion, queries and heads start at random. When ``config`` asks for motion tokens (the full size
    does), the vocabulary is extended by them. Raises ValueError when tensors are missing, misshapen or not finite.
    """
    from transformers import InternVLForConditionalGeneration

    config = internvl_config(folder, config)
    motion_tokens, config.motion_tokens = config.motion_tokens, 0
    drawn = torch.get_rng_state()  # what is new here must not hang on what transformers draws
    theirs, info = InternVLForConditionalGeneration.from_pretrained(
        str(folder), local_files_only=True, dtype=torch.float32, output_loading_info=True
    )
    missing = [k for k in info["missing_keys"] if k != "lm_head.weight"]
    if missing or info["mismatched_keys"]:
        raise ValueError(
            f"{folder}: missing tensors {sorted(missing)[:5]}, of another shape {sorted(info['mismatched_keys'])[:5]}; "
            "allowed: a whole checkpoint"
        )
    # what transformers made of the files counts: some configurations do not say it, or say it of the text model alone
    embedding, output = theirs.get_input_embeddings().weight, theirs.lm_head.weight
    config.text.tied = output.data_ptr() == embedding.data_ptr()
    torch.set_rng_state(drawn)
    model = cls(config)
    inner = model.model
    parts = [
        (inner.vision.tower, theirs.model.vision_tower),
        (inner.projector, theirs.model.multi_modal_projector),
        (inner.language, theirs.model.language_model),
    ]
    if inner.output is not None:
        parts.append((inner.output, theirs.lm_head))
    for ours, loaded in parts:
        weights = loaded.state_dict()
        broken = [k for k, v in weights.items() if not torch.isfinite(v).all()]
        if broken:
            raise ValueError(f"{folder}: tensors {broken[:5]} hold NaN or infinity; allowed: finite weights")
        ours.load_state_dict(weights, assign=True)
    if motion_tokens:
        inner.extend_vocabulary(motion_tokens)
    return model


def _theta(text, folder: str | Path) -> float:
    rope = text.rope_parameters
    if rope.get("rope_type", "default") != "default" or getattr(text, "use_sliding_window", False):
        raise ValueError(
            f"{folder} has rope_type {rope.get('rope_type')!r}, use_sliding_window {getattr(text, 'use_sliding_window', False)}; "
            "allowed: 'default', false (as InternVL3.5)"
        )
    return rope["rope_theta"]
