"""A checkpoint as a model of transformers: configuration, Auto classes, ``from_pretrained`` with hub ids, shards, ``dtype`` and
``device_map``, and ``generate`` with a cache.

    from vipa_model.network import pretrained  # registers them
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype="bfloat16", device_map="auto")

The same config.json and tensors as VipaForActionPrediction's: either reads what the other has saved.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForImageTextToText,
    DynamicCache,
    GenerationMixin,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.modeling_outputs import CausalLMOutputWithPast

from vipa_model.checksums import void
from vipa_model.configuration_vipa import TRANSFORMERS_KEYS, VipaConfig
from vipa_model.network.constants import fill_constants
from vipa_model.network.modeling_vipa import VipaForActionPrediction, VipaModel
from vipa_model.network.precision import halve
from vipa_model.network.weights import SHARD

_FIELDS = tuple(f.name for f in dataclasses.fields(VipaConfig))


class VipaPretrainedConfig(PreTrainedConfig):
    """``vipa`` is the VipaConfig; its fields can be read here, too, as ``config.vision``. On disk it is VipaConfig's config.json with
    transformers' own keys beside."""

    model_type = "vipa"

    def __init__(self, vipa: VipaConfig | None = None, **rest) -> None:
        own = {k: rest.pop(k) for k in _FIELDS if k in rest}
        self.vipa = vipa if vipa is not None else VipaConfig.from_dict(own)
        super().__init__(tie_word_embeddings=False, **{k: v for k, v in rest.items() if k != "tie_word_embeddings"})

    def __getattr__(self, name: str):
        if name in _FIELDS and "vipa" in self.__dict__:
            return getattr(self.__dict__["vipa"], name)
        raise AttributeError(f"{type(self).__name__} has no {name!r}")

    vocab_size = property(lambda self: self.vipa.vocab)
    hidden_size = property(lambda self: self.vipa.text.width)
    num_hidden_layers = property(lambda self: self.vipa.text.layers)
    num_attention_heads = property(lambda self: self.vipa.text.heads)
    num_key_value_heads = property(lambda self: self.vipa.text.kv_heads)
    head_dim = property(lambda self: self.vipa.text.head_dim)

    def to_dict(self) -> dict:
        """VipaConfig's keys and transformers' own."""
        kept = {k: v for k, v in super().to_dict().items() if k in TRANSFORMERS_KEYS}
        return kept | self.vipa.to_dict()

    def to_diff_dict(self) -> dict:
        """The same: a configuration says all."""
        return self.to_dict()


class VipaPreTrainedModel(PreTrainedModel):
    """What both models share: loading and saving."""

    config_class = VipaPretrainedConfig
    main_input_name = "input_ids"
    supports_gradient_checkpointing = True
    _no_split_modules = ("Qwen3DecoderLayer", "InternVLVisionLayer", "DiTBlock", "Block")

    def __init__(self, config: VipaPretrainedConfig | VipaConfig) -> None:
        super().__init__(config if isinstance(config, PreTrainedConfig) else VipaPretrainedConfig(config))

    @classmethod
    def from_pretrained(cls, folder: str | Path, *args, dtype: str | torch.dtype | None = None, **rest):
        """As transformers', from local folders and hub ids, whole or in shards, in evaluation mode.

        dtype: float32 (default), bfloat16 or float16, of the matrices: embeddings, norms and points stay float32, as a metre in
        bfloat16 is good to 4 mm. Raises ValueError for a checkpoint without all of this model's tensors.
        """
        wanted = getattr(torch, dtype) if isinstance(dtype, str) else dtype or torch.float32
        told = rest.pop("output_loading_info", False)
        model, info = super().from_pretrained(folder, *args, dtype=torch.float32, output_loading_info=True, **rest)
        absent = sorted(info["missing_keys"])
        if absent or info["mismatched_keys"]:
            raise ValueError(
                f"{folder}: missing tensors {absent[:5]}, of another shape {sorted(info['mismatched_keys'])[:5]}"
            )
        if wanted != torch.float32:
            halve(model, wanted)
        return (model, info) if told else model

    def save_pretrained(self, folder: str | Path, *args, max_shard_size: int | str = SHARD, **rest) -> None:
        """As transformers', in files of ``max_shard_size`` at most, with an index where there are several."""
        if Path(folder).is_dir():
            void(Path(folder))
        super().save_pretrained(folder, *args, max_shard_size=max_shard_size, **rest)

    def _init_weights(self, module: nn.Module) -> None:
        fill_constants(module)

    def _autocast(self):
        """The matrices' precision, for all that is computed with them."""
        kind = next((m.weight.dtype for m in self.modules() if isinstance(m, nn.Linear)), torch.float32)
        return torch.autocast(self.device.type, kind, enabled=kind != torch.float32)


class VipaForRobotActions(VipaPreTrainedModel):
    """VipaForActionPrediction; the same module names, so the same tensors. ``inner`` is the model itself."""

    def __init__(self, config: VipaPretrainedConfig | VipaConfig) -> None:
        super().__init__(config)
        inner = VipaForActionPrediction(self.config.vipa)
        for name, child in inner.named_children():
            self.add_module(name, child)
        object.__setattr__(self, "inner", inner)
        self.post_init()

    def forward(self, generator: torch.Generator | None = None, **batch: Tensor) -> dict[str, Tensor]:
        """Losses of a batch, see VipaForActionPrediction."""
        with self._autocast():
            return self.inner(batch, generator)

    def predict_actions(self, batch: dict[str, Tensor], noise: Tensor, **rest) -> Tensor:
        """Normalised actions (B, H, A) float32, see VipaForActionPrediction."""
        with self._autocast():
            return self.inner.predict_actions(batch, noise, **rest).float()


class VipaForConditionalGeneration(VipaPreTrainedModel, GenerationMixin):
    """The vision-language part, which answers. Inputs beside transformers' own: ``pixels`` (B, V, h, w, 3) uint8 and, for an encoder
    that lifts depth, ``pointmap`` (B, V, hp, wp, 4); see modeling_vipa."""

    _keys_to_ignore_on_load_unexpected = (r"^(head|aim|target_head|subtask_head)\.",)

    def __init__(self, config: VipaPretrainedConfig | VipaConfig) -> None:
        super().__init__(config)
        self.model = VipaModel(self.config.vipa)
        self.post_init()

    @classmethod
    def of(cls, model: VipaForActionPrediction) -> VipaForConditionalGeneration:
        """The vision-language part of ``model`` itself: no copy."""
        with torch.device("meta"):
            made = cls(model.config)
        made.model = model.model
        return made.train(model.training)

    def get_input_embeddings(self) -> nn.Module:
        return self.model.language.embed_tokens

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        pixels: Tensor | None = None,
        pointmap: Tensor | None = None,
        past_key_values=None,
        labels: Tensor | None = None,
        use_cache: bool = True,
        logits_to_keep: int = 0,
        **unused,
    ) -> CausalLMOutputWithPast:
        """Scores of the next word (B, T, vocabulary) float32; with ``labels`` (B, T), -100 where none counts, also their loss.

        attention_mask (B, seen + T). The pictures are looked at once, at the beginning of a text; the cache keeps what was seen."""
        cache = past_key_values if past_key_values is not None else DynamicCache()
        with self._autocast():
            if pixels is not None:
                batch = {"input_ids": input_ids, "pixels": pixels, "pointmap": pointmap}
                embeddings = self.model.embed_prompt({k: v for k, v in batch.items() if v is not None})
            else:
                embeddings = self.model.language.embed_tokens(input_ids)
            if attention_mask is None:
                attention_mask = input_ids.new_ones(len(input_ids), cache.get_seq_length() + input_ids.shape[1])
            hidden = self.model.continue_language(embeddings, attention_mask.bool(), cache)
            logits = self.model.logits(hidden[:, -logits_to_keep:] if logits_to_keep else hidden).float()
        loss = None
        if labels is not None:
            loss = F.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100)
        return CausalLMOutputWithPast(loss=loss, logits=logits, past_key_values=cache if use_cache else None)

    def prepare_inputs_for_generation(
        self,
        input_ids: Tensor,
        past_key_values=None,
        attention_mask=None,
        pixels=None,
        pointmap=None,
        use_cache=True,
        **unused,
    ) -> dict:
        """What ``forward`` takes at the next word: after the first, the last word and the cache alone."""
        seen = 0 if past_key_values is None else past_key_values.get_seq_length()
        inputs = {
            "input_ids": input_ids[:, seen:],
            "attention_mask": attention_mask,
            "past_key_values": past_key_values,
        }
        pictures = {"pixels": pixels, "pointmap": pointmap} if seen == 0 else {}
        return inputs | pictures | {"use_cache": use_cache, "logits_to_keep": 1}


AutoConfig.register("vipa", VipaPretrainedConfig)
AutoModel.register(VipaPretrainedConfig, VipaForRobotActions)
AutoModelForImageTextToText.register(VipaPretrainedConfig, VipaForConditionalGeneration)
