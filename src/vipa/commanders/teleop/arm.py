"""ArmDrive: from what a device says of one arm to tool poses, a bounded step at a time, from where the arm is."""

from dataclasses import dataclass

import numpy as np

from vipa.commanders.teleop.device import ArmInput
from vipa.commanders.teleop.settings import Settings
from vipa.commanders.teleop.track import DT_S, Track, braking, eased
from vipa.geometry import poses, rotation
from vipa.robot.description import Group
from vipa.robot.state import GroupState

# metres, radians that the track may lead the measured tool, beside what the speed makes of LAG_S
MAX_LEAD_M_RAD = (0.06, 0.25)
LAG_S = 0.15  # seconds from a knot until the arm is measured there
# metres, radians of key steps that may still be to go when more come: further keys are lost, not saved up
MAX_PENDING_M_RAD = (0.015, 0.08)
# metres, radians: so near to where it was sent the arm goes on from there, else from where it is measured
REST_M_RAD = (0.03, 0.1)
MAX_LEAP_M_RAD = (0.15, 0.5)  # metres, radians that a device may be off its last reading: further it has lost its track
SPEED_SHARE = 0.8  # of the robot file's speed limits that a pose device may use
ACCELERATION = np.array([2.0, 8.0])  # m/s², rad/s² of the track
DONE_M_RAD = (1e-5, 1e-4)  # metres, radians: a key's step is done


@dataclass(frozen=True)
class Axes:
    """How the person's axes lie. turn (3, 3): columns forward, left, up in the base frame. free (6,): 1, or 0 for a locked axis.
    gain: share of speeds, steps and scale."""

    turn: np.ndarray
    free: np.ndarray
    gain: float = 1.0

    def displacement(self, wish: np.ndarray) -> np.ndarray:
        """A displacement (6,) along the person's axes in the base frame, locked axes left out."""
        kept = self.free * wish
        return np.concatenate([self.turn @ kept[:3], self.turn @ kept[3:]])


class ArmDrive:
    """One arm. `step` gives the poses to send; nothing unless the deadman is held or keys were pressed.

    note: "" or why the arm does not move although the person wants it to.
    """

    def __init__(self, group: Group, settings: Settings):
        self.group, self.settings = group, settings
        self.track = Track()
        self.note = ""
        self._goal: np.ndarray | None = None  # pose that keys have asked for
        self._clutch: tuple[np.ndarray, np.ndarray, np.ndarray] | None = (
            None  # device, tool and the person's axes when it closed
        )
        self._lost = False  # the device leapt: it must be let go of first
        self._last: np.ndarray | None = None  # the device's last pose
        self._rest: np.ndarray | None = None  # where the arm was sent last
        self._by = np.zeros(6)  # displacement of the last knot

    @property
    def engaged(self) -> bool:
        """The arm is being driven."""
        return self.track.end is not None

    def reset(self) -> None:
        """The arm is elsewhere, or somebody else had it: it begins anew from where it is measured."""
        self._release()
        self._rest = None

    def _release(self) -> None:
        if self.track.end is not None:
            self._rest = self.track.end
        self.track.clear()
        self._goal = self._clutch = None
        self._by = np.zeros(6)

    def step(self, now_ns: int, given: ArmInput, measured: GroupState, axes: Axes) -> tuple[int, np.ndarray] | None:
        """Start in ns and poses (T, 7) DT_S apart in the base frame; None: nothing to send, the arm ends where it was told last."""
        self.note = ""
        keys = given.steps is not None and bool(np.any(given.steps))
        if not given.held:
            self._lost = False
        elif self._leapt(given.pose):
            self._lost = True
        if self._lost:
            self.note = "the device leapt; let go and take hold again"
        waiting = self._goal is not None
        if not (
            keys or waiting or (given.held and not self._lost and (given.rate is not None or given.pose is not None))
        ):
            self._release()
            return None
        if not self.engaged:
            self.track.begin(now_ns, self._start(measured.tool_pose))
        if given.steps is not None or waiting:
            wish = self._keys(given.steps, axes)
        elif given.pose is not None:
            wish = self._poses(given.pose, axes)
        else:
            wish = self._rates(given.rate, axes)
        grew = self.track.extend(now_ns, lambda value: self._advance(value, wish(value), measured.tool_pose))
        if self._goal is not None:
            left = poses.difference(self._goal, self.track.end)
            if np.linalg.norm(left[:3]) < DONE_M_RAD[0] and np.linalg.norm(left[3:]) < DONE_M_RAD[1]:
                self._goal = None  # it is released at the next step
        return self.track.steps(now_ns) if grew else None

    def _advance(self, value: np.ndarray, wish: np.ndarray, measured: np.ndarray) -> np.ndarray:
        """The pose a knot after `value`: towards `wish` (6,), eased, and not out of the measured arm's reach."""
        by = eased(wish, self._by, ACCELERATION)
        after = self._bounded(poses.moved(value, by), value, measured)
        self._by = by if after is not value else np.zeros(6)
        return after

    def _start(self, measured: np.ndarray) -> np.ndarray:
        """Where a new track begins: where the last one ended if the arm is there, else where it is measured."""
        if self._rest is not None:
            off = poses.difference(self._rest, measured)
            if np.linalg.norm(off[:3]) < REST_M_RAD[0] and np.linalg.norm(off[3:]) < REST_M_RAD[1]:
                return self._rest
        return measured

    def _leapt(self, pose: np.ndarray | None) -> bool:
        before, self._last = self._last, pose
        if pose is None or before is None:
            return False
        off = poses.difference(pose, before)
        return bool(np.linalg.norm(off[:3]) > MAX_LEAP_M_RAD[0] or np.linalg.norm(off[3:]) > MAX_LEAP_M_RAD[1])

    # what each kind of input wishes for the next knot: its displacement (6,) from the last

    def _keys(self, steps: np.ndarray | None, axes: Axes):
        if self._goal is None:
            self._goal = self.track.end
        if steps is not None:
            sizes = axes.gain * np.repeat([self.settings.step, self.settings.turn_step], 3)
            left = poses.difference(self._goal, self.track.end)
            if np.linalg.norm(left[:3]) <= MAX_PENDING_M_RAD[0] and np.linalg.norm(left[3:]) <= MAX_PENDING_M_RAD[1]:
                self._goal = poses.moved(self._goal, axes.displacement(steps * sizes))
        goal, most = self._goal, DT_S * np.array([self.settings.speed, self.settings.turn])
        return lambda value: braking(poses.difference(goal, value), most, ACCELERATION)

    def _rates(self, rate: np.ndarray, axes: Axes):
        speed = axes.gain * DT_S * np.repeat([self.settings.speed, self.settings.turn], 3)
        by = axes.displacement(rate * speed)
        return lambda value: by

    def _poses(self, pose: np.ndarray, axes: Axes):
        """Relative to the two poses at clutch time: the tool moves as the device has since."""
        if self._clutch is None:
            self._clutch = pose, self.track.end, axes.turn
        device, tool, turn = self._clutch
        scale = axes.gain * np.repeat([self.settings.scale, self.settings.turn_scale], 3)
        goal = poses.moved(tool, Axes(turn, axes.free).displacement(scale * poses.difference(pose, device)))
        most = SPEED_SHARE * DT_S * np.array([self.group.tool_speed, self.group.tool_angular_speed])
        return lambda value: braking(poses.difference(goal, value), most, ACCELERATION)

    def _bounded(self, value: np.ndarray, before: np.ndarray, measured: np.ndarray) -> np.ndarray:
        """`value`, or `before` where it would lead the measured tool by more than MAX_LEAD_M_RAD: an arm that is held up is not pulled on."""
        way, angle = np.linalg.norm(value[:3] - before[:3]), np.linalg.norm(rotation.difference(value[3:], before[3:]))
        off = poses.difference(value, measured)
        far, turned = np.linalg.norm(off[:3]), np.linalg.norm(off[3:])
        if (far > MAX_LEAD_M_RAD[0] + LAG_S * way / DT_S and far > np.linalg.norm(before[:3] - measured[:3])) or (
            turned > MAX_LEAD_M_RAD[1] + LAG_S * angle / DT_S
            and turned > np.linalg.norm(rotation.difference(before[3:], measured[3:]))
        ):
            self.note = "the arm does not follow: something holds it up"
            self._goal = self._clutch = None
            return before
        return value
