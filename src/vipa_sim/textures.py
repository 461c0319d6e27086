"""Procedural textures and materials. Grey ones are tinted by their material's colour, so a new colour costs no upload."""

import mujoco
import numpy as np

_SEED = 7  # textures are part of the scene's constants: same on every machine


def add_material(
    spec: mujoco.MjSpec,
    name: str,
    rgba,
    texture: str = "",
    repeat: tuple[float, float] = (1.0, 1.0),
    specular: float = 0.2,
    shininess: float = 0.3,
    uniform: bool = False,
) -> None:
    """A material: rgba (4,) 0..1 times `texture`, repeated `repeat` times (per metre if `uniform`)."""
    material = spec.add_material(
        name=name, rgba=rgba, specular=specular, shininess=shininess, texrepeat=repeat, texuniform=uniform
    )
    if texture:
        material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = texture


def add_texture(spec: mujoco.MjSpec, name: str, image: np.ndarray, cube: bool = False) -> None:
    """A texture from an image (H, W, 3) uint8; `cube`: the same image on all six sides, for boxes."""
    _height, width = image.shape[:2]
    kind = mujoco.mjtTexture.mjTEXTURE_CUBE if cube else mujoco.mjtTexture.mjTEXTURE_2D
    data = np.concatenate([image] * 6) if cube else image
    texture = spec.add_texture(name=name, type=kind, width=width, height=len(data), nchannel=3)
    texture.data = np.ascontiguousarray(data).tobytes()


def tablecloth(width: int = 512, height: int = 1024, threads: int = 128) -> np.ndarray:
    """Grey cloth (height, width, 3) uint8: over-and-under threads, a hem, two stripes along the border."""
    y, x = np.mgrid[0:height, 0:width]
    u, v = x * (threads / width), y * (threads / width)
    over = (np.floor(u) + np.floor(v)) % 2
    value = 0.88 + 0.12 * np.where(over > 0, np.abs(np.sin(np.pi * (u + 0.25))), np.abs(np.sin(np.pi * (v + 0.25))))
    value += np.random.default_rng(_SEED).normal(0, 0.015, value.shape)
    edge = np.minimum.reduce([x, width - 1 - x, y, height - 1 - y])
    for start, stop, factor in ((0, 5, 0.85), (32, 46, 0.75), (54, 60, 0.82)):
        value[(edge >= start) & (edge < stop)] *= factor
    return _grey(value)


def terry(size: int = 128, threads: int = 44) -> np.ndarray:
    """Grey cleaning cloth (size, size, 3) uint8: a waffle weave with two stripes along the image's x."""
    y, x = np.mgrid[0:size, 0:size] * (threads / size)
    value = 0.80 + 0.20 * np.abs(np.sin(np.pi * x) * np.sin(np.pi * y))
    value += np.random.default_rng(_SEED).normal(0, 0.03, value.shape)
    row = np.arange(size)[:, None] / size
    for middle in (0.38, 0.62):
        value *= np.where(np.abs(row - middle) < 0.025, 0.72, 1.0)
    return _grey(value)


def wood(size: int = 256) -> np.ndarray:
    """Light wood (size, size, 3) uint8 with grain along the image's x."""
    rng = np.random.default_rng(_SEED)
    y, x = np.mgrid[0:size, 0:size] / size
    bend = 0.03 * np.sin(2 * np.pi * x + 1.0) + 0.015 * np.sin(4 * np.pi * x + 4 * y)
    rings = np.sin(2 * np.pi * 9 * (y + bend)) * 0.5 + np.sin(2 * np.pi * 23 * (y + bend)) * 0.25
    fibres = np.repeat(rng.normal(0, 1, (size, size // 32)), 32, axis=1)
    value = 0.88 + 0.07 * rings + 0.025 * fibres
    return (np.clip(value[..., None] * np.array([1.0, 0.97, 0.92]), 0, 1) * 255).astype(np.uint8)


def _grey(value: np.ndarray) -> np.ndarray:
    return np.repeat((np.clip(value, 0, 1) * 255).astype(np.uint8)[..., None], 3, axis=2)
