"""The suites of LIBERO and LIBERO-PRO, and how long an episode of each may take."""

from vipa.errors import unknown

BASE = {
    "libero_spatial": 220,
    "libero_object": 280,
    "libero_goal": 300,
    "libero_10": 520,
    "libero_90": 400,
}  # control steps, as openpi's client
PERTURBED = ("lan", "object", "swap", "task")  # of LIBERO-PRO, whose resources are complete
TABLE = {
    "libero_spatial": "Spatial",
    "libero_object": "Object",
    "libero_goal": "Goal",
    "libero_10": "Long",
    "libero_90": "90",
}
AVERAGED = ("libero_spatial", "libero_object", "libero_goal", "libero_10")  # whose mean papers print


def names() -> list[str]:
    """Every suite that can be run."""
    return [*BASE, *(f"{base}_{way}" for base in AVERAGED for way in PERTURBED)]


def steps_of(suite: str) -> int:
    """Control steps that an episode of `suite` may take. Raises VipaError for one that is not known."""
    if suite not in names():
        raise unknown("suite", suite, names())
    return BASE[suite if suite in BASE else suite.rpartition("_")[0]]


def title(suite: str) -> str:
    """What the paper's table calls it."""
    if suite in TABLE:
        return TABLE[suite]
    base, _, way = suite.rpartition("_")
    return f"{TABLE[base]}, {way}"


def parse(text: str) -> list[str]:
    """Suites of `libero_spatial,libero_goal`; `object`, `10` and the like without `libero_` too. Raises VipaError."""
    found = [name if name.startswith("libero_") else f"libero_{name}" for name in text.split(",") if name]
    for name in found:
        steps_of(name)
    return list(dict.fromkeys(found))
