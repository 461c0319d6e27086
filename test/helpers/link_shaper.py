"""A link between this network namespace and another, in user space, for kernels without netem: two TUN devices, and in between delay, loss
and cuts. As root: python -m helpers.link_shaper PID NAME NET DELAY JITTER LOSS SEED (seconds, seconds, share); PID: of a process in the other
namespace. Addresses: NET.1 here, NET.2 there. Lines on standard input: "cut", "join". Says "up" when packets pass."""

import ctypes
import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import sys
import time

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
CLONE_NEWNET = 0x40000000


def tun(name: str) -> int:
    """The descriptor of a new TUN device `name` in the namespace that this thread is in."""
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
    return device


def enter(pid: str) -> None:
    """Moves this process into the network namespace of `pid`."""
    with open(f"/proc/{pid}/ns/net", encoding="utf-8") as namespace:
        if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")


def configure(name: str, address: str, peer: str) -> None:
    for line in (
        ["ip", "addr", "add", address, "peer", peer, "dev", name],
        ["ip", "link", "set", name, "up", "multicast", "on"],
    ):
        subprocess.run(line, check=True)


def main() -> None:
    pid, name, net, delay, jitter, loss, seed = sys.argv[1:8]
    delay, jitter, loss, chance = float(delay), float(jitter), float(loss), random.Random(int(seed))
    here = tun(f"{name}a")
    configure(f"{name}a", f"{net}.1", f"{net}.2")
    enter(pid)
    there = tun(f"{name}b")
    configure(f"{name}b", f"{net}.2", f"{net}.1")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["ip", "route", "add", "default", "dev", f"{name}b"], check=True)
    print("up", flush=True)
    other, under_way, last, cut, number = {here: there, there: here}, [], {here: 0.0, there: 0.0}, False, 0
    while True:
        wait = max(under_way[0][0] - time.monotonic(), 0.0) if under_way else None
        for source in select.select([here, there, sys.stdin], [], [], wait)[0]:
            if source is sys.stdin:
                word = sys.stdin.readline().strip()
                if not word:
                    return
                cut = word == "cut"
                under_way = [] if cut else under_way
                continue
            packet = os.read(source, 65536)
            if cut or chance.random() < loss:
                continue
            due = max(
                time.monotonic() + delay + chance.uniform(-jitter, jitter), last[source]
            )  # in order, as on a wire
            last[source], number = due, number + 1
            heapq.heappush(under_way, (due, number, other[source], packet))
        while under_way and under_way[0][0] <= time.monotonic():
            _, _, target, packet = heapq.heappop(under_way)
            try:
                os.write(target, packet)
            except OSError:  # its queue is full: lost
                continue


if __name__ == "__main__":
    main()
