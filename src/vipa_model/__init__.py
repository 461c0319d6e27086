"""VIPA-VLA, a spatially aware vision-language-action model (arXiv 2512.13080): model, processor, policy runtime,
training.

Importing this package, its processor and its policy needs numpy, OpenCV and ONNX Runtime; torch and transformers are
loaded only by the model, its training and the policy's torch runtime.
"""

from importlib import import_module

_HOMES = {
    "VipaConfig": "configuration_vipa",
    "VipaProcessor": "processing.processing_vipa",
    "Policy": "runtime.policy",
    "PolicyOutput": "runtime.policy",
    "VipaModel": "network.modeling_vipa",
    "VipaForActionPrediction": "network.modeling_vipa",
    "VipaPretrainedConfig": "network.pretrained",
    "VipaForRobotActions": "network.pretrained",
    "VipaForConditionalGeneration": "network.pretrained",
    "FrameStore": "data.frame_store",
    "FrameStoreWriter": "data.frame_store",
    "MotionTokenizer": "processing.motion_tokens",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"vipa_model has no {name!r}; allowed: {', '.join(__all__)}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
