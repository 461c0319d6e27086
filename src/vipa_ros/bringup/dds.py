"""What the middleware really does with our profile: a file that Fast DDS does not like is ignored whole, and nobody hears of it."""

import contextlib
import os
import re
from pathlib import Path
from xml.etree import ElementTree

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108
FAST_DDS = ("rmw_fastrtps_cpp", "rmw_fastrtps_dynamic_cpp")
SEGMENT_BYTES = 512 * 1024  # of a participant, without a profile
SEGMENT = r"fastrtps_[0-9a-f]{16}"  # a pattern: its name is drawn at random
# The lock that a participant holds on the segment that it sends through. What a process maps tells less: a port that it reads may
# have been another's, killed a moment ago, to whom others still send.
LOCK = re.compile(rf"{SHARED_MEMORY}/({SEGMENT})_el")


def segment_size(profile: Path) -> int:
    """Bytes of shared memory that `profile` gives each participant: Fast DDS's own where it says none, or is no profile."""
    try:
        sizes = [int(e.text or "") for e in ElementTree.parse(profile).iter() if e.tag.endswith("}segment_size")]
    except (OSError, ElementTree.ParseError, ValueError):
        return SEGMENT_BYTES
    return sizes[0] if sizes else SEGMENT_BYTES


def paths(pid: int | str = "self") -> list[Path]:
    """The segments of Fast DDS that are a process's own: those that its participants send through."""
    found = set()
    for handle in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            if lock := LOCK.fullmatch(os.readlink(handle)):
                found.add(SHARED_MEMORY / lock[1])
    return sorted(path for path in found if path.exists())


def segments(pid: int | str = "self") -> list[int]:
    """Sizes in bytes of `paths`, largest first."""
    return sorted((path.stat().st_size for path in paths(pid)), reverse=True)
