"""The console that leads a person through a set of trials: one process beside the graphs of all of them, in the same ROS domain."""

import os
import socket
import threading
from contextlib import ExitStack
from pathlib import Path

from vipa.evaluation.desk import SocketDesk
from vipa_ros.bringup import environment
from vipa_ros.bringup.episode_graph import console_nodes
from vipa_ros.bringup.supervisor import Supervisor

TEND_PERIOD_S = 0.5  # wall seconds between two looks whether the console is there


class AtConsole:
    """The console at `at` (HOST[:PORT]) for the set in `folder`. Used as a context, in which every graph has its ROS domain; `desk` is where
    the person is asked. blind: who commands is not shown. Main thread."""

    def __init__(self, at: str, folder: Path, blind: bool, verbose: bool = False):
        self.at, self.folder, self.blind, self.verbose = at, Path(folder), blind, verbose
        self._end, self._over = ExitStack(), threading.Event()
        ours, self._theirs = socket.socketpair()
        self._end.enter_context(ours)
        self._end.enter_context(self._theirs)
        self.desk = SocketDesk(ours)

    def __enter__(self) -> "AtConsole":
        domain = environment.Domain(os.environ.get("ROS_DOMAIN_ID"))
        self._end.callback(domain.release)
        self._before = os.environ.get("ROS_DOMAIN_ID")
        os.environ["ROS_DOMAIN_ID"] = str(domain.id)
        runs = str((self.folder / "trials").resolve())
        specs = console_nodes(self.at, blind=self.blind, runs=runs, line=self._theirs.fileno())
        held = tuple(fd for fd in (self._theirs.fileno(), domain.handle) if fd is not None)
        self._graph = Supervisor(
            specs, environment.child_environment(domain.id), self.folder / "console", self.verbose, held=held
        )
        # a process ends with the thread that started it: this one lives as long as the set
        self._thread = threading.Thread(target=self._tend, daemon=True, name="console")
        self._thread.start()
        return self

    def _tend(self) -> None:
        with self._graph:
            while not self._over.wait(TEND_PERIOD_S):
                self._graph.revive()

    def __exit__(self, *_) -> None:
        self._over.set()
        self._thread.join()
        if self._before is None:
            os.environ.pop("ROS_DOMAIN_ID", None)
        else:
            os.environ["ROS_DOMAIN_ID"] = self._before
        self._end.close()
