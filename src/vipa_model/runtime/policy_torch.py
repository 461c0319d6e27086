"""The policy's torch runtime: the reference on a CPU, and the way to run on CUDA.

On CUDA the condition and the whole integration are each recorded as a CUDA graph at their first use: at batch size 1 a
model spends more time on launching kernels than on running them. Tests on a CPU run the same code without graphs; tests
marked `gpu` run it with them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vipa_model.network.modeling_vipa import VipaForActionPrediction
from vipa_model.network.precision import halve

log = logging.getLogger(__name__)
WARM_UP = 3  # calls before a graph is recorded: cuBLAS and cuDNN choose and allocate in them


class TorchRuntime:
    """A model in torch as a policy's runtime. One call at a time.

    precision: ``fp32``, ``bf16``, or "" for bf16 on CUDA and fp32 on a CPU. device: ``auto``, ``cpu`` or ``cuda``; the model is
    moved there. graphs: record CUDA graphs (on CUDA alone). compiled: run both parts through torch.compile, which takes
    minutes at the first call and pays where kernels are small. Raises ValueError for CUDA where there is none.
    """

    def __init__(
        self,
        model: VipaForActionPrediction,
        precision: str = "",
        device: str = "auto",
        graphs: bool = True,
        compiled: bool = False,
    ) -> None:
        if device == "cuda" and not torch.cuda.is_available():
            raise ValueError("device is 'cuda', but torch finds no CUDA device; allowed here: cpu")
        cuda = device == "cuda" or (device == "auto" and torch.cuda.is_available())
        self.device = torch.device("cuda" if cuda else "cpu")
        self.precision = precision or ("bf16" if cuda else "fp32")
        self.model = model.eval()
        if self.precision == "bf16":
            halve(self.model)
        self.model.to(self.device)
        self._compile = torch.compile if compiled else _as_it_is
        self._record = Recorded if cuda and graphs else _eager
        self._encode: Callable | None = None
        self._integrate: dict[int, Callable] = {}

    @classmethod
    def from_pretrained(cls, folder: Path, precision: str = "", device: str = "auto") -> TorchRuntime:
        """The weights of checkpoint ``folder``."""
        return cls(VipaForActionPrediction.from_pretrained(folder), precision, device)

    @torch.inference_mode()
    def condition(self, batch: dict[str, np.ndarray]) -> dict:
        """As the exported condition graph; what only the integration needs stays on the device."""
        inputs = {key: self._in(value) for key, value in batch.items()}
        if self._encode is None:
            self._encode = self._record(self._compile(self._condition), inputs)
        out = dict(self._encode(**inputs))
        # not in the graph: a constant that is made on the CPU cannot be recorded
        with self._autocast():
            auxiliary = self.model.auxiliary(out.pop("h_cond"))
        return out | {key: value.float().cpu().numpy() for key, value in auxiliary.items()}

    @torch.inference_mode()
    def integrate(
        self, noise: np.ndarray, known: np.ndarray, prefix: np.ndarray, condition: dict, steps: int
    ) -> np.ndarray:
        """As OnnxRuntime's, with all steps on the device."""
        inputs = {"noise": self._in(noise), "known": self._in(known), "prefix": self._in(prefix)}
        inputs |= {key: condition[key] for key in ("keys", "values", "state_token")}
        if steps not in self._integrate:
            euler = self._compile(self._euler)
            self._integrate[steps] = self._record(lambda **given: {"actions": euler(steps, **given)}, inputs)
        return self._integrate[steps](**inputs)["actions"].cpu().numpy()

    def _condition(self, **batch: Tensor) -> dict[str, Tensor]:
        with self._autocast():
            h_cond = self.model.model.encode(batch)
            keys, values = self.model.head.condition(h_cond)
            token = self.model.state_token(batch["state"], h_cond)
        return {"h_cond": h_cond, "keys": keys, "values": values, "state_token": token}

    def _euler(self, steps: int, noise, known, prefix, keys, values, state_token) -> Tensor:
        held = prefix[..., None]
        actions = torch.where(held, known, noise)
        for i in range(steps):
            tau = torch.full((1,), i / steps, device=self.device)
            with self._autocast():
                velocity = self.model.head(actions, state_token, tau, prefix, keys, values)
            actions = torch.where(held, known, actions + velocity.float() / steps)
        return actions

    def _autocast(self):
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16")

    def _in(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)


class Recorded:
    """A function of tensors of fixed shapes, recorded as a CUDA graph and replayed. Its outputs are overwritten by the next
    call. What cannot be recorded runs eagerly, and the log says why."""

    def __init__(self, function: Callable[..., dict[str, Tensor]], example: dict[str, Tensor]) -> None:
        self.function, self.graph = function, None
        self.inputs = {key: value.clone() for key, value in example.items()}
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_UP):
                function(**self.inputs)
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                self.outputs = function(**self.inputs)
            self.graph = graph
        except RuntimeError as error:
            torch.cuda.synchronize()
            log.warning("no CUDA graph, running eagerly: %s", str(error).splitlines()[0])

    def __call__(self, **inputs: Tensor) -> dict[str, Tensor]:
        if self.graph is None:
            return self.function(**inputs)
        for key, value in inputs.items():
            self.inputs[key].copy_(value)
        self.graph.replay()
        return self.outputs


def _eager(function: Callable[..., dict[str, Tensor]], example: dict[str, Tensor]) -> Callable[..., dict[str, Tensor]]:
    return function


def _as_it_is(function: Callable) -> Callable:
    return function
