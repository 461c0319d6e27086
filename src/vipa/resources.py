"""Where config/, tasks/, urdf/ and launch/ are: the checkout, or the share folder of an installed package."""

from functools import cache
from pathlib import Path

from vipa.errors import VipaError, unknown


@cache
def root() -> Path:
    """Folder that holds config/, tasks/, urdf/ and launch/.

    Raises VipaError if neither a checkout nor an installed share folder is found.
    """
    checkout = Path(__file__).resolve().parents[2]
    if (checkout / "tasks").is_dir() and (checkout / "config").is_dir():
        return checkout
    for prefix in Path(__file__).resolve().parents:  # <prefix>/lib/python3.x/site-packages/vipa_ros
        share = prefix / "share" / "vipa_ros"
        if (share / "tasks").is_dir():
            return share
    raise VipaError(f"no config/ and tasks/ beside {checkout} and no share/vipa_ros in the install prefix")


def dds_profile() -> Path:
    """The file with which every process of the graph configures Fast DDS."""
    return root() / "config/dds/fastdds.xml"


def names(folder: str) -> list[str]:
    """Names (file stems) of the YAML files in `folder`, e.g. names("tasks")."""
    return sorted(p.stem for p in (root() / folder).glob("*.yaml"))


def checkpoints() -> list[str]:
    """Names of the checkpoints that ship."""
    return sorted(p.parent.name for p in (root() / "config/policies").glob("*/config.json"))


def checkpoint(policy: str) -> Path:
    """The folder of checkpoint `policy`: a path, or the name of one that ships in config/policies/."""
    ships = root() / "config/policies" / policy
    return ships if not Path(policy).is_dir() and (ships / "config.json").is_file() else Path(policy)


def absolute(name: str) -> str:
    """The whole path of `name` if it is that of a YAML file, else `name`: processes elsewhere find the same."""
    given = Path(name)
    return str(given.resolve()) if given.suffix in (".yaml", ".yml") and given.is_file() else name


def find(folder: str, name: str) -> Path:
    """The file `folder`/`name`.yaml, or `name` itself if it is the path of a YAML file.

    Raises VipaError that lists what exists.
    """
    given = Path(name)
    if given.suffix in (".yaml", ".yml") and given.is_file():
        return given
    path = root() / folder / f"{name}.yaml"
    if not path.is_file():
        plural = folder.rstrip("/").split("/")[-1]
        kind = plural[:-3] + "y" if plural.endswith("ies") else plural.removesuffix("s")
        raise unknown(kind, name, names(folder))
    return path
