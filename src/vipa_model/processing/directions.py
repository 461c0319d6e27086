"""Answers about displacements, in the words of the paper's question-answer data, and how good they are.

A displacement (3,) m is x right, y down, z forward: of a camera, or of the robot's view (`robot_view`).
"""

from __future__ import annotations

import re

import numpy as np

AXES = (("right", "left"), ("down", "up"), ("forward", "backward"))
GAMMA = 0.3  # share of the unit vector from which on an axis is named (the paper's gamma; value assumed)
# metres above the base: there a robot's view begins, so that its workspace lies in the motion tokens' cube
VIEW_HEIGHT = 0.4
_NUMBER = re.compile(r"(\d+(?:\.\d+)?)\s*m")


def robot_view(points: np.ndarray) -> np.ndarray:
    """Points (..., 3) of the base frame (x forward, y left, z up) as the robot sees them: x right, y down, z forward, from
    VIEW_HEIGHT above the base. The pointmap's frame is the base's, so what the robot's view says does not hang on the camera."""
    points = np.asarray(points, np.float64)
    return np.stack([-points[..., 1], VIEW_HEIGHT - points[..., 2], points[..., 0]], -1)


def direction_words(displacement: np.ndarray, threshold: float = GAMMA) -> str:
    """The paper's answer form: displacement (3,) m to words and distance, e.g. ``left and down and forward, 0.44m``.

    An axis is named when its share of the unit vector exceeds ``threshold``.
    """
    displacement = np.asarray(displacement, np.float64)
    signs = directions(displacement, threshold)
    words = [pair[0] if sign > 0 else pair[1] for sign, pair in zip(signs, AXES, strict=True) if sign]
    return f"{' and '.join(words) or 'still'}, {np.linalg.norm(displacement):.2f}m"


def directions(displacement: np.ndarray, threshold: float = GAMMA) -> np.ndarray:
    """Per axis 1 (right, down, forward), -1 (left, up, backward) or 0 (not named): (..., 3) int of (..., 3) m."""
    displacement = np.asarray(displacement, np.float64)
    unit = displacement / np.maximum(np.linalg.norm(displacement, axis=-1, keepdims=True), 1e-9)
    return np.where(np.abs(unit) > threshold, np.sign(unit), 0).astype(int)


def read_answer(text: str) -> tuple[np.ndarray, float]:
    """Per axis 1, -1 or 0, (3,) int, and metres (NaN where there are none) of an answer."""
    said = set(re.findall(r"[a-z]+", text.lower()))
    signs = np.array([int(first in said) - int(second in said) for first, second in AXES])
    number = _NUMBER.search(text)
    return signs, float(number[1]) if number else float("nan")


def score(text: str, displacement: np.ndarray) -> tuple[float, int]:
    """The paper's two measures of an answer against the true displacement (3,) m: distance error in metres, and direction score, of
    3: on how many axes the answer says what is true (how the paper counts is not given; assumed). An answer without a distance is
    wrong by all of it."""
    signs, distance = read_answer(text)
    true = float(np.linalg.norm(displacement))
    error = abs(distance - true) if np.isfinite(distance) else true
    return error, int((signs == directions(displacement)).sum())


def compared(said: str, true: str) -> tuple[float, int] | None:
    """The same two measures of an answer against the true one in words; None where that has no distance in metres (turns of a camera).
    An answer without a distance is wrong by all of it."""
    (signs, distance), (true_signs, true_distance) = read_answer(said), read_answer(true)
    if not np.isfinite(true_distance):
        return None
    error = abs(distance - true_distance) if np.isfinite(distance) else true_distance
    return error, int((signs == true_signs).sum())
