"""Where config/, tasks/, urdf/ and launch/ are: the checkout, or the share folder of an installed package."""

from functools import cache
from pathlib import Path

from vipa.errors import VipaError, unknown

OWN = {
    "config/robots": "robots"
}  # where `vipa robot add` puts what a user adds, a folder each, in the working directory


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


def own(folder: str) -> dict[str, Path]:
    """The user's own files of the kind that ships in `folder`, by name: ./robots/NAME/NAME.yaml. What ships goes before."""
    where = OWN.get(folder)
    found = {p.stem: p for p in sorted(Path(where).glob("*/*.yaml")) if p.stem == p.parent.name} if where else {}
    return {name: path for name, path in found.items() if not (root() / folder / f"{name}.yaml").is_file()}


def absolute(name: str, folder: str = "") -> str:
    """The whole path of `name` if it is that of a YAML file, or names one of the user's own of `folder`; else `name`: processes elsewhere
    find the same."""
    given = Path(name)
    if given.suffix in (".yaml", ".yml") and given.is_file():
        return str(given.resolve())
    mine = own(folder).get(name)
    return str(mine.resolve()) if mine else name


def find(folder: str, name: str) -> Path:
    """The file `folder`/`name`.yaml, the user's own of that name, or `name` itself if it is the path of a YAML file.

    Raises VipaError that lists what exists.
    """
    given = Path(name)
    if given.suffix in (".yaml", ".yml") and given.is_file():
        return given
    path = root() / folder / f"{name}.yaml"
    if not path.is_file():
        mine = own(folder)
        if name in mine:
            return mine[name]
        plural = folder.rstrip("/").split("/")[-1]
        kind = plural[:-3] + "y" if plural.endswith("ies") else plural.removesuffix("s")
        raise unknown(kind, name, [*names(folder), *mine])
    return path
