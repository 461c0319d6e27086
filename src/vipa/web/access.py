"""Who is answered: requests by our own name (no DNS rebinding), from our own pages, that know the token."""

import hmac
import secrets
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from vipa.config import Range
from vipa.errors import VipaError

EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - names that no request may use; listening there is asked for by option
LOOPBACK = ("127.0.0.1", "localhost")
PORTS = Range(0, 65535)


@dataclass(frozen=True)
class Access:
    """host: address that is listened at. name: host name or address that pages are opened by from elsewhere, "": the host's.
    token: "" makes a new one."""

    host: str
    name: str = ""
    token: str = field(default="", repr=False)

    def __post_init__(self):
        object.__setattr__(self, "token", self.token or secrets.token_urlsafe(16))

    def names(self) -> list[str]:
        """Hosts that a request may name."""
        return sorted({self.host, self.name, *LOOPBACK} - {"", *EVERYWHERE})

    def address(self, port: int) -> str:
        """What to open."""
        name = self.name or (LOOPBACK[1] if self.host in EVERYWHERE else self.host)
        return f"http://{name}:{port}/?token={self.token}"

    def refusal(self, request, port: int, socket: bool) -> str:
        """'' or why `request` (with path and headers) is not answered. socket: it opens one, which only a page of ours may."""
        host = request.headers.get("Host", "")
        if host not in {f"{name}:{port}" for name in self.names()}:
            return f"host '{host[:80]}'; allowed: {', '.join(self.names())}; others by the option name"
        origin = request.headers.get("Origin")
        if origin is not None and origin != f"http://{host}":
            return "a page of another site"
        if socket and origin is None:
            return "no Origin"
        given = parse_qs(urlsplit(request.path).query).get("token") or [cookie(request, port)]
        return "" if hmac.compare_digest(given[0].encode(), self.token.encode()) else "wrong token"

    def set_cookie(self, port: int) -> str:
        """The header that lets a browser come back without the token in its address."""
        return f"{cookie_name(port)}={self.token}; HttpOnly; SameSite=Strict; Path=/"


def cookie_name(port: int) -> str:
    """Cookies know no ports: each server has its own."""
    return f"vipa-{port}"


def cookie(request, port: int) -> str:
    """The token that a browser kept, "" if it has none."""
    try:
        kept = SimpleCookie(request.headers.get("Cookie", ""))
    except CookieError:
        return ""
    return kept[cookie_name(port)].value if cookie_name(port) in kept else ""


def parse(text: str, port: int) -> tuple[str, int]:
    """Host and port of `HOST[:PORT]`. Raises VipaError."""
    host, colon, number = text.rpartition(":") if text.count(":") == 1 else (text, "", "")
    if not host or (colon and not number.isdigit()) or any(c.isspace() or c in "/@?#" for c in host):
        raise VipaError(f"address '{text}'; allowed: HOST or HOST:PORT")
    found = int(number) if colon else port
    PORTS.check(found, f"address '{text}': port")
    return host, found
