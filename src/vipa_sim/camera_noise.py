"""What a RealSense D400 camera makes of a perfect picture: depth that is noisy, quantised and full of holes, colour that is noisy and
drifts.

Depth is measured as the disparity of two infrared imagers, d = f B / z, with 848 x 480 pixels (Grunnet-Jepsen, Sweetser, Woodfill:
"Best-known-methods for tuning Intel RealSense D400 depth cameras for best performance", rev. 2.0):
- its error is constant in disparity, so that in depth it grows with z^2: RMS = z^2 s / (f B), s some 0.08 pixels on what has texture.
  Neighbours share their error, because they share a matching window. That it grows so was measured by Ahn et al., "Analysis and noise
  modeling of the Intel RealSense D435 for mobile robots", Ubiquitous Robots 2019;
- disparities have five bits behind the point and end at 126 pixels (f B / 126 is the nearest depth; "Subpixel linearity improvement
  for Intel RealSense depth camera D400 series");
- what one imager sees and the other does not has no depth: a band on the left of everything that stands before something;
- at an outline a matching window holds both sides, and on shiny things it holds reflections that are elsewhere in the other picture
  (Sajjan et al., "ClearGrasp", ICRA 2020): some of these pixels have none.
Colour: shot noise and read-out noise (Foi et al., "Practical Poissonian-Gaussian noise modeling", IEEE TIP 2008), a saturation at 255,
and an automatic exposure that wanders. How much of each, where no source gives a number, is assumed and stands in a constant.
"""

import zlib
from dataclasses import dataclass

import cv2
import numpy as np

FOCAL = 424.0  # pixels: 848 across 90 degrees
BASELINES_M = {"d435": 0.050, "d405": 0.018}  # metres between the imagers (data sheet of the D400 series)
SUBPIXEL = 0.08  # pixels of disparity, standard deviation
STEP = 1 / 32  # pixels, of the disparity's quantisation
DISPARITIES = 126.0  # pixels, largest disparity
WINDOW = 9.0  # pixels of an imager over which errors are alike
OUTLINE = 0.04  # jump of depth to a neighbour, as a share of it, that makes an outline
OUTLINE_HOLES = 0.5  # share of outline pixels without depth, assumed
SHINY = 0.5  # specular reflectance of a material from which depth begins to fail, assumed
SHINY_HOLES = 0.8  # share of a perfect mirror's pixels without depth, assumed
READ_NOISE, SHOT_NOISE = 1.5, 0.2  # grey levels; grey levels of variance a grey level, assumed
DRIFT = 0.10  # share by which the exposure wanders at most, assumed
DRIFT_PERIODS_S = 3.1, 7.7  # seconds, assumed


@dataclass(frozen=True)
class CameraNoise:
    """The noise of an episode's cameras, drawn by `seed`: the same of the same camera at the same time, whatever was looked at before."""

    seed: int

    def color(self, camera: str, stamp_ns: int, color: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 as the camera delivers what is `color` in truth."""
        rng = self._rng(camera, stamp_ns, "color")
        bright = color.astype(np.float32) * np.float32(self.exposure(camera, stamp_ns))
        noise = rng.standard_normal(color.shape, dtype=np.float32)
        bright += noise * np.sqrt(READ_NOISE**2 + SHOT_NOISE * bright)
        return np.clip(np.rint(bright), 0, 255).astype(np.uint8)

    def exposure(self, camera: str, stamp_ns: int) -> float:
        """Factor on the brightness at `stamp_ns`."""
        phases = self._rng(camera, 0, "exposure").uniform(0, 2 * np.pi, len(DRIFT_PERIODS_S))
        waves = np.sin(2 * np.pi * stamp_ns * 1e-9 / np.array(DRIFT_PERIODS_S) + phases)
        return 1.0 + DRIFT * float(waves.mean())

    def depth(
        self, camera: str, model: str, stamp_ns: int, depth: np.ndarray, specular: np.ndarray, focal: float
    ) -> np.ndarray:
        """(H, W) uint16 mm, 0 none, as a camera of `model` measures the true distances `depth` (H, W) metres, 0 none.

        specular: (H, W) 0..1 of what is seen. focal: pixels of the picture.
        """
        rng = self._rng(camera, stamp_ns, "depth")
        seen = depth > 0
        disparity = np.divide(FOCAL * BASELINES_M[model], depth, out=np.zeros(depth.shape, np.float32), where=seen)
        per_pixel = FOCAL / focal  # pixels of an imager to a pixel of the picture
        holes = ~seen | hidden(disparity, per_pixel)
        holes |= outlines(depth) & (rng.random(depth.shape, np.float32) < OUTLINE_HOLES)
        holes |= (
            _patches(rng, depth.shape, WINDOW / per_pixel)
            < np.clip((specular - SHINY) / (1 - SHINY), 0, 1) * SHINY_HOLES
        )
        measured = disparity + SUBPIXEL * _smooth(rng, depth.shape, WINDOW / per_pixel / 3)
        measured = np.rint(measured / STEP) * STEP
        holes |= (measured <= 0) | (measured > DISPARITIES)
        metres = np.divide(FOCAL * BASELINES_M[model], measured, out=np.zeros_like(measured), where=~holes)
        return np.clip(np.rint(metres * 1000.0), 0, 65535).astype(np.uint16)

    def _rng(self, camera: str, stamp_ns: int, what: str) -> np.random.Generator:
        return np.random.default_rng([self.seed, stamp_ns, zlib.crc32(f"{camera} {what}".encode())])


def hidden(disparity: np.ndarray, per_pixel: float) -> np.ndarray:
    """(H, W) bool: what the right imager does not see. disparity: (H, W) pixels of an imager; per_pixel: of these, to a pixel.

    A point is hidden if one further right in the left picture, and nearer, falls on or left of it in the right picture.
    """
    right = np.arange(disparity.shape[1], dtype=np.float32) * np.float32(per_pixel) - disparity
    nearest = np.minimum.accumulate(right[:, ::-1], axis=1)[:, ::-1]
    return np.pad(right[:, :-1] >= nearest[:, 1:], ((0, 0), (0, 1)))


def outlines(depth: np.ndarray) -> np.ndarray:
    """(H, W) bool: pixels whose depth differs from a neighbour's by more than OUTLINE of it."""
    near, far = cv2.erode(depth, np.ones((3, 3))), cv2.dilate(depth, np.ones((3, 3)))
    return far - near > OUTLINE * depth


def _smooth(rng: np.random.Generator, shape, sigma: float) -> np.ndarray:
    """(H, W) normal noise of mean 0 and variance 1, alike over some `sigma` pixels."""
    noise = cv2.GaussianBlur(rng.standard_normal(shape, dtype=np.float32), (0, 0), max(sigma, 0.3))
    return (noise - noise.mean()) / max(float(noise.std()), 1e-6)


def _patches(rng: np.random.Generator, shape, size: float) -> np.ndarray:
    """(H, W) values of which each share 0..1 lies below that share, in blots of some `size` pixels."""
    from scipy.special import ndtr  # takes as long to load as all else here, and most cells have perfect cameras

    return ndtr(_smooth(rng, shape, size))
