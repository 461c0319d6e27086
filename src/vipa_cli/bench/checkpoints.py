"""Checkpoints of random weights: a forward pass costs the same as a trained one's, and the robot stays where it is."""

from pathlib import Path

import numpy as np

from vipa.errors import VipaError
from vipa_model.configuration_vipa import VipaConfig
from vipa_model.processing.normalisation import Statistics
from vipa_model.processing.processing_vipa import VipaProcessor
from vipa_model.processing.tokenization_vipa import ByteTokenizer

STEP = 2e-3  # metres, and 6-D rotation entries, of a chunk's noise


def random_checkpoint(folder: Path, config: VipaConfig, precisions=("fp32", "int8"), seed: int = 0) -> Path:
    """Writes and exports a checkpoint of `config` whose chunks tremble about the tool's pose. Raises VipaError without torch."""
    try:
        import torch

        from vipa_model.network.modeling_vipa import VipaForActionPrediction
        from vipa_model.runtime.export import export
    except ModuleNotFoundError as error:
        raise VipaError(f"{error.name} is not installed; run: make train-env") from None
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    model = tremble(VipaForActionPrediction(config).eval())
    processor = trembling_processor(config)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    export(folder, precisions)
    return folder


def tremble(model):
    """`model` with noise in the layers that start at zero, which would make every velocity zero."""
    for layer in (model.head.out, model.head.modulation):
        layer.weight.data.normal_(0.0, 0.02)
    return model


def trembling_processor(config: VipaConfig) -> VipaProcessor:
    """A processor that decodes a chunk of noise into small movements about the tool's pose."""
    offset, scale = [], []
    for group in config.groups:
        offset += [0.0] * 3 + [1.0, 0.0, 0.0, 0.0, 1.0, 0.0] + [0.5] * group.hand
        scale += [STEP] * 9 + [0.1] * group.hand
    actions = Statistics(np.tile(offset, (config.head.horizon, 1)), np.tile(scale, (config.head.horizon, 1)))
    return VipaProcessor(config, ByteTokenizer(), action_statistics=actions)
