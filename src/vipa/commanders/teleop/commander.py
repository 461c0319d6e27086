"""The commander `teleop`: a person drives by a device, through the same gate as every commander."""

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from vipa.commanders.commander import CommanderInput, EpisodeStart
from vipa.commanders.teleop.arm import ArmDrive, Axes
from vipa.commanders.teleop.device import (
    AXES,
    HAND_EVENTS,
    HEAD_EVENTS,
    SELECTED,
    SESSION_EVENTS,
    ArmInput,
    Device,
    DeviceInput,
    checked,
)
from vipa.commanders.teleop.frames import Frames
from vipa.commanders.teleop.hand import HandDrive
from vipa.commanders.teleop.joints import JointDrive
from vipa.commanders.teleop.settings import GAINS, Settings, frames
from vipa.commanders.teleop.track import DT_NS, DT_S
from vipa.motion.chunk import ActionChunk, GroupAction, Mode
from vipa.robot.description import Group, Robot
from vipa.robot.state import GroupState

HEAD_STEP_RAD = 0.05  # radians of a head's key
NOTHING = ArmInput()


class Teleop:
    """Turns what a person does at a device into chunks of poses, a few hundredths of a second ahead. One thread.

    When nothing is held and no key was pressed it says nothing, and the arm ends where it was told last. After a new epoch (a takeover, a
    stop, a reset) it begins where the arm is measured. events: what the person asked for that is not driving; whoever runs the session
    takes them out.

    Args:
        robot: who is driven.
        device: read at every step.
        settings: speeds, frame, locked axes.
        clock: monotonic seconds.

    Raises:
        VipaError: settings that the robot does not allow.
    """

    commander_id = "teleop"
    wants_cameras = wants_truth = False
    period = DT_S

    def __init__(
        self,
        robot: Robot,
        device: Device,
        settings: Settings | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.robot, self.device, self.clock = robot, device, clock
        self.settings = (settings or Settings()).checked(robot)
        if hasattr(device, "bind"):
            device.bind(robot)
        self.frames = Frames(robot)
        self.arms = {g.name: ArmDrive(g, self.settings) for g in robot.arms}
        self.leaders = {g.name: JointDrive(g, self.settings.align) for g in robot.arms}
        self.hands = {g.name: HandDrive(g) for g in robot.arms if g.hand}
        self.heads = {g.name: JointDrive(g, self.settings.align) for g in robot.groups if g.kind == "head"}
        self.selections = [(name,) for name in self.arms] + ([tuple(self.arms)] if len(self.arms) > 1 else [])
        self.selected = self.selections[0]
        self.frame, self.locked = self.settings.frame, set(self.settings.lock)
        self.gain = GAINS[-1]
        self.latched = False  # the clutch of a device that can not be let go of
        self.fault = ""
        self.events: list[str] = []
        self.said: list[str] = []  # events from elsewhere than the device: a terminal beside it
        self.seq, self.epoch = 0, -1

    def reset(self, start: EpisodeStart) -> None:
        self.epoch = -1

    @property
    def notes(self) -> list[str]:
        """Why something does not move although the person wants it to, for the screen."""
        drives = (*self.arms.values(), *self.leaders.values(), *self.heads.values())
        return [note for note in (self.fault, *(d.note for d in drives)) if note]

    @property
    def driving(self) -> bool:
        """Something was told to move at the last step."""
        return any(d.engaged for d in (*self.arms.values(), *self.leaders.values(), *self.heads.values()))

    def listen(self) -> DeviceInput:
        """One reading of the device, its session's events put into `events`."""
        given = self.device.read(self.clock())
        given, self.said = replace(given, events=(*given.events, *self.said)), []
        self.fault = given.fault
        self.events += [event for event in given.events if event in SESSION_EVENTS]
        return given

    def step(self, seen: CommanderInput) -> ActionChunk | None:
        """The next chunk; None: nothing new to say."""
        given = self.listen()
        if seen.status.epoch != self.epoch or seen.status.mode is Mode.STOPPED or given.fault:
            self._forget(seen.status.epoch)
        if seen.status.mode is Mode.STOPPED or given.fault:
            return None
        arms = self._arms(given)
        self._change(given.events)
        held = self.latched if not self.device.deadman else any(arm.held for arm in arms.values())
        moving = self._hands_and_heads(given.events, seen) if held or self._by_key(arms) else {}
        actions = []
        for group in self.robot.groups:
            if group.kind == "arm":
                actions.append(self._arm(group, arms.get(group.name, NOTHING), seen))
            else:
                actions.append(self._head(group, moving.get(group.name), seen))
        return self._chunk([a for a in actions if a is not None], seen)

    def _forget(self, epoch: int) -> None:
        self.epoch, self.latched = epoch, False
        for drive in (*self.arms.values(), *self.leaders.values(), *self.heads.values(), *self.hands.values()):
            drive.reset()

    # what the person chooses

    def _arms(self, given: DeviceInput) -> dict[str, ArmInput]:
        """The input of every arm that is meant, checked."""
        found = {}
        for name, arm in given.arms.items():
            arm = checked(arm)
            if not self.device.deadman and arm.steps is None:  # without a deadman of its own: the clutch's key holds it
                arm = replace(arm, held=self.latched)
            if self.device.deadman and not arm.held:
                arm = NOTHING
            for meant in self.selected if name == SELECTED else (name,):
                found[meant] = arm
        return found

    def _by_key(self, arms: dict[str, ArmInput]) -> bool:
        """The device gives steps that stand for themselves: each of its keys is an act, and none can be held."""
        return not self.device.deadman and all(
            a.rate is None and a.pose is None and a.joints is None for a in arms.values()
        )

    def _change(self, events) -> None:
        for event in events:
            if event == "clutch":
                self.latched = not self.latched
            elif event == "next_arm":
                at = self.selections.index(self.selected)
                self.selected = self.selections[(at + 1) % len(self.selections)]
            elif event == "next_frame":
                names = frames(self.robot)
                self.frame = names[(names.index(self.frame) + 1) % len(names)]
            elif event in ("faster", "slower"):
                at = GAINS.index(self.gain) + (1 if event == "faster" else -1)
                self.gain = GAINS[min(max(at, 0), len(GAINS) - 1)]
            elif event.startswith("lock_"):
                self.locked ^= {event.removeprefix("lock_")}

    # what is sent

    def _hands_and_heads(self, events, seen: CommanderInput) -> dict[str, np.ndarray]:
        """Tells the hands of the selected arms; the steps (J,) of the heads."""
        for event in events:
            if event in HAND_EVENTS:
                for name in self.selected:
                    if name in self.hands:
                        self.hands[name].event(event, seen.groups[name].hand)
        pan = HEAD_STEP_RAD * (events.count("head_left") - events.count("head_right"))
        tilt = HEAD_STEP_RAD * (events.count("head_down") - events.count("head_up"))
        if not any(event in HEAD_EVENTS for event in events):
            return {}
        return {name: np.array([pan, tilt])[: len(drive.group.joints)] for name, drive in self.heads.items()}

    def _arm(self, group: Group, arm: ArmInput, seen: CommanderInput) -> GroupAction | None:
        state, name = seen.groups[group.name], group.name
        fields, found = {}, None
        if arm.joints is not None:
            found = self.leaders[name].follow(seen.now_ns, arm.held, arm.joints, state.positions)
            fields = {} if found is None else {"joint_names": tuple(group.joints), "joints": found[1]}
        else:
            found = self.arms[name].step(seen.now_ns, arm, state, self._axes(name, seen.groups))
            fields = (
                {}
                if found is None
                else {"frame_id": group.base_frame, "tip_frame": group.tool_frame, "poses": found[1]}
            )
        if name in self.hands:
            if arm.hand is not None and arm.held and (self.arms[name].engaged or self.leaders[name].engaged):
                self.hands[name].follow(arm.hand)
            count = 1 if found is None else len(found[1])
            if (openings := self.hands[name].steps(count)) is not None:
                fields |= {"hand_joint_names": tuple(group.hand.joints), "hand": openings}
        return _started(GroupAction(name, **fields), found, seen.now_ns) if fields else None

    def _head(self, group: Group, by: np.ndarray | None, seen: CommanderInput) -> GroupAction | None:
        found = self.heads[group.name].nudge(seen.now_ns, by, seen.groups[group.name].positions)
        if found is None:
            return None
        return _started(GroupAction(group.name, joint_names=tuple(group.joints), joints=found[1]), found, seen.now_ns)

    def _axes(self, arm: str, groups: dict[str, GroupState]) -> Axes:
        free = np.array([axis not in self.locked for axis in AXES], float)
        return Axes(self.frames.axes(self.frame, arm, groups), free, self.gain)

    def _chunk(self, actions: list[tuple[int, GroupAction]], seen: CommanderInput) -> ActionChunk | None:
        """Groups of one chunk share their start: those that begin later repeat nothing, those that are shorter end with their last."""
        if not actions:
            return None
        start = max(start for start, _ in actions)
        cut = []
        for begin, action in actions:
            skip = max(0, round((start - begin) / DT_NS))
            cut.append(_from(action, skip))
        self.seq += 1
        return ActionChunk(self.commander_id, self.epoch, self.seq, seen.now_ns, start, DT_S, tuple(cut))


def _started(action: GroupAction, found, now_ns: int) -> tuple[int, GroupAction]:
    return (now_ns if found is None else found[0]), action


def _from(action: GroupAction, skip: int) -> GroupAction:
    """`action` without its first `skip` steps; its last one always stays."""

    def tail(values):
        return None if values is None else values[min(skip, len(values) - 1) :]

    return replace(action, poses=tail(action.poses), joints=tail(action.joints), hand=tail(action.hand))
