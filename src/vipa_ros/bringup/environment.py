"""The environment of the graph's processes: a ROS domain of their own, discovery on this host, one thread a library."""

import contextlib
import fcntl
import os
import random
import secrets
import tempfile
from pathlib import Path

from vipa import resources
from vipa.errors import VipaError

DOMAINS = range(102)  # above 101 the ports collide with Linux's ephemeral range
BY_HAND = range(20)  # those that people choose; taken last
# the variable of the token that the console asks for
CONSOLE_TOKEN = "VIPA_CONSOLE_TOKEN"  # noqa: S105
# Fast DDS 2 reads the first, 3 the second
DDS_PROFILES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")


class Domain:
    """A ROS domain id that nobody else who asks this way has and where no other process is seen; held until `release` or the end of
    the process, and by every process that has inherited `handle` (a descriptor, None: nothing is held) until that one has ended as well.
    Any of them: where a graph was killed a moment ago the files of its ports are still there, and whoever outlived it speaks to them.

    `wanted` (e.g. the user's ROS_DOMAIN_ID) is taken without asking whether others use it: they may mean to share it.
    """

    def __init__(self, wanted: str | None = None):
        self.handle: int | None = None
        if wanted:
            if not wanted.isdigit() or int(wanted) not in DOMAINS:
                raise VipaError(f"ROS_DOMAIN_ID='{wanted}'; allowed: 0 to {DOMAINS[-1]}")
            self.id = int(wanted)
            return
        ours, ports = DOMAINS[len(BY_HAND) :], bound_ports()
        for self.id in [*random.SystemRandom().sample(ours, len(ours)), *BY_HAND]:
            if not ports.isdisjoint(ports_of(self.id)):
                continue  # somebody is there who did not ask this way
            path = lock_file(self.id)
            try:
                handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
            except PermissionError:
                continue  # another user's
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(handle)
                continue
            self.handle = handle
            return
        raise VipaError(f"all ROS domains 0 to {DOMAINS[-1]} are taken (lock files vipa-domain-*.lock, UDP ports)")

    def release(self) -> None:
        if self.handle is not None:
            os.close(self.handle)
            self.handle = None


def lock_file(domain: int) -> Path:
    """The file whose lock says that the ROS domain is taken."""
    return Path(tempfile.gettempdir()) / f"vipa-domain-{domain}.lock"


def ports_of(domain: int) -> range:
    """The UDP ports at which DDS looks for up to 32 participants of a ROS domain (DDSI-RTPS 2.5, 9.6.2.3)."""
    first = 7400 + 250 * domain
    return range(first, first + 11 + 2 * 32)


def bound_ports() -> set[int]:
    """The UDP ports that processes of this host have taken, as far as it is seen from here."""
    ports = set()
    for table in ("/proc/net/udp", "/proc/net/udp6"):
        with contextlib.suppress(FileNotFoundError):  # no IPv6
            lines = Path(table).read_text(encoding="ascii").splitlines()[1:]
            ports |= {int(line.split()[1].rpartition(":")[2], 16) for line in lines}
    return ports


def running_domain() -> int:
    """The domain of the graph that `vipa` runs here, 0 if it runs none. Raises VipaError if there are several."""
    taken = []
    for number in DOMAINS:
        try:
            with open(lock_file(number), encoding="utf-8") as handle:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            continue
        except OSError:
            taken.append(number)
    if len(taken) > 1:
        raise VipaError(f"several graphs are running, in ROS domains {', '.join(map(str, taken))}; say which: --domain")
    return taken[0] if taken else 0


def child_additions() -> dict[str, str]:
    """What a process of the graph needs beside os.environ, whatever starts it. What the user has set stays."""
    wanted = {
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "MUJOCO_GL": "egl",
        "PYTHONUNBUFFERED": "1",
        # small matrices only: threads of a pool cost more than they give, and stall the control step
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "LP_NUM_THREADS": "1",
    }
    return {key: os.environ.get(key, value) for key, value in wanted.items()} | dds_additions()


def dds_additions() -> dict[str, str]:
    """The variables that name our profile of Fast DDS; none if the user has named one of their own."""
    if any(os.environ.get(name) for name in DDS_PROFILES):
        return {}
    return dict.fromkeys(DDS_PROFILES, str(resources.dds_profile()))


def child_environment(domain: int) -> dict[str, str]:
    """The whole environment of a process of the graph in `domain`."""
    env = {**os.environ, **child_additions(), "ROS_DOMAIN_ID": str(domain)}
    env.setdefault(CONSOLE_TOKEN, secrets.token_urlsafe(16))  # the same for a console that is started again
    env.setdefault("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp")
    return env
