"""Admittance: presses a tool on a surface with a wanted force while its path is followed along the surface.

The reference is shifted along the tool's z axis (outwards of the tool) at a speed in proportion to the force that is missing:

    speed = (target - force) / damping,   force = -f_z of the wrist's wrench, filtered

A force is wanted only where there is something to press on: it comes on within FORCE_ON_M of what the task lets the arm touch, and goes off
again beyond FORCE_OFF_M, when the tool has left the surface (a task that opens no pair wants it everywhere). The shift then fades.

Short of the surface that is a slow approach (target / damping), in contact a first-order loop whose rate is the contact's stiffness
over the damping. It stays well below the delay of the measurement and of the arm (ANSWER_DELAY_S) for contacts up to
damping / (3 ANSWER_DELAY_S): 2 kN/m at the default damping. Harder contacts want more damping.
"""

from collections.abc import Sequence

import numpy as np

from vipa.geometry import rotation
from vipa.motion.buffer import Reference
from vipa.robot.description import Group

ANSWER_DELAY_S = 0.08  # seconds from a force to the arm's answer: sensor and its filter, 50 Hz, servo, the arm itself
DAMPING_NS_M = 500.0  # N s/m
DAMPING_RANGE_NS_M = (100.0, 20000.0)
STIFFNESS_N_M = 0.0  # N/m towards the commanded path: 0 holds the force, whatever the path says along z
STIFFNESS_RANGE_N_M = (0.0, 5000.0)
MAX_SHIFT_SPEED_M_S = 0.05  # m/s of the shift
MAX_SHIFT_M = 0.05  # metres of the shift: a surface further away than this is not looked for
MAX_SHIFT_ACCELERATION_M_S2 = 1.0  # m/s² of the shift
FORCE_ON_M, FORCE_OFF_M = 0.02, 0.03  # metres of a pair that may touch, as commanded: the force comes on, goes off
FORCE_FILTER_S = 0.01  # seconds, of the measured force
WRENCH_TIMEOUT_S = 0.25  # seconds, monotonic, without a wrench: no force is known, the shift fades
MAX_CAP_SHARE = 0.6  # a target force is at most this share of the arm's force cap
KEYS = ("group", "target", "damping", "stiffness")


class Admittance:
    """One arm's shift along its tool's z axis. offset: metres; speed: m/s. Not for several threads."""

    def __init__(self, group: Group):
        self.group = group
        self.offset = self.speed = 0.0
        self.target: float | None = None
        self.near = False  # what may be pressed on
        self.damping, self.stiffness = DAMPING_NS_M, STIFFNESS_N_M
        self._force: float | None = None
        self._measured = 0.0
        self._stamp = -np.inf

    @property
    def active(self) -> bool:
        """True while a force is wanted here or the shift has not faded yet."""
        return self.wanted or self.offset != 0.0

    @property
    def wanted(self) -> bool:
        """True while the arm shall press: a force is configured, and what it may press on is near."""
        return self.target is not None and self.near

    def approach(self, distance: float) -> None:
        """distance: metres, of the nearest pair that the task lets touch; inf: it opens none, and the force is wanted everywhere; NaN:
        not known."""
        self.near = distance == np.inf or distance < (FORCE_OFF_M if self.near else FORCE_ON_M)

    def limit(self, group: Group) -> None:
        """The force cap is that of `group` now; a target beyond its share comes down to it."""
        self.group = group
        if self.target is not None:
            self.target = min(self.target, MAX_CAP_SHARE * group.force_cap)

    def configure(self, force: dict | None) -> None:
        """Take `force`, which `check_force` has passed; None: off, the shift fades."""
        self.near = False  # until the next tick says so
        if force is None:
            self.target = None
            return
        self.target = float(force["target"])
        self.damping, self.stiffness = (
            float(force.get("damping", DAMPING_NS_M)),
            float(force.get("stiffness", STIFFNESS_N_M)),
        )

    def measure(self, wrench: np.ndarray, monotonic: float) -> None:
        """The wrist's wrench (6,) on the tool in the tool frame at the local clock's `monotonic` seconds."""
        self._measured, self._stamp = -float(wrench[2]), monotonic

    def reset(self) -> None:
        """The arm stands where it is commanded: no shift."""
        self.offset = self.speed = 0.0
        self._force = None

    def shift(self, reference: Reference, dt: float, monotonic: float) -> Reference:
        """`reference` (a pose, at the end of the coming tick of `dt` seconds), shifted."""
        known = monotonic - self._stamp <= WRENCH_TIMEOUT_S
        if known:
            share = dt / (FORCE_FILTER_S + dt)
            self._force = (
                self._measured if self._force is None else self._force + share * (self._measured - self._force)
            )
        if self.wanted and self.target is not None and self._force is not None and known:
            wanted = (self.target - self._force - self.stiffness * self.offset) / self.damping
        else:
            self._force = None
            wanted = -self.offset / 0.3
        change = MAX_SHIFT_ACCELERATION_M_S2 * dt
        wanted = min(max(wanted, -MAX_SHIFT_SPEED_M_S), MAX_SHIFT_SPEED_M_S)
        self.speed += min(max(wanted - self.speed, -change), change)
        before = self.offset
        self.offset = min(max(before + self.speed * dt, -MAX_SHIFT_M), MAX_SHIFT_M)
        self.speed = (self.offset - before) / dt
        if not self.wanted and abs(self.offset) < 1e-5 and abs(self.speed) < 1e-3:
            self.offset = self.speed = 0.0
        axis = rotation.to_matrix(reference.value[3:])[:, 2]
        value, rate = reference.value.copy(), reference.rate.copy()
        value[:3] += self.offset * axis
        rate[:3] += self.speed * axis + self.offset * np.cross(rate[3:], axis)
        return Reference(value, rate, reference.acceleration)


def check_force(force: dict | None, arms: Sequence[Group]) -> str:
    """'' if `force` can be configured: target (newtons along the tool's z axis, presses when positive), damping, stiffness,
    and group, which may be left out for a single arm. Else why not. arms: of the robot, with the caps in force."""
    if force is None:
        return ""
    unknown = [str(key) for key in force if key not in KEYS]
    if unknown:
        return f"force: unknown {', '.join(unknown)}; allowed: {', '.join(KEYS)}"
    caps = {g.name: MAX_CAP_SHARE * g.force_cap for g in arms}
    name = force.get("group", next(iter(caps)) if len(caps) == 1 else None)
    if name not in caps:
        return f"force: group {name!r}; allowed: {', '.join(caps)}"
    cap = caps[name]
    for key, (low, high) in {
        "target": (0.0, cap),
        "damping": DAMPING_RANGE_NS_M,
        "stiffness": STIFFNESS_RANGE_N_M,
    }.items():
        value = force.get(key, None if key == "target" else low)
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            return f"force: {key} {value!r}; allowed: {low:g} .. {high:g}"
    return ""
