"""The configuration of VIPA-VLA: plain dataclasses, JSON on disk, no torch and no transformers needed to read it.

Values come from the paper (arXiv 2512.13080) unless their docstring says *assumed*: then they are this implementation's
choice, because the paper does not give them.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path

from vipa_model.checked import above_zero, at, build, one_of, read_json
from vipa_model.checksums import verify_if_listed, void
from vipa_model.configuration_parts import (
    SPATIAL_KINDS,
    VISION_KINDS,
    FusionConfig,
    GroupConfig,
    HeadConfig,
    SpatialConfig,
    TextConfig,
    VisionConfig,
)

CONFIG_FILE = "config.json"
TRANSFORMERS_KEYS = (
    "model_type",
    "architectures",
    "transformers_version",
    "dtype",
    "auto_map",
    "_name_or_path",
)  # beside ours
WEIGHTS_FILE = "model.safetensors"


@dataclass
class VipaConfig:
    """VIPA-VLA as a whole. Named sizes: ``VipaConfig.full()`` (paper), ``VipaConfig.s()``, ``VipaConfig.xs()``
    (assumed).

    cameras: view names in prompt order. rate_hz: chunk step rate (assumed 10). use_joints: joint positions in the
    state.
    motion_tokens: 0 before stage 2, 3 x 1024 after the vocabulary was extended (K = 1024 paper, 3 tables assumed).
    target, subtasks: auxiliary heads on h_cond: position of the sub-task's object (base frame) and sub-task index
    (both assumed, 0 / False switches them off), weighed ``aux_weight`` in the loss (assumed).
    grounding: width of the soft arg-max over the pointmap that finds the target, see grounding.py (assumed, 0: none);
    answers: it is read from the hidden states at the action queries instead, see answers.py (assumed); tip: either finds the working
    end of what is handled as well. look: the queries look up the image tokens of what they are told about, see look.py (assumed).
    vectors: in alignment what answers say is regressed, too, see numbers.py (assumed).
    """

    size: str = "full"
    vision: VisionConfig = field(default_factory=VisionConfig)
    text: TextConfig = field(default_factory=TextConfig)
    spatial: SpatialConfig = field(default_factory=SpatialConfig)
    fusion: FusionConfig = field(default_factory=FusionConfig)
    head: HeadConfig = field(default_factory=HeadConfig)
    groups: list[GroupConfig] = field(default_factory=lambda: [GroupConfig()])
    cameras: list[str] = field(default_factory=lambda: ["scene", "wrist"])
    rate_hz: float = 10.0
    use_joints: bool = False
    motion_tokens: int = 0
    target: bool = False
    subtasks: int = 0
    aux_weight: float = 0.1
    grounding: int = 0
    answers: bool = False
    tip: bool = False
    look: bool = False
    vectors: bool = False

    def __post_init__(self) -> None:
        one_of("vision.kind", self.vision.kind, VISION_KINDS)
        one_of("spatial.kind", self.spatial.kind, SPATIAL_KINDS)
        one_of("fusion.layers", self.fusion.layers, (1, 2))
        for name in _ABOVE_ZERO:
            above_zero(name, self)
        for name, count in (("vision.mean", 3), ("vision.std", 3), ("spatial.centre", 3)):
            value = at(self, name)
            if len(value) != count or (name == "vision.std" and min(value) <= 0):
                raise ValueError(f"{name} is {value}; allowed: {count} numbers{', above 0' * (name == 'vision.std')}")
        names = [g.name for g in self.groups]
        if not names or not self.cameras or len(set(names)) < len(names) or len(set(self.cameras)) < len(self.cameras):
            raise ValueError(f"groups {names}, cameras {self.cameras}; allowed: at least one of each, none twice")
        if not 0 <= self.head.max_prefix < self.head.horizon:
            raise ValueError(
                f"head.max_prefix is {self.head.max_prefix}; allowed: 0 to horizon - 1 = {self.head.horizon - 1}"
            )
        if int(self.vision.grid * self.vision.downsample) * round(1 / self.vision.downsample) != self.vision.grid:
            raise ValueError(
                f"vision.image_size {self.vision.image_size} gives a {self.vision.grid} grid, not divisible "
                f"for pixel shuffle {self.vision.downsample}"
            )
        if self.spatial.kind == "pointmap" and self.vision.image_size % (
            self.spatial.stride * self.spatial.point_patch
        ):
            raise ValueError(
                f"vision.image_size {self.vision.image_size} is not a multiple of spatial.stride * point_patch "
                f"= {self.spatial.stride * self.spatial.point_patch}"
            )

    @property
    def action_dim(self) -> int:
        """Width of one action: the groups' actions side by side."""
        return sum(g.action_dim for g in self.groups)

    @property
    def uses_depth(self) -> bool:
        """Whether the model looks at depth, with intrinsics and extrinsics to lift it; without, it is blind there."""
        return self.spatial.kind == "pointmap"

    @property
    def state_dim(self) -> int:
        """Width of the state: per group tool pose 9, velocity 3, hand, and joints if ``use_joints``."""
        return sum(12 + g.hand + (g.joints if self.use_joints else 0) for g in self.groups)

    @property
    def grounded(self) -> list[str]:
        """Names of the points that condition the action head, in the order of their tokens."""
        any_points = bool(self.grounding) or self.answers
        return ["target"] * any_points + ["tip"] * (any_points and self.tip)

    @property
    def vocab(self) -> int:
        return self.text.vocab + self.motion_tokens

    @classmethod
    def full(cls, **changes) -> VipaConfig:
        """The paper's model: InternVL3.5-2B, a CUT3R-shaped encoder, one fusion layer, a DiT of 16 x 1024 (assumed)."""
        return cls(**{"size": "full", "motion_tokens": 3 * 1024} | changes)

    @classmethod
    def s(cls, **changes) -> VipaConfig:
        """A small model to train from scratch on one GPU or, patiently, on a CPU (assumed): 160 px, 25 tokens a
        view.
        """
        return cls(
            **{
                "size": "s",
                "vision": VisionConfig(kind="conv", image_size=160, width=192, stem=[48, 96]),
                "text": TextConfig(
                    vocab=512,
                    width=256,
                    layers=6,
                    heads=8,
                    kv_heads=2,
                    head_dim=32,
                    mlp=512,
                    rope_theta=10_000.0,
                    max_tokens=32,
                    image_token=258,
                ),
                "spatial": SpatialConfig(
                    kind="pointmap",
                    width=128,
                    image_size=160,
                    encoder_width=192,
                    encoder_layers=4,
                    encoder_heads=6,
                    decoder_layers=2,
                    decoder_heads=4,
                    state_tokens=32,
                ),
                "fusion": FusionConfig(width=192, heads=6),
                "head": HeadConfig(queries=16, width=256, layers=4, heads=8, mlp=768, state_dropout=0.1),
            }
            | changes
        )

    @classmethod
    def xs(cls, **changes) -> VipaConfig:
        """The size that learns on two CPU cores and runs at more than 20 Hz on one (assumed): 128 px, 16 tokens a
        view.
        """
        return cls(
            **{
                "size": "xs",
                "vision": VisionConfig(kind="conv", image_size=128, width=96, stem=[32, 48]),
                "text": TextConfig(
                    vocab=512,
                    width=192,
                    layers=4,
                    heads=6,
                    kv_heads=2,
                    head_dim=32,
                    mlp=384,
                    rope_theta=10_000.0,
                    max_tokens=24,
                    image_token=258,
                ),
                "spatial": SpatialConfig(
                    kind="pointmap",
                    width=96,
                    image_size=128,
                    encoder_width=128,
                    encoder_layers=3,
                    encoder_heads=4,
                    decoder_layers=2,
                    decoder_heads=4,
                    state_tokens=16,
                    frequencies=5,
                ),
                "fusion": FusionConfig(width=96, heads=4, dropout=0.0),
                "head": HeadConfig(queries=8, width=192, layers=4, heads=6, mlp=384, state_dropout=0.1),
            }
            | changes
        )

    @classmethod
    def named(cls, size: str, **changes) -> VipaConfig:
        """The configuration called ``size``: ``full``, ``s`` or ``xs``."""
        one_of("size", size, ("full", "s", "xs"))
        return getattr(cls, size)(**changes)

    def to_dict(self) -> dict:
        return {"model_type": "vipa"} | dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: dict) -> VipaConfig:
        """Inverse of ``to_dict``. An unknown key raises ValueError that lists the allowed ones."""
        if not isinstance(data, dict):
            raise ValueError(f"configuration is a {type(data).__name__}; allowed: a mapping of keys to values")
        data = {k: v for k, v in data.items() if k not in TRANSFORMERS_KEYS}
        parts = {
            "vision": VisionConfig,
            "text": TextConfig,
            "spatial": SpatialConfig,
            "fusion": FusionConfig,
            "head": HeadConfig,
        }
        for key, part in parts.items():
            if key in data:
                data[key] = build(part, data[key], key)
        if "groups" in data:
            if not isinstance(data["groups"], list):
                raise ValueError(f"groups is a {type(data['groups']).__name__}; allowed: a list of groups")
            data["groups"] = [build(GroupConfig, g, f"groups[{i}]") for i, g in enumerate(data["groups"])]
        return build(cls, data, "config")

    def save_pretrained(self, folder: str | Path) -> None:
        """Write ``config.json`` into ``folder`` (made when absent)."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        void(Path(folder))
        (Path(folder) / CONFIG_FILE).write_text(json.dumps(self.to_dict(), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> VipaConfig:
        """Read ``config.json``. Raises FileNotFoundError, or ValueError for another model's configuration, a value of
        another type or range, or a file that is not the one that SHA256SUMS lists."""
        verify_if_listed(Path(folder), CONFIG_FILE)
        data = read_json(Path(folder) / CONFIG_FILE)
        if data.get("model_type") != "vipa":
            raise ValueError(
                f"{Path(folder) / CONFIG_FILE} has model_type {data.get('model_type')!r}; allowed: 'vipa'. "
                "An InternVL folder is loaded with VipaForActionPrediction.from_internvl"
            )
        try:
            return cls.from_dict(data)
        except ValueError as error:
            raise ValueError(f"{Path(folder) / CONFIG_FILE}: {error}") from None


# what cannot be 0 or less, beside widths and counts of parts that a kind may leave out
_ABOVE_ZERO = (
    "vision.image_size", "vision.width", "vision.patch", "vision.downsample", "text.vocab", "text.width", "text.layers",
    "text.heads", "text.kv_heads", "text.head_dim", "text.max_tokens", "text.rope_theta", "spatial.stride",
    "spatial.point_patch", "spatial.scale", "head.queries", "head.width", "head.layers", "head.heads", "head.horizon",
    "head.steps", "rate_hz",
)  # fmt: skip


def changed(config: VipaConfig, changes: dict) -> VipaConfig:
    """A copy of ``config`` with dotted keys replaced, e.g. {'head.horizon': 8}. Unknown keys raise ValueError."""
    data = config.to_dict()
    for key, value in changes.items():
        place = data
        *path, last = key.split(".")
        for part in path:
            place = place.get(part)
            if not isinstance(place, dict):
                raise ValueError(f"configuration has no {key!r}; allowed under {part!r}: {sorted(data)}")
        if last not in place:
            raise ValueError(f"configuration has no {key!r}; allowed: {sorted(place)}")
        place[last] = value
    return VipaConfig.from_dict(data)
