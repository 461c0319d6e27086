"""The processes of a graph end with the process that started them, however it ends. No ROS.

Linux sends a process a signal when the thread that started it ends. Supervisor and `ros2 launch` start processes on their main
thread, which ends with them. As `python -m vipa_ros.common.lifeline COMMAND…` this ties programs of other packages.
"""

import ctypes
import os
import signal
import sys
from pathlib import Path

PARENT = "VIPA_PARENT"  # the pid that a process of a graph ends with; set by who starts it
ORPHAN_GRACE_S = 3.0  # wall seconds that an orphan has to close what it writes
_PR_SET_PDEATHSIG = 1
_parent = 0


def environment() -> dict[str, str]:
    """What a process that is to end with this one finds in its environment."""
    return {PARENT: str(os.getpid())}


def tie() -> None:
    """From now on this process gets SIGTERM when the process named in the environment ends; if it has ended already, this one
    ends here. Does nothing without a name, e.g. for a node started by hand. Programs that it executes stay tied."""
    global _parent
    _parent = int(os.environ.pop(PARENT, "0"))  # popped: processes started by this one are not its parent's
    if not _parent:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if not is_running(_parent):  # it ended before the kernel knew of our wish
        sys.exit(1)


def bound_end() -> None:
    """Called when this process is asked to end: as an orphan it has ORPHAN_GRACE_S seconds, then the kernel ends it. Nobody else would."""
    if _parent and not is_running(_parent):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, ORPHAN_GRACE_S)


def is_running(pid: int) -> bool:
    """Whether process `pid` is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] not in "ZX"
    except (OSError, IndexError):
        return False


def tied(command: list[str]) -> list[str]:
    """`command` of another package as one that ends with the process named in its environment."""
    return [sys.executable, "-m", "vipa_ros.common.lifeline", *command]


def main() -> None:
    """Ties this process to its parent and becomes the command that the arguments name."""
    tie()
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606


if __name__ == "__main__":
    main()
