"""The layouts of human video that are read, by name."""

from collections.abc import Callable, Iterator
from pathlib import Path

from vipa.errors import VipaError, unknown
from vipa.human import arctic, dexycb, egodex, fpha, h2o, hoi4d, oakink2, taco
from vipa.human.clip import Clip

LAYOUTS: dict[str, Callable[[Path], Iterator[Clip]]] = {
    "arctic": arctic.clips,
    "dexycb": dexycb.clips,
    "egodex": egodex.clips,
    "fpha": fpha.clips,
    "h2o": h2o.clips,
    "hoi4d": hoi4d.clips,
    "oakink2": oakink2.clips,
    "taco": taco.clips,
}


def clips(layout: str, root: Path) -> Iterator[Clip]:
    """The clips of the dataset in `root`. Raises VipaError for another layout, or no folder."""
    if layout not in LAYOUTS:
        raise unknown("layout", layout, LAYOUTS)
    if not Path(root).is_dir():
        raise VipaError(f"{root}: no folder")
    return LAYOUTS[layout](Path(root))
