"""The socket that a server listens at."""

import errno
import socket

from vipa.errors import VipaError


def bind(host: str, port: int, another: bool = True) -> socket.socket:
    """A listening TCP socket on `host`, at `port` or, if that is taken and `another` may be had, at a free one. Raises VipaError."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise VipaError(f"host '{host}': {error.strerror}; allowed: a name or address of this machine") from None
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        try:
            made.bind(address)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or not another:
                raise
            made.bind((address[0], 0, *address[2:]))
        made.listen()
    except OSError as error:
        made.close()
        raise VipaError(
            f"{host}:{port}: {error.strerror}; allowed: an address of this machine and a port above 1023"
        ) from None
    return made
