"""A checkpoint folder in InternVL3.5's layout, small and random, as transformers itself saves it, with a tokenizer and the published chat
template."""

from pathlib import Path

WORDS = ["<pad>", "<|im_start|>", "<|im_end|>", "<img>", "</img>", "<IMG_CONTEXT>", "<video>"]
IMAGE_TOKEN = WORDS.index("<IMG_CONTEXT>")
VIEW_TOKENS = 4  # a view of 56 px: 16 patches, four of which make a token
CHAT_TEMPLATE = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n'}}"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for content in message['content'] %}"
    "{% if content['type'] == 'image' %}{{ '<IMG_CONTEXT>\n' }}{% elif content['type'] == 'text' %}{{ content['text'] }}{% endif %}"
    "{% endfor %}{% endif %}{{'<|im_end|>\n'}}{% endfor %}{% if add_generation_prompt %}{{'<|im_start|>assistant\n' }}{% endif %}"
)


def make_internvl(folder: Path, tied: bool = True, seed: int = 3):
    """Write the folder; returns transformers' model."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from tokenizers.decoders import ByteLevel
    from transformers import (
        InternVLConfig,
        InternVLForConditionalGeneration,
        InternVLVisionConfig,
        PreTrainedTokenizerFast,
        Qwen3Config,
    )

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    inner = Tokenizer(models.BPE(vocab={w: i for i, w in enumerate(WORDS + alphabet)}, merges=[]))
    inner.pre_tokenizer, inner.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", eos_token="<|im_end|>", additional_special_tokens=WORDS[1:],
        extra_special_tokens={"start_image_token": "<img>", "end_image_token": "</img>", "context_image_token": "<IMG_CONTEXT>",
                              "video_token": "<video>"},
    )  # fmt: skip
    tokenizer.chat_template = CHAT_TEMPLATE
    tokenizer.save_pretrained(folder)
    text = Qwen3Config(
        vocab_size=300, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1, head_dim=16,
        intermediate_size=48, tie_word_embeddings=tied,
    )  # fmt: skip
    vision = InternVLVisionConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, image_size=[56, 56],
        attention_bias=True,
    )  # fmt: skip
    torch.manual_seed(seed)
    config = InternVLConfig(
        vision_config=vision,
        text_config=text,
        image_token_id=IMAGE_TOKEN,
        image_seq_length=VIEW_TOKENS,
        tie_word_embeddings=tied,
    )
    model = InternVLForConditionalGeneration(config).eval()
    model.save_pretrained(folder)
    return model


SPATIAL = ("spatial.kind=pointmap", "spatial.stride=4", "spatial.point_patch=2", "spatial.width=16")
SMALL_PARTS = (
    *SPATIAL, "fusion.width=16", "fusion.heads=2",
    "head.width=32", "head.layers=1", "head.heads=2", "head.mlp=32", "head.queries=4", "head.horizon=8", "head.max_prefix=3",
)  # fmt: skip


def small_parts(spatial: bool = True) -> list[str]:
    """Arguments of `vipa train` that make everything beside the folder's own parts small, the spatial encoder only if wanted."""
    return [word for part in SMALL_PARTS if spatial or part not in SPATIAL for word in ("--model", part)]


def normalised(ours, pixels):
    """(B, V, h, w, 3) uint8 to transformers' pixel_values (B V, 3, h, w)."""
    import torch

    c = ours.config.vision
    return ((pixels / 255 - torch.tensor(c.mean)) / torch.tensor(c.std)).permute(0, 1, 4, 2, 3).flatten(0, 1)


def prompt(views=2, text=9):
    """A batch of two prompts of ``views`` pictures and some words, with the last four to be said."""
    import torch

    torch.manual_seed(1)
    ids = torch.cat([torch.full((2, VIEW_TOKENS * views), IMAGE_TOKEN), torch.randint(7, 250, (2, text))], 1)
    labels = torch.full_like(ids, -100)
    labels[:, -4:] = ids[:, -4:]
    pixels = torch.randint(0, 256, (2, views, 56, 56, 3), dtype=torch.uint8)
    return {
        "pixels": pixels,
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids, dtype=torch.bool),
        "labels": labels,
    }
