"""What a checkpoint can run on. Imports nothing, so that arguments are checked without loading a runtime."""

RUNTIMES = ("onnxruntime", "torch")
PRECISIONS = {"onnxruntime": ("fp32", "int8"), "torch": ("fp32", "bf16")}
DEVICES = {"onnxruntime": ("auto", "cpu"), "torch": ("auto", "cpu", "cuda")}
