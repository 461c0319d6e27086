"""The policy runtime: an observation in, a chunk of tool poses out. No torch unless the torch runtime is asked for."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vipa_model.checksums import check, verify
from vipa_model.configuration_vipa import CONFIG_FILE, WEIGHTS_FILE, VipaConfig
from vipa_model.onnx_files import external_files
from vipa_model.processing.processing_vipa import PROCESSOR_FILE, VipaProcessor
from vipa_model.runtime.options import DEVICES, PRECISIONS, RUNTIMES

GRAPHS = {"condition": "condition-{}.onnx", "velocity": "velocity-{}.onnx"}


@dataclass
class PolicyOutput:
    """A chunk. Step k is due ``(k + 1) * dt`` after the observation's stamp.

    poses: {group: (H, 7) float64}, base frame, metres and xyzw. hand: {group: (H, Hh) float64}, 0 closed to 1 open.
    dt: seconds. timing: milliseconds: ``prepare``, ``condition``, ``integrate``, ``decode``, ``total``.
    auxiliary: what the model says of the scene: ``target``, ``tip`` (3,) metres base frame, ``subtask`` (count,) probabilities.
    """

    poses: dict[str, np.ndarray]
    hand: dict[str, np.ndarray]
    dt: float
    timing: dict[str, float]
    auxiliary: dict[str, np.ndarray] = field(default_factory=dict)


class Policy:
    """A checkpoint ready to act. Not thread-safe: one call at a time.

    Args:
        config, processor: of the checkpoint.
        runtime: has `condition(batch) -> dict` and `integrate(noise, known, prefix, condition, steps)`, see OnnxRuntime.
        steps: Euler steps; None: the configuration's.
        seed: of the noise; same seed and observations, same chunks.
        sha256: of the weights, for scorecards.
    """

    def __init__(
        self,
        config: VipaConfig,
        processor: VipaProcessor,
        runtime,
        steps: int | None = None,
        seed: int = 0,
        sha256: str | None = None,
    ) -> None:
        self.config, self.processor, self.runtime, self.checkpoint_sha256 = config, processor, runtime, sha256
        self.steps, self.horizon, self.dt = steps or config.head.steps, config.head.horizon, 1.0 / config.rate_hz
        self.seed = seed
        self.reset()

    @classmethod
    def from_pretrained(
        cls,
        folder: str | Path,
        runtime: str = "onnxruntime",
        precision: str = "",
        steps: int | None = None,
        seed: int = 0,
        device: str = "auto",
    ) -> Policy:
        """Opens a checkpoint.

        Args:
            folder: of the checkpoint.
            runtime: "onnxruntime" (graphs of `vipa export`, one thread on the CPU) or "torch" (weights).
            precision: "fp32" or "int8" of onnxruntime, "fp32" or "bf16" of torch; empty: bf16 on CUDA, else fp32.
            steps, seed: see Policy.
            device: "cpu", "cuda" (torch alone), or "auto": CUDA where torch finds it.

        Raises:
            FileNotFoundError: files or graphs are missing.
            ValueError: another runtime, precision or device, a file that does not match SHA256SUMS or is not in it, or a number in one
                that cannot be.
        """
        folder = Path(folder)
        for name, value, allowed in (("runtime", runtime, RUNTIMES), ("device", device, DEVICES["torch"])):
            if value not in allowed:
                raise ValueError(f"{name} is {value!r}; allowed: {', '.join(allowed)}")
        if precision and precision not in PRECISIONS[runtime]:
            raise ValueError(f"precision is {precision!r}; allowed for {runtime}: {', '.join(PRECISIONS[runtime])}")
        described = [CONFIG_FILE, PROCESSOR_FILE]
        for name in described:
            if not (folder / name).is_file():
                raise FileNotFoundError(f"{folder / name} is missing; allowed: a folder written by vipa train")
        if runtime == "torch":
            from vipa_model.network.weights import weight_files
            from vipa_model.runtime.policy_torch import TorchRuntime

            weights = weight_files(folder)
            sums = verify(folder, [*described, *weights])
            config, processor = VipaConfig.from_pretrained(folder), VipaProcessor.from_pretrained(folder)
            torch_runtime = TorchRuntime.from_pretrained(folder, precision, device)
            return cls(config, processor, torch_runtime, steps, seed, sums[weights[0]])
        if device == "cuda":
            raise ValueError("device is 'cuda'; allowed for onnxruntime: cpu. On a GPU the runtime is torch")
        files = [folder / name.format(precision or "fp32") for name in GRAPHS.values()]
        for file in files:
            if not file.is_file():
                raise FileNotFoundError(f"{file} is missing; make it with: vipa export {folder}")
        sums = verify(folder, [*described, *(f.name for f in files)])
        for name in sorted({name for file in files for name in external_files(file)}):
            check(folder, name, sums)
        config, processor = VipaConfig.from_pretrained(folder), VipaProcessor.from_pretrained(folder)
        runtime = OnnxRuntime(*files)
        runtime.check(processor.shapes() | {"noisy": (1, config.head.horizon, config.action_dim)})
        return cls(config, processor, runtime, steps, seed, sums.get(WEIGHTS_FILE))

    def reset(self) -> None:
        """Start of an episode: the noise sequence begins anew."""
        self.rng = np.random.default_rng(self.seed)

    def act(self, observation: dict, prefix: dict[str, dict[str, np.ndarray]] | None = None) -> PolicyOutput:
        """The chunk that answers ``observation`` (see VipaProcessor).

        prefix: {group: {'poses': (d, 7), 'hand': (d, Hh)}}, what the robot will do in the chunk's first d steps
        whatever arrives (base frame, absolute); it comes back unchanged and the rest continues it. d may be up to the
        configuration's ``head.max_prefix``; longer ones are cut there with the chunk's later steps free. Raises
        ValueError naming what is wrong.
        """
        start = time.perf_counter()
        batch = self.processor(observation)
        reference = self.processor.references(observation["state"])
        noise = self.rng.standard_normal((1, self.horizon, self.config.action_dim)).astype(np.float32)
        known, mask = np.zeros_like(noise), np.zeros((1, self.horizon), bool)
        length = self._prefix_length(prefix)
        if length:
            poses = {g: np.asarray(p["poses"])[:length] for g, p in prefix.items()}
            hand = {g: np.asarray(p["hand"])[:length] for g, p in prefix.items()}
            known[0, :length] = self.processor.encode_actions(poses, hand, reference)
            mask[0, :length] = True
        prepared = time.perf_counter()
        condition = self.runtime.condition(batch)
        conditioned = time.perf_counter()
        actions = self.runtime.integrate(noise, known, mask, condition, self.steps)
        integrated = time.perf_counter()
        if not np.isfinite(actions).all():
            raise ValueError(
                "the model gave NaN or infinity; allowed: finite actions. The checkpoint or the observation is damaged"
            )
        poses, hand = self.processor.decode_actions(actions[0].astype(np.float64), reference)
        for group in poses if length else ():
            poses[group][:length] = np.asarray(prefix[group]["poses"])[:length]
            hand[group][:length] = np.asarray(prefix[group]["hand"])[:length]
        end = time.perf_counter()
        marks = {
            "prepare": prepared - start,
            "condition": conditioned - prepared,
            "integrate": integrated - conditioned,
            "decode": end - integrated,
            "total": end - start,
        }
        return PolicyOutput(poses, hand, self.dt, {k: 1e3 * v for k, v in marks.items()}, _auxiliary(condition))

    def _prefix_length(self, prefix: dict | None) -> int:
        if not prefix:
            return 0
        names = [g.name for g in self.config.groups]
        if sorted(prefix) != sorted(names):
            raise ValueError(f"prefix has groups {sorted(prefix)}; allowed: {names}")
        lengths = {len(p[k]) for p in prefix.values() for k in ("poses", "hand")}
        if len(lengths) > 1:
            raise ValueError(
                f"prefix has parts of lengths {sorted(lengths)}; allowed: one length for all poses and hands"
            )
        return min(lengths.pop(), self.config.head.max_prefix)


class OnnxRuntime:
    """The two exported graphs in ONNX Runtime."""

    def __init__(self, condition: Path, velocity: Path) -> None:
        self._condition, self._velocity = open_session(condition), open_session(velocity)
        self._wants = [i.name for i in self._condition.get_inputs()]
        self._gives = [o.name for o in self._condition.get_outputs()]
        self._step_wants = [i.name for i in self._velocity.get_inputs()]

    def check(self, shapes: dict[str, tuple[int, ...]]) -> None:
        """Raises ValueError unless the graphs take arrays of ``shapes``, {name: shape}."""
        for graph in (self._condition, self._velocity):
            for wanted in graph.get_inputs():
                if wanted.name in shapes and tuple(wanted.shape) != shapes[wanted.name]:
                    raise ValueError(
                        f"the graphs take {wanted.name} of shape {tuple(wanted.shape)}; config.json makes it "
                        f"{shapes[wanted.name]}. Export again"
                    )
        missing = [n for n in self._wants if n not in shapes]
        if missing:
            raise ValueError(
                f"the graphs take {', '.join(missing)}; config.json makes {', '.join(shapes)}. Export again"
            )

    def condition(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return dict(zip(self._gives, self._condition.run(self._gives, {k: batch[k] for k in self._wants}), strict=True))

    def integrate(
        self, noise: np.ndarray, known: np.ndarray, prefix: np.ndarray, condition: dict[str, np.ndarray], steps: int
    ) -> np.ndarray:
        """``steps`` Euler steps from noise (1, H, A) float32 to actions of the same shape, normalised. Where prefix
        (1, H) is true they are ``known`` throughout."""
        actions = np.where(prefix[..., None], known, noise)
        for i in range(steps):
            given = {"noisy": actions, "tau": np.array([i / steps], np.float32), "prefix": prefix} | condition
            velocity = self._velocity.run(None, {k: given[k] for k in self._step_wants})[0]
            actions = np.where(prefix[..., None], known, actions + velocity / np.float32(steps))
        return actions


def open_session(path: Path):
    """An ONNX Runtime session on one CPU thread (two gave second-long stalls on busy machines)."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001  its errors have no base of their own
        raise ValueError(f"{path}: {' '.join(str(error).split())[:300]}; allowed: a graph of vipa export") from None


def _auxiliary(condition: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    out = {}
    for point in ("target", "tip"):
        if point in condition:
            out[point] = np.asarray(condition[point])[0]
    if "subtask" in condition:
        logits = np.asarray(condition["subtask"])[0]
        weights = np.exp(logits - logits.max())
        out["subtask"] = weights / weights.sum()
    return out
