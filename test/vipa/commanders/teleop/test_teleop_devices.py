"""Devices behind their real input layers, where this machine has them: sockets for the page, kernel-format events through a pipe
for evdev (and uinput where there is one), HID reports in the documented layout for the SpaceMouse, messages as published for
leader and headset."""

import asyncio
import errno
import json
import os
import struct
import sys
import threading
import time
import types
import urllib.error
import urllib.request
from pathlib import Path

import msgpack
import numpy as np
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from vipa.commanders.teleop import devices
from vipa.commanders.teleop.device import EVENTS, SELECTED, Device
from vipa.commanders.teleop.devices import _evdev, gamepad, keyboard, page, terminal
from vipa.errors import VipaError
from vipa.robot.description import load_robot

EVENT = struct.Struct("llHHi")  # struct input_event of linux/input.h on 64 bits


@pytest.mark.parametrize("name", devices.names())
def test_every_device_keeps_the_protocol(name):
    device: Device = devices.make(name)
    assert device.name == name and isinstance(device.deadman, bool) and device.keys
    assert all(len(key) == 2 for key in device.keys)
    if hasattr(device, "bind"):
        device.bind(load_robot("fr3_single"))
    given = device.read(0.0)
    assert not any(arm.held for arm in given.arms.values()) and given.events == ()
    device.close()


@pytest.mark.parametrize("name, options, words", [
    ("joystick", "", "unknown device 'joystick'; allowed: gamepad, headset"),
    ("gamepad", "dead=1", "device gamepad: option 'dead=1'; allowed: path=…, dead_zone=…"),
    ("gamepad", "dead_zone=2", "device gamepad: dead_zone: 2.0; allowed: 0.02 to 0.5"),
    ("leader", "mode=poses", "mode: 'poses' is not allowed; allowed: joint, cartesian"),
    ("page", "port=x", "device page: port=x; allowed: int"),
])  # fmt: skip
def test_what_there_is_none_of_is_refused(name, options, words):
    with pytest.raises(VipaError) as error:
        devices.make(name, options)
    assert words in str(error.value)


def test_every_key_and_button_stands_for_an_event_that_there_is():
    tables = (terminal.EVENTS, keyboard.EVENTS, gamepad.EVENTS)
    assert all(event in EVENTS for table in tables for event in table.values())


@pytest.mark.parametrize("name, package", [("keyboard", "evdev"), ("gamepad", "evdev"), ("spacemouse", "hid")])
def test_without_its_package_a_device_says_what_to_install(name, package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(VipaError, match="which is not installed; run: pip install"):
        devices.make(name).open(lambda: None)


# evdev


class Node:
    """evdev.InputDevice over a pipe that carries the kernel's structs. keys, axes: codes, and {code: (min, max)}."""

    def __init__(self, keys, axes, name="Test Pad"):
        self.name, self.path, self.keys, self.axes = name, "/dev/input/event7", keys, axes
        self.reader, self.writer = os.pipe()
        self.grabbed = False

    def capabilities(self):
        return {_evdev.EV_KEY: list(self.keys), _evdev.EV_ABS: [(code, None) for code in self.axes]}

    def absinfo(self, code):
        return types.SimpleNamespace(min=self.axes[code][0], max=self.axes[code][1])

    def grab(self):
        self.grabbed = True

    def read_loop(self):
        while data := os.read(self.reader, EVENT.size):
            _, _, kind, code, value = EVENT.unpack(data)
            yield types.SimpleNamespace(type=kind, code=code, value=value)
        raise OSError(errno.ENODEV, "No such device")

    def close(self):
        pass

    def say(self, *events):
        for kind, code, value in events:
            os.write(self.writer, EVENT.pack(0, 0, kind, code, value))


@pytest.fixture
def plugged(monkeypatch):
    """plug(node) → the node; an opened device reads it."""

    def plug(node):
        library = types.SimpleNamespace(list_devices=lambda: [node.path], InputDevice=lambda path: node)
        monkeypatch.setitem(sys.modules, "evdev", library)
        return node

    return plug


def until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_a_gamepad_drives_while_its_bumper_is_held_and_unplugged_it_lets_go(plugged):
    sticks = dict.fromkeys((gamepad.X, gamepad.Y, gamepad.RX, gamepad.RY), (-32768, 32767)) | {gamepad.RZ: (0, 255)}
    node = plugged(Node([gamepad.SOUTH, gamepad.TL, gamepad.EAST], sticks))
    pad = devices.make("gamepad")
    pad.open(lambda: None)
    assert node.grabbed
    node.say(
        (3, gamepad.Y, -32768), (3, gamepad.X, 2000), (3, gamepad.RZ, 255), (1, gamepad.SOUTH, 1), (1, gamepad.TL, 1)
    )
    until(lambda: pad.read(0.0).arms[SELECTED].held)
    node.say((1, gamepad.EAST, 1))
    until(lambda: gamepad.EAST in pad.events.state.held)
    given = pad.read(0.0)
    assert given.events == ("open",)
    np.testing.assert_allclose(
        given.arms[SELECTED].rate, [1, 0, 0, 1, 0, 0], atol=1e-3
    )  # the small deflection is its middle
    os.close(node.writer)
    until(lambda: pad.read(0.0).fault)
    given = pad.read(0.0)
    assert not given.arms[SELECTED].held and "the gamepad is gone: No such device" in given.fault


def test_a_keyboards_keys_drive_as_long_as_they_are_held(plugged):
    node = plugged(Node([*keyboard.RATES, keyboard.LEFTALT, keyboard.SPACE], {}))
    keys = devices.make("keyboard")
    keys.open(lambda: None)
    node.say((1, keyboard.LEFTALT, 1), (1, keyboard.W, 1), (1, keyboard.W, 2))
    until(lambda: keys.read(0.0).arms[SELECTED].rate[0] == 1)
    assert keys.read(0.0).arms[SELECTED].held
    node.say((1, keyboard.LEFTALT, 0))
    until(lambda: not keys.read(0.0).arms[SELECTED].held)
    node.say((0, _evdev.SYN_DROPPED, 0))  # releases may be among what the kernel dropped
    until(lambda: keys.read(0.0).arms[SELECTED].rate[0] == 0)


def test_a_pedal_is_the_deadman_of_a_device_without_one(plugged):
    node = plugged(Node([30, 48], {}, name="FootSwitch Pedal"))
    held = devices.make("leader", pedal="pedal")
    held.bind(load_robot("fr3_single"))
    held.open(lambda: None)
    names = tuple(load_robot("fr3_single").groups[0].joints)
    held.heard("/leader/joint_states", (names, (0.0,) * 7), 1.0)
    assert not held.read(1.0).arms["arm"].held
    node.say((1, 30, 1))
    until(lambda: held.read(1.0).arms["arm"].held)
    node.say((1, 48, 1))
    until(lambda: 48 in held.pedal.events.state.held)
    assert held.read(1.0).events == ("mark",)
    node.say((1, 30, 0))
    until(lambda: not held.read(1.0).arms["arm"].held)


@pytest.mark.skipif(not Path("/dev/uinput").exists(), reason="this machine has no /dev/uinput")
def test_through_uinput():
    evdev = pytest.importorskip("evdev")
    with evdev.UInput({1: [*keyboard.RATES, keyboard.LEFTALT, keyboard.SPACE]}, name="vipa test keyboard") as user:
        keys = devices.make("keyboard", "path=vipa test keyboard")
        keys.open(lambda: None)
        for code in (keyboard.LEFTALT, keyboard.W):
            user.write(1, code, 1)
        user.syn()
        until(lambda: keys.read(0.0).arms[SELECTED].held and keys.read(0.0).arms[SELECTED].rate[0] == 1)
    until(lambda: keys.read(0.0).fault)


# SpaceMouse


def test_a_spacemouse_moves_while_it_is_deflected(monkeypatch):
    reports, ended = [], threading.Event()

    class Handle:
        def open_path(self, path):
            pass

        def read(self, size, wait_ms):
            if ended.is_set():
                raise OSError("read error")
            time.sleep(0.001)
            return list(reports.pop(0)) if reports else []

        def close(self):
            ended.set()

    found = [
        {"vendor_id": 0x046D, "product_string": "USB Receiver", "serial_number": "", "path": b"/dev/hidraw0"},
        {"vendor_id": 0x256F, "product_string": "SpaceMouse Compact", "serial_number": "7", "path": b"/dev/hidraw1"},
    ]
    library = types.SimpleNamespace(
        enumerate=lambda vendor, product: [d for d in found if d["vendor_id"] == vendor], device=Handle
    )
    monkeypatch.setitem(sys.modules, "hid", library)
    with pytest.raises(VipaError, match="none with serial '9'; here: SpaceMouse Compact 7"):
        devices.make("spacemouse", "serial=9").open(lambda: None)
    mouse = devices.make("spacemouse")
    mouse.open(lambda: None)
    now = time.monotonic
    reports.append(struct.pack("<B3h", 1, 0, -350, 10))  # pushed forward
    until(lambda: mouse.read(now()).arms[SELECTED].held)
    heard = mouse.reports.heard
    np.testing.assert_allclose(mouse.read(heard).arms[SELECTED].rate, [1, 0, 0, 0, 0, 0])
    assert not mouse.read(heard + 0.11).arms[SELECTED].held  # no report: the link is lost
    reports.append(struct.pack("<B6h", 1, 0, 0, -175, 0, 0, 350))  # a newer one: all six at once; lifted and twisted
    until(lambda: mouse.reports.counts[5] == 350)
    np.testing.assert_allclose(mouse.read(mouse.reports.heard).arms[SELECTED].rate, [0, 0, 0.5, 0, 0, -1])
    reports.append(struct.pack("<B3h", 1, 0, 0, 0) + struct.pack("<3h", 0, 0, 0))
    until(lambda: not mouse.read(now()).arms[SELECTED].held)
    reports += [bytes([3, 1, 0]), bytes([3, 1, 0]), bytes([3, 0, 0]), b"", bytes([1, 2])]
    until(lambda: not reports)
    assert mouse.read(now()).events == ("close",)
    ended.set()
    until(lambda: mouse.read(now()).fault)


def test_only_the_dominant_axis_moves_where_that_is_wanted():
    mouse = devices.make("spacemouse", "dominant=true")
    mouse.reports.take(struct.pack("<B6h", 1, 100, -300, 50, 0, 80, 0), 1.0)
    np.testing.assert_allclose(mouse.read(1.0).arms[SELECTED].rate, [300 / 350, 0, 0, 0, 0, 0])


# leader and headset


def test_a_leader_speaks_for_the_arms_whose_joints_it_has():
    robot = load_robot("fr3_dual")
    leader = devices.make("leader", "prefix=gello_,hand=trigger,closed=0.2,open=1.2")
    leader.bind(robot)
    assert leader.read(0.0).fault == "leader: nothing on /leader/joint_states yet"
    right = next(g for g in robot.arms if g.name == "right")
    leader.heard("", (tuple(f"gello_{j}" for j in right.joints) + ("trigger",), (*right.home, 0.7)), 1.0)
    given = leader.read(1.05)
    assert set(given.arms) == {"right"} and given.arms["right"].hand == pytest.approx(0.5)
    np.testing.assert_allclose(given.arms["right"].joints, right.home)
    assert "for 0.2 s" in leader.read(1.2).fault and not leader.read(1.2).arms
    for bad in ((("a",), (1.0, 2.0)), (("a",), (float("nan"),))):
        with pytest.raises(ValueError, match="allowed: as many, finite"):
            leader.heard("", bad, 1.0)


def test_a_leaders_tool_leads_the_arms():
    robot = load_robot("fr3_single")
    leader = devices.make("leader", "mode=cartesian")
    leader.bind(robot)
    arm = robot.groups[0]
    leader.heard("", (tuple(arm.joints), tuple(arm.home)), 1.0)
    np.testing.assert_allclose(
        leader.read(1.0).arms["arm"].pose, leader.kinematics.group("arm").forward(np.array(arm.home))
    )


def controllers(**changed):
    """As Isaac Teleop's node packs it."""
    side = {"thumbstick": [0.0, 0.0], "trigger_value": 0.0, "squeeze_value": 0.0, "aim_position": [0.0] * 3, "grip_position": [0.0] * 3,
            "aim_orientation": [0.0, 0.0, 0.0, 1.0], "grip_orientation": [0.0, 0.0, 0.0, 1.0], "primary_click": 0.0, "secondary_click": 0.0,
            "thumbstick_click": 0.0, "menu_click": 0.0, "is_active": True}  # fmt: skip
    data = (
        {f"{name}_{key}": value for name in ("left", "right") for key, value in side.items()}
        | {"timestamp": 1}
        | changed
    )
    return msgpack.packb(data)


def test_a_headsets_controllers_move_their_arms_in_the_persons_axes():
    headset = devices.make("headset", "hands=both")
    headset.heard(
        "", controllers(right_squeeze_value=1.0, right_grip_position=[0.1, 0.2, -0.3], right_trigger_value=0.25), 1.0
    )
    given = headset.read(1.05)
    assert given.arms["right"].held and not given.arms["left"].held and given.arms["right"].hand == pytest.approx(0.75)
    np.testing.assert_allclose(
        given.arms["right"].pose, [0.3, -0.1, 0.2, 0, 0, 0, 1], atol=1e-12
    )  # ahead, to the right, up
    s = np.sqrt(0.5)
    headset.heard("", controllers(right_grip_orientation=[0.0, s, 0.0, s]), 1.1)  # turned left, about up
    np.testing.assert_allclose(np.abs(headset.read(1.1).arms["right"].pose[3:]), [0, 0, s, s], atol=1e-12)
    headset.heard("", controllers(right_is_active=False, right_squeeze_value=1.0), 1.2)
    assert not headset.read(1.2).arms["right"].held
    assert "for 0.3 s" in headset.read(1.5).fault


def test_a_click_is_one_event_and_garbage_is_refused():
    headset = devices.make("headset")
    headset.heard("", controllers(right_primary_click=1.0), 1.0)  # held when it began: no press
    headset.heard("", controllers(), 1.1)
    headset.heard("", controllers(right_primary_click=1.0), 1.2)
    headset.heard("", controllers(right_primary_click=1.0), 1.3)
    assert headset.read(1.3).events == ("start",)
    headset.heard("", controllers(right_squeeze_value=float("nan"), right_grip_position=["a", 1, 2]), 1.4)
    assert headset.read(1.4).arms[SELECTED].pose is None
    for bad in (b"", b"\xc1", msgpack.packb([1]), bytes(70000)):
        with pytest.raises(ValueError, match="^headset: "):
            headset.heard("", bad, 1.5)


# the page, over real sockets


@pytest.fixture
def served():
    device = devices.make("page", "port=0,token=secret")
    device.open(lambda: None)
    yield device
    device.close()


def get(device, path, **headers):
    request = urllib.request.Request(f"http://127.0.0.1:{device.server.port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def drive(device, talk, token="secret", origin="", **more):
    """Runs talk(socket) on a connection of its own."""

    async def run():
        here = f"127.0.0.1:{device.server.port}"
        async with connect(f"ws://{here}/drive?token={token}", origin=origin or f"http://{here}", **more) as socket:
            return await talk(socket)

    return asyncio.run(run())


def test_the_page_is_for_who_has_the_token_and_calls_it_by_its_name(served):
    status, text = get(served, "/?token=secret")
    assert status == 200 and "hold to move" in text and f":{served.server.port}/?token=secret" in served.address
    assert get(served, "/?token=wrong") == (403, "wrong token\n")
    assert get(served, "/") == (403, "wrong token\n")
    status, text = get(served, "/?token=secret", Host="evil.example")
    assert status == 403 and "host 'evil.example'" in text
    for change in ({"token": "wrong"}, {"origin": "http://evil.example"}):
        with pytest.raises(InvalidStatus):
            drive(served, None, **change)


def test_a_command_is_a_lease(served):
    held = lambda now=None: served.read(now or time.monotonic()).arms[SELECTED].held  # noqa: E731

    async def talk(socket):
        await socket.send(json.dumps({"hold": True, "rate": [1, 0, 0, 0, 0, -3], "event": "close"}))
        while not held():
            await asyncio.sleep(0.002)
        given = served.read(served._until - 0.001)
        assert given.arms[SELECTED].held and given.arms[SELECTED].rate.tolist() == [1, 0, 0, 0, 0, -1]
        assert not held(served._until + 0.001) and served._until - time.monotonic() <= page.LEASE_S  # nothing more came
        await socket.send(json.dumps({"hold": True, "rate": [1, 0, 0, 0, 0, 0]}))
        await asyncio.sleep(0.05)
        with pytest.raises(ConnectionClosed, match="somebody drives already"):
            second = connect(
                f"ws://127.0.0.1:{served.server.port}/drive?token=secret",
                origin=f"http://127.0.0.1:{served.server.port}",
            )
            async with second as other:
                await other.recv()
        await socket.send(json.dumps({"hold": True, "rate": [1, 0, 0, 0, 0, 0]}))

    drive(served, talk)
    until(lambda: served._driver is None)
    assert not held()  # the connection is gone, and with it the lease


@pytest.mark.parametrize("text", ["", "[]", "{", '{"rate": [1]}', '{"rate": [1, 2, 3, 4, 5, NaN]}', '{"rate": ["a", 0, 0, 0, 0, 0]}',
                                  '{"event": "format_disk"}', "[" * 5000])  # fmt: skip
def test_what_is_no_command_is_refused_and_moves_nothing(text):
    device = devices.make("page")
    device.take('{"hold": true, "rate": [1, 0, 0, 0, 0, 0]}', 1.0)
    assert device.take(text, 1.2)
    assert not device.read(1.3).arms[SELECTED].held and device.read(1.3).events == ()


def test_a_terminals_arrows_are_one_key_however_they_come():
    keys = terminal.Terminal()
    keys.feed("\x1b")
    keys.feed("[A")
    keys.feed("ww")
    given = keys.read(0.0)
    assert given.events == ("head_up",) and given.arms[SELECTED].steps.tolist() == [2, 0, 0, 0, 0, 0]
    assert keys.read(0.0).arms == {}
