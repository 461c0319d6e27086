"""How much later one signal shows what another has shown: by the shift at which they agree best."""

from dataclasses import dataclass

import numpy as np

STEP_S = 0.001  # seconds between shifts that are tried
AGREE = 0.9  # correlation at the best shift, at least
MOVES = 5.0  # times its noise that a signal must move


@dataclass(frozen=True)
class Delay:
    """seconds: that the second signal is behind the first. sigma: its standard deviation. agreement: correlation at this shift, 0 to 1.
    fault: '' or why it is of no use."""

    seconds: float
    sigma: float
    agreement: float
    fault: str = ""


def delay(
    t_a: np.ndarray, a: np.ndarray, t_b: np.ndarray, b: np.ndarray, reach: float = 0.5, what: str = "signal"
) -> Delay:
    """How far `b` (m,) at times `t_b` (m,) is behind `a` (n,) at `t_a` (n,), seconds, at most `reach` either way.

    Scale, offset and sign of `b` do not matter: it may be what a picture shows of the motion `a`.
    """
    t_a, a, t_b, b = (np.asarray(x, float) for x in (t_a, a, t_b, b))
    inside = (t_b > t_a[0] + reach) & (t_b < t_a[-1] - reach)
    if inside.sum() < 20:
        return Delay(0.0, np.inf, 0.0, f"{what}: {inside.sum()} samples within the motion; wanted: 20 or more")
    t, y = t_b[inside], b[inside] - b[inside].mean()
    noise = np.median(np.abs(np.diff(y, 2))) / 1.65  # of white noise: 0.6745 sqrt(6)
    if np.std(y) < MOVES * noise or np.std(y) < 1e-9:
        return Delay(0.0, np.inf, 0.0, f"{what}: nothing moves in it that is more than its noise")
    shifts = np.arange(-reach, reach + STEP_S / 2, STEP_S)
    scores = np.array([abs(_correlation(np.interp(t - shift, t_a, a), y)) for shift in shifts])
    best = int(np.argmax(scores))
    if best in (0, len(shifts) - 1):
        return Delay(float(shifts[best]), np.inf, float(scores[best]), f"{what}: the delay lies beyond {reach:g} s")
    around = slice(max(best - 20, 0), best + 21)
    curve = np.polyfit(shifts[around] - shifts[best], scores[around], 2)  # its top, between two shifts
    seconds = float(shifts[best] - curve[1] / (2 * curve[0])) if curve[0] < 0 else float(shifts[best])
    agreement = float(scores[best])
    # Cramér-Rao: a slope of the signal turns noise into time
    slope = np.gradient(np.interp(t - seconds, t_a, a), t)
    spread = np.std(np.interp(t - seconds, t_a, a))
    left = np.sqrt(max(1 - agreement**2, 0.0)) * spread
    sigma = float(left / max(np.sqrt(np.sum(slope**2)), 1e-12))
    fault = (
        "" if agreement >= AGREE else f"{what}: agrees with the motion by {agreement:.2f}; allowed: {AGREE:g} or more"
    )
    return Delay(seconds, sigma, agreement, fault)


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    a = a - a.mean()
    size = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / size) if size > 1e-15 else 0.0


def seen_motion(pictures: np.ndarray) -> np.ndarray:
    """(n,) how pictures (n, H, W) change: their scores on the direction in which they differ most. Of one motion to and fro it follows
    that motion, whatever it is that moves in the picture."""
    flat = pictures.reshape(len(pictures), -1).astype(np.float64)
    flat -= flat.mean(axis=0)
    _, directions = np.linalg.eigh(flat @ flat.T)
    first = directions[:, -1]
    return first * np.sqrt(max(float(first @ (flat @ (flat.T @ first))), 0.0))
