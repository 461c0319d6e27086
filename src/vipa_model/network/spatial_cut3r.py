"""An adapter to CUT3R, the paper's 3-D encoder, when the user has installed it.

CUT3R's code and weights are licensed CC BY-NC-SA 4.0 (non-commercial, share-alike). Neither is part of this package,
which calls the user's own copy through its documented view dictionaries; whoever uses it is bound by its licence.
``spatial.kind: recurrent`` is the free stand-in.
"""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from vipa_model.configuration_vipa import SpatialConfig
from vipa_model.network.spatial import SpatialEncoder

WEIGHTS_VARIABLE = "VIPA_CUT3R_WEIGHTS"


class Cut3rEncoder(SpatialEncoder):
    """Last decoder layer's pose token and patch tokens of a frozen CUT3R (VLM-3R's choice), d_s = 768.

    CUT3R must be importable as ``dust3r.model.ARCroco3DStereo`` (its repository's ``src`` on PYTHONPATH) and the
    environment variable VIPA_CUT3R_WEIGHTS must name its weights file. Raises ImportError or ValueError that say so
    otherwise. The weights are not saved in a VIPA checkpoint.
    """

    def __init__(self, config: SpatialConfig) -> None:
        super().__init__()
        try:
            from dust3r.model import ARCroco3DStereo
        except ImportError as error:
            raise ImportError(
                "spatial.kind 'cut3r' needs CUT3R (licence CC BY-NC-SA 4.0), which is not installed: put the src "
                "folder of your copy on PYTHONPATH, or use spatial.kind 'recurrent' or 'pointmap'"
            ) from error
        weights = os.environ.get(WEIGHTS_VARIABLE, "")
        if not Path(weights).is_file():
            raise ValueError(f"{WEIGHTS_VARIABLE} is {weights!r}; allowed: the path of CUT3R's weights file")
        self.size = config.image_size
        # A tuple hides the module from state_dict and parameters: its weights never enter our checkpoints.
        self._hidden = (ARCroco3DStereo.from_pretrained(weights).eval().requires_grad_(False),)

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
        """One entry of CUT3R's input: an image (B, 3, s, s) in [-1, 1], no ray map, the state updated and never
        reset.
        """
        batch, _, height, width = image.shape
        yes = torch.ones(batch, dtype=torch.bool, device=device)
        return {
            "img": image,
            "ray_map": torch.full((batch, 6, height, width), torch.nan, device=device),
            "true_shape": torch.tensor([[height, width]] * batch, dtype=torch.int32),
            "idx": index,
            "instance": str(index),
            "camera_pose": torch.eye(4, device=device).expand(batch, 4, 4),
            "img_mask": yes,
            "ray_mask": ~yes,
            "update": yes,
            "reset": ~yes,
        }
