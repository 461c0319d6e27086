"""A checkpoint as two ONNX graphs: one that makes the condition, once an observation, and one that makes a velocity,
once an Euler step. float32 and dynamically quantised int8."""

from __future__ import annotations

import logging
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from vipa_model import checksums
from vipa_model.network.modeling_vipa import VipaForActionPrediction
from vipa_model.processing.processing_vipa import VipaProcessor
from vipa_model.runtime.policy import GRAPHS

PRECISIONS = ("fp32", "int8")


class ConditionGraph(nn.Module):
    """(pixels, [pointmap], input_ids, attention_mask, state) to (keys, values, state token, [target], [tip], [sub-task
    logits]).
    """

    def __init__(self, model: VipaForActionPrediction, names: list[str]) -> None:
        super().__init__()
        self.model, self.names = model, names

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        batch = dict(zip(self.names, inputs, strict=True))
        h_cond = self.model.model.encode(batch)
        return (
            *self.model.head.condition(h_cond),
            self.model.state_token(batch["state"], h_cond),
            *self.model.auxiliary(h_cond).values(),
        )


class VelocityGraph(nn.Module):
    """(noisy (1, H, A), tau (1,), prefix (1, H) bool, keys, values, state token) to velocity (1, H, A)."""

    def __init__(self, model: VipaForActionPrediction) -> None:
        super().__init__()
        self.head = model.head

    def forward(
        self, noisy: Tensor, tau: Tensor, prefix: Tensor, keys: Tensor, values: Tensor, state_token: Tensor
    ) -> Tensor:
        return self.head(noisy, state_token, tau, prefix, keys, values)


def export(folder: str | Path, precisions: tuple[str, ...] = PRECISIONS) -> dict[str, float]:
    """Write ``condition-<precision>.onnx`` and ``velocity-<precision>.onnx`` into checkpoint ``folder`` and refresh its
    SHA256SUMS. Graphs are for batch size 1, the configuration's cameras, and the prompt's full padded length.

    Returns the largest difference of each graph to eager torch on a random input, {'condition-fp32': ..., ...}. Raises
    ValueError for an unknown precision or a float32 graph further than 1e-4 from eager.
    """
    folder = Path(folder)
    for precision in precisions:
        if precision not in PRECISIONS:
            raise ValueError(f"precision is {precision!r}; allowed: {', '.join(PRECISIONS)}")
    model, processor = VipaForActionPrediction.from_pretrained(folder), VipaProcessor.from_pretrained(folder)
    batch = example(model, processor)
    config = model.config
    condition = ConditionGraph(model, list(batch))
    outputs = ["keys", "values", "state_token", *model.auxiliary_names]
    with torch.no_grad():
        wanted = dict(zip(outputs, condition(*batch.values()), strict=True))
    noisy = torch.randn(1, config.head.horizon, config.action_dim)
    step = {
        "noisy": noisy,
        "tau": torch.tensor([0.25]),
        "prefix": torch.arange(config.head.horizon)[None] < 2,
        "keys": wanted["keys"],
        "values": wanted["values"],
        "state_token": wanted["state_token"],
    }
    with torch.no_grad():
        velocity = {"velocity": VelocityGraph(model)(*step.values())}
    differences = {}
    for name, module, inputs, truth in (
        ("condition", condition, batch, wanted),
        ("velocity", VelocityGraph(model), step, velocity),
    ):
        path = folder / GRAPHS[name].format("fp32")
        _write(module, inputs, list(truth), path)
        differences[f"{name}-fp32"] = _difference(path, inputs, truth)
        if differences[f"{name}-fp32"] > 1e-4:
            raise ValueError(
                f"{path} differs from eager torch by {differences[f'{name}-fp32']:.2g}; allowed: up to 1e-4"
            )
        if "int8" in precisions:
            small = folder / GRAPHS[name].format("int8")
            _quantise(path, small)
            differences[f"{name}-int8"] = _difference(small, inputs, truth)
        if "fp32" not in precisions:
            path.unlink()
    checksums.write(folder)
    return differences


def example(model: VipaForActionPrediction, processor: VipaProcessor) -> dict[str, Tensor]:
    """A random input of the right shapes, batch size 1."""
    config, rng = model.config, np.random.default_rng(0)
    size, views = config.vision.image_size, len(config.cameras)
    ids, mask = processor.prompt("", views)
    batch = {"pixels": rng.integers(0, 256, (1, views, size, size, 3), np.uint8)}
    if processor.uses_depth:
        points = size // config.spatial.stride
        batch["pointmap"] = rng.random((1, views, points, points, 4), np.float32).round(2)
    batch |= {
        "input_ids": ids[None],
        "attention_mask": mask[None],
        "state": rng.normal(size=(1, config.state_dim)).astype(np.float32),
    }
    return {k: torch.from_numpy(v) for k, v in batch.items()}


def _write(module: nn.Module, inputs: dict[str, Tensor], outputs: list[str], path: Path) -> None:
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(),
            tuple(inputs.values()),
            str(path),
            input_names=list(inputs),
            output_names=outputs,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    _forget_origin(path)


def _forget_origin(path: Path) -> None:
    """The exporter notes for every node which lines of which file on this machine it came from: nobody else's business."""
    import onnx

    model = onnx.load(str(path))
    for part in (model, model.graph, *model.graph.node, *model.graph.value_info):
        part.ClearField("metadata_props")
    onnx.save(model, str(path))


def _quantise(source: Path, target: Path) -> None:
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    graph = onnx.load(str(source))
    # Shapes that the exporter noted contradict those of the quantised weights.
    del graph.graph.value_info[:]
    with tempfile.TemporaryDirectory() as scratch:
        bare = Path(scratch) / "bare.onnx"
        onnx.save(graph, str(bare))
        logging.getLogger().setLevel(logging.ERROR)
        quantize_dynamic(str(bare), str(target), weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul", "Gemm"])


def _difference(path: Path, inputs: dict[str, Tensor], truth: dict[str, Tensor]) -> float:
    from vipa_model.runtime.policy import open_session

    session = open_session(path)
    names = [i.name for i in session.get_inputs()]
    got = session.run(list(truth), {k: v.numpy() for k, v in inputs.items() if k in names})
    return max(float(np.abs(g - t.numpy()).max()) for g, t in zip(got, truth.values(), strict=True))
