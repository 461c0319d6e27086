"""An adapter to CUT3R, the paper's 3-D encoder, when the user has installed it.

CUT3R's code and weights are licensed CC BY-NC-SA 4.0 (non-commercial, share-alike). Neither is part of this package,
which calls the user's own copy through its documented view dictionaries; whoever uses it is bound by its licence.
``spatial.kind: recurrent`` is the free stand-in.
"""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vipa_model.configuration_vipa import SpatialConfig
from vipa_model.network.cut3r_checkpoint import read_cut3r
from vipa_model.network.spatial import SpatialEncoder

WEIGHTS_VARIABLE = "VIPA_CUT3R_WEIGHTS"


class Cut3rEncoder(SpatialEncoder):
    """Last decoder layer's pose token and patch tokens of a frozen CUT3R (VLM-3R's choice), d_s = 768.

    CUT3R must be importable as ``dust3r.model.ARCroco3DStereo`` (its repository's ``src`` on PYTHONPATH, and ``einops``).
    ``config.weights`` or the environment variable VIPA_CUT3R_WEIGHTS names its weights file as published; the variable comes
    first. Its prediction heads are left out and its compiled ``curope`` is not needed. Raises ImportError or ValueError that say
    what is missing. The weights are not saved in a VIPA checkpoint.
    """

    def __init__(self, config: SpatialConfig) -> None:
        super().__init__()
        path = Path(os.environ.get(WEIGHTS_VARIABLE) or config.weights or ".")
        model_class, config_class = _cut3r()
        if not path.is_file():
            raise ValueError(
                f"{WEIGHTS_VARIABLE} is {os.environ.get(WEIGHTS_VARIABLE, '')!r}, spatial.weights {config.weights!r}; "
                "allowed: the path of CUT3R's weights file"
            )
        self.size = config.image_size
        # A tuple hides the module from state_dict and parameters: its weights never enter our checkpoints.
        self._hidden = (load_cut3r(path, model_class, config_class, config.width),)

    @torch.no_grad()
    def forward(self, pixels: Tensor, pointmap: Tensor | None = None) -> Tensor:
        model, captured = self._hidden[0].to(pixels.device), []
        batch, views, size, device = *pixels.shape[:2], self.size, pixels.device
        frames = F.interpolate(pixels.flatten(0, 1).float(), (size, size), mode="bilinear", antialias=True) * 2 - 1
        frames = frames.unflatten(0, (batch, views))
        hook = model.dec_norm.register_forward_hook(lambda module, inputs, output: captured.append(output))
        try:
            model([self._view(frames[:, v], v, device) for v in range(views)])
        finally:
            hook.remove()
        if len(captured) != views:
            raise RuntimeError(
                f"CUT3R's decoder ran {len(captured)} times for {views} views; allowed: once a view. "
                "This copy of CUT3R is not the one this adapter knows"
            )
        return torch.stack(captured, 1)

    @staticmethod
    def _view(image: Tensor, index: int, device: torch.device) -> dict:
        """One entry of CUT3R's input: an image (B, 3, s, s) in [-1, 1], no ray map (B, s, s, 6), the state updated and never
        reset.
        """
        batch, _, height, width = image.shape
        yes = torch.ones(batch, dtype=torch.bool, device=device)
        return {
            "img": image,
            "ray_map": torch.full((batch, height, width, 6), torch.nan, device=device),
            "true_shape": torch.tensor([[height, width]] * batch, dtype=torch.int32),
            "idx": index,
            "instance": str(index),
            "camera_pose": torch.eye(4, device=device).expand(batch, 4, 4),
            "img_mask": yes,
            "ray_mask": ~yes,
            "update": yes,
            "reset": ~yes,
        }


def load_cut3r(path: Path, model_class: type, config_class: type, width: int) -> nn.Module:
    """A frozen CUT3R of the weights file ``path``, without its heads. Raises ValueError unless its decoder is ``width`` wide and the
    file has every weight beside the heads'."""
    weights, settings = read_cut3r(path)
    # square pictures need no embedding for many aspect ratios; their own loader makes the same two changes
    settings |= {"patch_embed_cls": "PatchEmbedDust3R", "landscape_only": False}
    model = model_class(config_class(**settings)).eval().requires_grad_(False)
    missing = sorted(set(model.state_dict()) - set(weights))
    model.load_state_dict(weights, strict=False)
    absent = [k for k in missing if not k.startswith(("downstream_head.", "mask_token", "prediction_head."))]
    if absent:
        raise ValueError(f"{path} lacks {len(absent)} weights of its model, as {absent[:3]}; allowed: a whole file")
    if model.dec_embed_dim != width:
        raise ValueError(f"{path} has a decoder of width {model.dec_embed_dim}; allowed: spatial.width {width}")
    model.downstream_head, model.head = nn.Identity(), _no_prediction
    for module in model.modules():
        if getattr(module, "rope", None) is not None:
            module.rope = Rope2d(base=100.0)
    return model


class Rope2d(nn.Module):
    """Rotary position embedding in two dimensions for any integer position, also the -1 that CUT3R gives its pose token. (Its own
    version without ``curope`` looks positions up in a table and has no row for that.)"""

    def __init__(self, base: float) -> None:
        super().__init__()
        self.base = base

    def forward(self, tokens: Tensor, positions: Tensor) -> Tensor:
        """tokens (B, heads, N, d), positions (B, N, 2) int64, row and column, to tokens of the same shape. The first half of d turns
        by the row, the second by the column."""
        quarter = tokens.shape[-1] // 4
        octaves = self.base ** (-torch.arange(quarter, device=tokens.device, dtype=torch.float32) / quarter)
        angles = positions[:, None, :, :, None].float() * octaves  # (B, 1, N, 2, d / 4)
        cos, sin = angles.cos(), angles.sin()
        first, second = tokens.float().unflatten(-1, (2, 2, quarter)).unbind(-2)
        turned = torch.stack([first * cos - second * sin, second * cos + first * sin], -2)
        return turned.flatten(-3).to(tokens.dtype)


def _no_prediction(*args, **rest) -> dict:
    return {}


def _cut3r() -> tuple[type, type]:
    precision = torch.get_float32_matmul_precision()  # importing CUT3R lowers it for the whole process
    try:
        from dust3r.model import ARCroco3DStereo, ARCroco3DStereoConfig
    except ImportError as error:
        raise ImportError(
            f"spatial.kind 'cut3r' needs CUT3R (licence CC BY-NC-SA 4.0), which is not installed ({error}): put the src "
            "folder of your copy on PYTHONPATH, or use spatial.kind 'recurrent' or 'pointmap'"
        ) from error
    finally:
        torch.set_float32_matmul_precision(precision)
    return ARCroco3DStereo, ARCroco3DStereoConfig
