"""How a checkpoint runs on this machine: inference engine, precision and device, checked together once."""

from dataclasses import dataclass

from vipa.errors import unknown
from vipa_model.runtime.options import DEVICES, PRECISIONS, RUNTIMES


@dataclass(frozen=True)
class InferenceOptions:
    """The inference engine of a checkpoint folder; a served policy runs on its server's.

    Args:
        runtime: "onnxruntime" (exported graphs, CPU) or "torch" (weights).
        precision: "fp32" or "int8" (onnxruntime), "fp32" or "bf16" (torch); empty: the best fit.
        device: "cpu", "cuda" (torch only), or "auto": cuda where torch finds it.

    Raises:
        VipaError: for a value or a combination that no policy runs on.
    """

    runtime: str = "onnxruntime"
    precision: str = ""
    device: str = "auto"

    def __post_init__(self):
        if self.runtime not in RUNTIMES:
            raise unknown("runtime", self.runtime, RUNTIMES)
        if self.precision and self.precision not in PRECISIONS[self.runtime]:
            raise unknown(f"precision for {self.runtime}", self.precision, PRECISIONS[self.runtime])
        if self.device not in DEVICES[self.runtime]:
            raise unknown(f"device for {self.runtime}", self.device, DEVICES[self.runtime])


BEST_FIT = InferenceOptions()
