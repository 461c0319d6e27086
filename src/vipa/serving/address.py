"""`NAME@HOST[:PORT]`: a policy that somebody serves, and the file in config/policies/ that says how it is asked."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from vipa.errors import VipaError
from vipa.serving.mapping import Mapping, load_mapping

PORTS = {"openpi": 8000, "groot": 5555}
FORM = "NAME@HOST or NAME@HOST:PORT, as vipa@localhost:8000, with NAME from config/policies/ or a path"


@dataclass(frozen=True)
class PolicyAddress:
    """A policy at an address. name: its mapping's. scheme: ws, wss (openpi) or tcp (groot)."""

    name: str
    mapping: Mapping
    scheme: str
    host: str
    port: int

    @property
    def address(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{Path(self.name).stem}@{self.address}"


def is_remote(policy: str) -> bool:
    """Whether `policy` names a served policy, not a folder or a scripted commander."""
    return "@" in policy and not Path(policy).is_dir()


def parse(policy: str) -> PolicyAddress:
    """The policy that `NAME@HOST[:PORT]` names. Raises VipaError that says what is allowed."""
    name, _, address = policy.rpartition("@")
    scheme, _, rest = address.rpartition("://")
    try:
        parts = urlsplit(f"//{rest}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = None
    if not name or not host or parts.path or parts.query or parts.username or port == 0:
        raise VipaError(f"policy '{policy}'; allowed: {FORM}")
    mapping = load_mapping(name)
    schemes = ("ws", "wss") if mapping.protocol == "openpi" else ("tcp",)
    if scheme and scheme not in schemes:
        raise VipaError(f"policy '{policy}': scheme '{scheme}'; allowed for {mapping.protocol}: {', '.join(schemes)}")
    return PolicyAddress(name, mapping, scheme or schemes[0], host, port or PORTS[mapping.protocol])
