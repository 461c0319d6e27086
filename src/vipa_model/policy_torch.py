"""The policy's torch backend: the reference on a CPU, and the way to run on CUDA."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .modeling_vipa import VipaForActionPrediction

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}


class TorchBackend:
    """Eager torch, on CUDA when there is one."""

    def __init__(self, folder: Path, precision: str = "fp32") -> None:
        """precision: ``fp32``, or ``bf16`` on CUDA. Raises ValueError for another."""
        if precision not in PRECISIONS or (precision == "bf16" and not torch.cuda.is_available()):
            raise ValueError(f"precision is {precision!r}; allowed for torch: 'fp32', and 'bf16' on CUDA")
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = VipaForActionPrediction.from_pretrained(folder).to(self.device, PRECISIONS[precision])
        self.dtype = PRECISIONS[precision]

    @torch.inference_mode()
    def condition(self, batch: dict[str, np.ndarray]) -> dict:
        """As the exported condition graph; what only the velocity needs stays on the device."""
        inputs = {k: self._in(v) for k, v in batch.items()}
        h_cond = self.model.model.encode(inputs)
        keys, values = self.model.head.condition(h_cond)
        out = {"keys": keys, "values": values, "state_token": self.model.state_token(inputs["state"], h_cond)}
        return out | {k: v.float().cpu().numpy() for k, v in self.model.auxiliary(h_cond).items()}

    @torch.inference_mode()
    def velocity(self, noisy: np.ndarray, tau: np.ndarray, prefix: np.ndarray, condition: dict) -> np.ndarray:
        """As the exported velocity graph."""
        out = self.model.head(
            self._in(noisy),
            condition["state_token"],
            self._in(tau),
            self._in(prefix),
            condition["keys"],
            condition["values"],
        )
        return out.float().cpu().numpy()

    def _in(self, array: np.ndarray) -> Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(array)).to(self.device)
        return tensor.to(self.dtype) if tensor.is_floating_point() else tensor
