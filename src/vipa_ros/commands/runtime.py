"""What the verbs that run a checkpoint have in common: how it is run."""


def runtime_arguments(parser) -> None:
    """--backend, --precision and --device of a checkpoint folder."""
    parser.add_argument("--backend", default="onnxruntime", help="of a checkpoint: onnxruntime or torch")
    parser.add_argument("--precision", default="", help="fp32 or int8 (onnxruntime), fp32 or bf16 (torch); empty: the best fit")
    parser.add_argument("--device", default="auto", help="of torch: cpu, cuda, or auto: cuda where there is one")
