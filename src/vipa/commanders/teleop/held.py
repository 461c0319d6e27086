"""Held: a device whose deadman is a foot pedal."""

from dataclasses import replace

from vipa.commanders.teleop.device import Device, DeviceInput


class Held:
    """`device` that moves only while `pedal` is held; where it has a deadman of its own, both must be."""

    deadman = True

    def __init__(self, device: Device, pedal):
        self.device, self.pedal = device, pedal
        self.name, self.keys = device.name, (*pedal.keys, *device.keys)
        self.topics = getattr(device, "topics", {})

    def open(self, changed) -> None:
        self.device.open(changed)
        self.pedal.open(changed)

    def bind(self, robot) -> None:
        """The robot that it moves."""
        if hasattr(self.device, "bind"):
            self.device.bind(robot)

    def heard(self, *args) -> None:
        """What came on one of its topics."""
        self.device.heard(*args)

    def read(self, now: float) -> DeviceInput:
        given, foot = self.device.read(now), self.pedal.read(now)
        arms = {
            name: replace(arm, held=self.pedal.held and (arm.held or not self.device.deadman))
            for name, arm in given.arms.items()
        }
        return DeviceInput(arms, (*given.events, *foot.events), given.fault or foot.fault)

    def close(self) -> None:
        self.device.close()
        self.pedal.close()
