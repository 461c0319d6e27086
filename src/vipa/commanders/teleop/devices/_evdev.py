"""Reading Linux input devices through `evdev`: a thread that keeps which keys are held and where the axes stand."""

import importlib
import threading
from collections import deque
from collections.abc import Callable

from vipa.errors import VipaError

EV_SYN, EV_KEY, EV_ABS = 0, 1, 3  # linux/input-event-codes.h
SYN_DROPPED = 3
RELEASED, PRESSED = 0, 1  # 2: repeated


class EventState:
    """What events add up to: keys that are held (codes), values of axes (code → value), presses in order. Any thread.

    A device that is lost, or whose events overflowed, holds nothing: `lost` says which.
    """

    def __init__(self):
        self.held: set[int] = set()
        self.axes: dict[int, int] = {}
        self.pressed: deque[int] = deque(maxlen=64)
        self.lost = ""

    def take(self, kind: int, code: int, value: int) -> None:
        """One event, as the kernel gives it."""
        if kind == EV_KEY:
            if value == RELEASED:
                self.held.discard(code)
            else:
                self.held.add(code)
                if value == PRESSED:
                    self.pressed.append(code)
        elif kind == EV_ABS:
            self.axes[code] = value
        elif kind == EV_SYN and code == SYN_DROPPED:  # releases may be among what was dropped
            self.held.clear()
            self.axes.clear()

    def let_go(self, why: str) -> None:
        """The link is lost."""
        self.held.clear()
        self.axes.clear()
        self.lost = why


class EventDevice:
    """One input device, grabbed, read by a thread into an EventState. wants: event codes of which it must have all.

    path: /dev/input/event…, or part of the device's name; "": the first that has what is wanted. Raises VipaError when it is opened.
    """

    def __init__(self, name: str, path: str, wants: tuple[int, ...], grab: bool = True):
        self.name, self.path, self.wants, self.grab = name, path, wants, grab
        self.state = EventState()
        self.device = None

    def open(self, changed: Callable[[], None]) -> None:
        evdev = library(self.name)
        self.device = self._find(evdev)
        if self.grab:
            try:
                self.device.grab()  # what is typed here is for the robot alone
            except OSError as error:
                raise VipaError(
                    f"device {self.name}: {self.device.path}: {error.strerror}: somebody else has grabbed it"
                ) from None
        threading.Thread(target=self._listen, args=(changed,), daemon=True, name=self.name).start()

    def _find(self, evdev):
        found = []
        for path in [self.path] if self.path.startswith("/") else evdev.list_devices():
            try:
                device = evdev.InputDevice(path)
            except OSError as error:
                if self.path.startswith("/"):
                    raise VipaError(
                        f"device {self.name}: {path}: {error.strerror}; is your user in group input?"
                    ) from None
                continue
            codes = {
                c if isinstance(c, int) else c[0]
                for kind in (EV_KEY, EV_ABS)
                for c in device.capabilities().get(kind, [])
            }
            found.append(f"{path} {device.name}")
            if self.path.lower() in f"{path} {device.name}".lower() and set(self.wants) <= codes:
                return device
        what = f"'{self.path}'" if self.path else "one with its keys and axes"
        raise VipaError(
            f"device {self.name}: no {what} among: {'; '.join(found) or 'none that can be read (group input?)'}"
        )

    def _listen(self, changed) -> None:
        try:
            for event in self.device.read_loop():
                self.state.take(event.type, event.code, event.value)
                changed()
        except OSError as error:
            self.state.let_go(f"the {self.name} is gone: {error.strerror or error}")
            changed()

    def range(self, code: int) -> tuple[float, float]:
        """Lowest and highest value of an axis."""
        info = self.device.absinfo(code)
        return float(info.min), float(info.max)

    def close(self) -> None:
        if self.device is not None:
            self.device.close()
            self.device = None


def library(name: str):
    """The package evdev. Raises VipaError where it is not installed."""
    try:
        return importlib.import_module("evdev")
    except ImportError:
        raise VipaError(
            f"device {name}: wants the package evdev, which is not installed; run: pip install evdev"
        ) from None


def events_of(pressed: deque[int], table: dict[int, str]) -> tuple[str, ...]:
    """The events of the keys pressed since the last reading."""
    found = []
    while pressed:
        if (event := table.get(pressed.popleft())) is not None:
            found.append(event)
    return tuple(found)
