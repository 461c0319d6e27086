"""Starts the processes of a graph, watches them, and leaves nothing behind. No ROS."""

import fcntl
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from contextlib import ExitStack, suppress
from pathlib import Path

from vipa import files
from vipa_ros.bringup import dds
from vipa_ros.bringup.process import ProcessSpec, command
from vipa_ros.common import lifeline

SEGMENT = re.compile(rf"{dds.SEGMENT}(_el)?")  # and its lock
BORN_S = 0.3  # wall seconds from the making of a shared file to its first use, on a busy machine
END_GRACE_S = 1.2  # wall seconds between SIGINT and SIGKILL
RESPAWN_S = 1.0  # wall seconds after which what respawns is started again
LAST_LINES = 15


class Supervisor:
    """Runs process specs in sessions of their own until the leader ends, one dies, or `stop`. They end with this process,
    however it ends. Use as a context manager; main thread.

    Args:
        specs: what to run. Those that respawn are started again whenever they die: the nodes that want them say what they lack
            meanwhile.
        env: the whole environment of every process.
        log_folder: output of every process but the leader goes to <log_folder>/<label>.log.
        verbose: it goes to the terminal as well, behind the label.
        keys: the leader reads our standard input.
        held: descriptors that every process inherits, as a domain's lock.

    Raises:
        VipaError: a program is not installed.
    """

    def __init__(
        self,
        specs: list[ProcessSpec],
        env: dict[str, str],
        log_folder: Path,
        verbose: bool = False,
        keys: bool = False,
        held: tuple[int, ...] = (),
    ):
        self.specs, self.env, self.log_folder, self.verbose = specs, env, Path(log_folder), verbose
        self.keys, self.held = keys, held
        self.respawning = {spec.label: spec for spec in specs if spec.respawn}
        self.speaking = {spec.label for spec in specs if spec.speaks}
        self.processes: dict[str, subprocess.Popen] = {}
        self.tails: dict[str, deque[str]] = {spec.label: deque(maxlen=LAST_LINES) for spec in specs}
        self._died: dict[str, float] = {}
        self._pumps: list[threading.Thread] = []
        self._began = time.time()
        self._complained = False

    def __enter__(self) -> "Supervisor":
        self.log_folder.mkdir(parents=True, exist_ok=True)
        try:
            for spec in self.specs:
                self._start(spec)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *error) -> None:
        self.stop()

    def _start(self, spec):
        name, pipe = spec.label, None if spec.leader else subprocess.PIPE
        # whose process it is, for `ps` and tests, and with whom it ends
        env = {**self.env, **lifeline.environment(), "VIPA_RUN": str(self.log_folder.parent.resolve())}
        if pipe:
            env["PYTHONIOENCODING"] = "utf-8"  # as it is read; the leader speaks to the terminal
        process = subprocess.Popen(
            command(spec, self.log_folder),
            env=env,
            stdin=None if spec.leader and self.keys else subprocess.DEVNULL,
            stdout=pipe,
            stderr=subprocess.STDOUT if pipe else None,
            pass_fds=self.held,
            start_new_session=True,  # Ctrl-C reaches us alone, we pass it on in order
            text=True if pipe else None,
            errors="replace" if pipe else None,
            encoding="utf-8" if pipe else None,
        )
        self.processes[name] = process
        if pipe:
            pump = threading.Thread(target=self._pump, args=(name, process), daemon=True)
            pump.start()
            self._pumps.append(pump)

    def _pump(self, name, process):
        """What the node prints, read to its end: a pipe that nobody reads would stop the node."""
        with ExitStack() as end:
            path, log = self.log_folder / f"{name}.log", None
            try:
                log = end.enter_context(open(path, "ab", buffering=0))
            except OSError as error:
                self._complain(path, error)
            for line in process.stdout:
                self.tails[name].append(line.rstrip())
                try:
                    if log is not None:
                        log.write(line.encode("utf-8", "replace"))
                except OSError as error:  # costs this line
                    self._complain(path, error)
                if self.verbose:
                    print(f"[{name}] {line}", end="", flush=True)
                elif name in self.speaking:
                    print(line, end="", flush=True)

    def _complain(self, path, error):
        if not self._complained:
            self._complained = True
            print(f"lines of logs are lost: {files.disk_error(path, error)}", file=sys.stderr, flush=True)

    def wait(self) -> tuple[str, int]:
        """Blocks until the leader ends or any other process dies: (its name, exit status). KeyboardInterrupt passes."""
        leader = self._leader
        while True:
            self.revive()
            for name, process in self.processes.items():
                # the leader first: what dies right after it is no failure
                status = self.processes[leader].poll() if leader else None
                if status is not None:
                    return leader, status
                if name not in self.respawning and (status := process.poll()) is not None:
                    return name, status
            time.sleep(0.05)

    @property
    def _leader(self) -> str | None:
        return next((spec.label for spec in self.specs if spec.leader), None)

    def revive(self) -> None:
        """Starts again what respawns and has ended."""
        for label, spec in self.respawning.items():
            if self.processes[label].poll() is None:
                self._died.pop(label, None)
            elif time.monotonic() - self._died.setdefault(label, time.monotonic()) > RESPAWN_S:
                self._start(spec)

    def wait_leader(self, timeout: float) -> int | None:
        """Waits for the leader to end: its exit status, or None if it did not within `timeout` wall seconds."""
        leader = self._leader
        if leader is None:
            return None
        try:
            return self.processes[leader].wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def interrupt_leader(self, timeout: float) -> int | None:
        """Asks the leader to end (it cancels its goal) and waits as `wait_leader` does."""
        if self._leader is not None:
            _signal(self.processes[self._leader], signal.SIGINT)
        return self.wait_leader(timeout)

    def last_lines(self, name: str) -> list[str]:
        """The last lines that node `name` printed."""
        return list(self.tails[name])

    def stop(self) -> None:
        """Ends every process: SIGINT, after END_GRACE_S seconds SIGKILL; then removes their shared-memory files."""
        for process in self.processes.values():
            _signal(process, signal.SIGINT)
        deadline = time.monotonic() + END_GRACE_S
        for process in self.processes.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
        for process in self.processes.values():
            _signal(process, signal.SIGKILL)
            process.wait()
        for pump in self._pumps:
            pump.join(timeout=0.5)
        remove_dead_shared_memory(self._began)


def _signal(process, number):
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)


def remove_dead_shared_memory(since: float, folder: Path = Path("/dev/shm")) -> list[Path]:  # noqa: S108
    """Removes what `dead_shared_memory` finds twice, and returns it: what a process has just made it maps or locks a moment later."""
    dead = dead_shared_memory(since, folder)
    if dead:
        time.sleep(BORN_S)
        still = set(dead_shared_memory(since, folder))
        dead = [path for path in dead if path in still]
    for path in dead:
        path.unlink(missing_ok=True)
    return dead


def dead_shared_memory(since: float, folder: Path = Path("/dev/shm")) -> list[Path]:  # noqa: S108
    """Fast DDS's segments in shared memory that are ours, newer than `since` (wall seconds since the epoch), and neither mapped nor
    locked by a living process: what a killed node leaves. Never the files of a port, half a megabyte each: their names are taken up
    again by the next process, in any ROS domain, maybe at this very moment. It would then listen at a port that nobody finds."""
    candidates = [p for p in folder.glob("fastrtps_*") if SEGMENT.fullmatch(p.name) and _is_ours(p, since)]
    if not candidates:
        return []
    mapped = set()
    for maps in Path("/proc").glob("[0-9]*/maps"):
        try:
            mapped.update(
                line.split()[5]
                for line in maps.read_text(encoding="utf-8", errors="replace").splitlines()
                if "fastrtps_" in line
            )
        except (OSError, IndexError):
            continue
    # `_el` files are locks of the segment they are named after: never mapped, held as long as it is; also by who lives in
    # another container, whose maps are not seen here
    segments = {path: path.with_name(path.name.removesuffix("_el")) for path in candidates}
    return [
        path for path, segment in segments.items() if str(segment) not in mapped and not _locked(Path(f"{segment}_el"))
    ]


def _locked(path):
    try:
        with open(path, encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def _is_ours(path, since):
    try:
        stat = path.stat()
    except OSError:
        return False
    return stat.st_uid == os.getuid() and stat.st_ctime >= since - 1.0
