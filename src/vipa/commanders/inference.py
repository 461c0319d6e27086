"""How a checkpoint runs on this machine: inference engine, precision and device, checked together once."""

from dataclasses import dataclass

from vipa.errors import unknown
from vipa_model.runtime.options import BACKENDS, DEVICES, PRECISIONS


@dataclass(frozen=True)
class InferenceOptions:
    """The inference engine of a checkpoint folder; a served policy runs on its server's.

    Args:
        backend: "onnxruntime" (exported graphs, CPU) or "torch" (weights).
        precision: "fp32" or "int8" (onnxruntime), "fp32" or "bf16" (torch); empty: the best fit.
        device: "cpu", "cuda" (torch only), or "auto": cuda where torch finds it.

    Raises:
        VipaError: for a value or a combination that no policy runs on.
    """

    backend: str = "onnxruntime"
    precision: str = ""
    device: str = "auto"

    def __post_init__(self):
        if self.backend not in BACKENDS:
            raise unknown("backend", self.backend, BACKENDS)
        if self.precision and self.precision not in PRECISIONS[self.backend]:
            raise unknown(f"precision for {self.backend}", self.precision, PRECISIONS[self.backend])
        if self.device not in DEVICES[self.backend]:
            raise unknown(f"device for {self.backend}", self.device, DEVICES[self.backend])


BEST_FIT = InferenceOptions()
