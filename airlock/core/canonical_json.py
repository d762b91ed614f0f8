"""The one JSON form of every file that crosses the gap: sorted keys, no white space, UTF-8, no floats.

Signatures and digests are over these bytes, so a document has exactly one spelling and `loads` refuses every other.
"""

import json
from typing import Any, NoReturn

from airlock.errors import IntegrityError

MAX_SIZE = 64 << 20
"""A document larger than this, in bytes, is refused before it is parsed."""
_MAX_VALUES = 4_000_000
"""So is one of more values than this, which may take a hundred times the room of their text."""


def dumps(document: object) -> bytes:
    """Canonical bytes, with a final newline."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode() + b"\n"


def loads(data: bytes, where: str) -> Any:
    """Parse canonical JSON. Raises IntegrityError for anything else: other spellings, duplicate keys, floats, depth."""
    check_limits(data, where)
    try:
        document = json.loads(
            data, parse_float=_no_float, parse_constant=_no_float, object_pairs_hook=no_duplicates
        )
        canonical = dumps(document)
    except (ValueError, RecursionError) as error:
        raise IntegrityError(where, f"not canonical JSON, {error}") from error
    if canonical != data:
        raise IntegrityError(
            where, "not canonical JSON", expected="sorted keys, no white space, one final newline"
        )
    return document


def check_limits(data: bytes, where: str) -> None:
    """Raises IntegrityError for a document that `loads` would not look into."""
    if len(data) > MAX_SIZE:
        raise IntegrityError(
            where, "too large", expected=f"at most {MAX_SIZE} bytes", found=f"{len(data)} bytes"
        )
    if data.count(b",") + data.count(b"{") + data.count(b"[") > _MAX_VALUES:
        raise IntegrityError(where, "too many values", expected=f"at most {_MAX_VALUES}")


def _no_float(text: str) -> NoReturn:
    raise ValueError(f"the number {text} is not an integer")


def no_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """For `object_pairs_hook`. Raises ValueError."""
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return document
