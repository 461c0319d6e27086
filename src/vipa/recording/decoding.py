"""Turns the bytes of a bag's messages into objects, by the definitions that stand in the bag."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from rosbags.typesys import Stores, get_types_from_idl, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from vipa.recording import definitions

_IDL_SEPARATOR = "=" * 80 + "\n"


class Undecodable(Exception):
    """Why a message, or a whole topic, cannot be decoded."""


def decoder(typename: str, encoding: str, schema_encoding: str, schema: str) -> Callable[[bytes], Any]:
    """A function from a message's bytes to the decoded message; it raises Undecodable, as this does for whole topics.

    encoding: of messages. schema: text of the type's definition in `schema_encoding`; empty: ours of that name is used.
    """
    if encoding != "cdr":
        raise Undecodable(f"encoding '{encoding}'; allowed: cdr")
    try:
        store = _store(typename, schema_encoding, schema)
        definition = store.get_msgdef(typename)
    except Undecodable:
        raise
    except Exception as error:  # noqa: BLE001 - a definition of any text may make the parser raise anything
        raise Undecodable(f"definition of '{typename}': {_reason(error)}") from None

    def decode(raw: bytes) -> Any:
        if len(raw) < 4 or raw[0] != 0 or raw[1] > 1:
            raise Undecodable("no CDR encapsulation")
        read = definition.deserialize_cdr_le if raw[1] else definition.deserialize_cdr_be
        try:
            return read(raw[4:], 0, definition.cls, store)[0]  # bytes after the message are padding: writers leave some
        except Exception as error:  # noqa: BLE001 - bytes of any kind may make generated code raise anything
            raise Undecodable(f"not a whole {typename} ({_reason(error)})") from None

    return decode


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


@lru_cache(64)  # bags of one recorder share their definitions
def _store(typename: str, encoding: str, text: str) -> Typestore:
    if not text:
        return definitions.typestore()
    store = get_typestore(Stores.EMPTY)
    if encoding == "ros2msg":
        store.register(get_types_from_msg(text, typename))
    elif encoding in ("ros2idl", "omgidl"):
        parts = text.split(_IDL_SEPARATOR)[1:] if text.startswith(f"{_IDL_SEPARATOR}IDL: ") else [text]
        for part in parts:
            store.register(get_types_from_idl(part.split("\n", 1)[1] if part.startswith("IDL: ") else part))
    else:
        raise Undecodable(f"definition in '{encoding}'; allowed: ros2msg, ros2idl")
    return store
