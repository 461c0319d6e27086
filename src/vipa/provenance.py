"""What a result was made with: the commit of the checkout and the versions of the packages that matter."""

import importlib.metadata
import platform
import subprocess
from functools import cache

from vipa import resources

PACKAGES = (
    "numpy",
    "mujoco-core",
    "mujoco",
    "pin",
    "coal",
    "daqp",
    "ros-jazzy-rclpy",
    "onnxruntime",
    "torch",
    "vipa_ros",
)


@cache
def git_commit() -> str | None:
    """Commit of the checkout, with "-dirty" if tracked files differ from it; None: not a checkout, or no git."""
    if not (resources.root() / ".git").exists():
        return None

    def git(*args):
        command = ("git", "-C", str(resources.root()), *args)
        return subprocess.run(
            command, capture_output=True, text=True, timeout=10, check=True, encoding="utf-8"
        ).stdout.strip()

    try:
        commit = git("rev-parse", "HEAD")
        return commit + ("-dirty" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None


@cache
def versions() -> dict[str, str]:
    """Package → version, for those of PACKAGES that are installed, and python."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
