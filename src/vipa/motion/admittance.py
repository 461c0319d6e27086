"""Admittance: presses a tool on a surface with a wanted force while its path is followed along the surface.

The reference is shifted along the tool's z axis (outwards of the tool) at a speed in proportion to the force that is missing:

    speed = (target - force) / damping,   force = -f_z of the wrist's wrench, filtered

A force is wanted only where there is something to press on: it comes on within NEAR of what the task lets the arm touch, and goes off
again beyond LEAVE, when the tool has left the surface (a task that opens no pair wants it everywhere). The shift then fades.

Short of the surface that is a slow approach (target / damping), in contact a first-order loop whose rate is the contact's stiffness
over the damping. It stays well below the delay of the measurement and of the arm (DELAY) for contacts up to
damping / (3 DELAY): 2 kN/m at the default damping. Harder contacts want more damping.
"""

from collections.abc import Sequence

import numpy as np

from vipa.geometry import rotation
from vipa.motion.buffer import Reference
from vipa.robot.description import Group

DELAY = 0.08  # seconds from a force to the arm's answer: sensor and its filter, 50 Hz, servo, the arm itself
DAMPING = 500.0  # N s/m
DAMPING_RANGE = (100.0, 20000.0)
STIFFNESS = 0.0  # N/m towards the commanded path: 0 holds the force, whatever the path says along z
STIFFNESS_RANGE = (0.0, 5000.0)
MAX_SPEED = 0.05  # m/s of the shift
MAX_OFFSET = 0.05  # metres of the shift: a surface further away than this is not looked for
MAX_ACCELERATION = 1.0  # m/s² of the shift
NEAR, LEAVE = 0.02, 0.03  # metres of a pair that may touch, as commanded: the force comes on, goes off
FILTER = 0.01  # seconds, of the measured force
STALE = 0.25  # seconds, monotonic, without a wrench: no force is known, the shift fades
CAP_SHARE = 0.6  # a target force is at most this share of the arm's force cap
KEYS = ("group", "target", "damping", "stiffness")


class Admittance:
    """One arm's shift along its tool's z axis. offset: metres; speed: m/s. Not for several threads."""

    def __init__(self, group: Group):
        self.group = group
        self.offset = self.speed = 0.0
        self.target: float | None = None
        self.near = False  # what may be pressed on
        self.damping, self.stiffness = DAMPING, STIFFNESS
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
        self.near = distance == np.inf or distance < (LEAVE if self.near else NEAR)

    def limit(self, group: Group) -> None:
        """The force cap is that of `group` now; a target beyond its share comes down to it."""
        self.group = group
        if self.target is not None:
            self.target = min(self.target, CAP_SHARE * group.force_cap)

    def configure(self, force: dict | None) -> None:
        """Take `force`, which `check_force` has passed; None: off, the shift fades."""
        self.near = False  # until the next tick says so
        if force is None:
            self.target = None
            return
        self.target = float(force["target"])
        self.damping, self.stiffness = float(force.get("damping", DAMPING)), float(force.get("stiffness", STIFFNESS))

    def measure(self, wrench: np.ndarray, monotonic: float) -> None:
        """The wrist's wrench (6,) on the tool in the tool frame at the local clock's `monotonic` seconds."""
        self._measured, self._stamp = -float(wrench[2]), monotonic

    def reset(self) -> None:
        """The arm stands where it is commanded: no shift."""
        self.offset = self.speed = 0.0
        self._force = None

    def shift(self, reference: Reference, dt: float, monotonic: float) -> Reference:
        """`reference` (a pose, at the end of the coming tick of `dt` seconds), shifted."""
        known = monotonic - self._stamp <= STALE
        if known:
            share = dt / (FILTER + dt)
            self._force = (
                self._measured if self._force is None else self._force + share * (self._measured - self._force)
            )
        if self.wanted and self.target is not None and self._force is not None and known:
            wanted = (self.target - self._force - self.stiffness * self.offset) / self.damping
        else:
            self._force = None
            wanted = -self.offset / 0.3
        change = MAX_ACCELERATION * dt
        wanted = min(max(wanted, -MAX_SPEED), MAX_SPEED)
        self.speed += min(max(wanted - self.speed, -change), change)
        before = self.offset
        self.offset = min(max(before + self.speed * dt, -MAX_OFFSET), MAX_OFFSET)
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
    caps = {g.name: CAP_SHARE * g.force_cap for g in arms}
    name = force.get("group", next(iter(caps)) if len(caps) == 1 else None)
    if name not in caps:
        return f"force: group {name!r}; allowed: {', '.join(caps)}"
    cap = caps[name]
    for key, (low, high) in {"target": (0.0, cap), "damping": DAMPING_RANGE, "stiffness": STIFFNESS_RANGE}.items():
        value = force.get(key, None if key == "target" else low)
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            return f"force: {key} {value!r}; allowed: {low:g} .. {high:g}"
    return ""
