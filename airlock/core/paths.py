"""Paths that are safe to create below a root, by type."""

import re
import unicodedata
from typing import NewType

from airlock.errors import IntegrityError

SafePath = NewType("SafePath", str)
"""A relative POSIX path without empty, `.` or `..` parts, NUL, backslash or control characters, in Unicode NFC; made
only by `safe_path`."""

TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that show text in another order than it has (Unicode Technical Report 36)."""

MAX_PATH = 1024
MAX_PART = 255
_PLAIN = re.compile(r"(?=.{1,255}\Z)[A-Za-z0-9_][A-Za-z0-9_.+-]*(/[A-Za-z0-9_][A-Za-z0-9_.+-]*)*", re.ASCII)
"""Nearly every path of some thousand; it keeps every rule."""


def safe_path(text: str, where: str = "path") -> SafePath:
    """Validate `text`. Raises IntegrityError that names `where` and the rule that was broken."""
    if problem := _problem(text):
        raise IntegrityError(where, f"unsafe path, {problem}", found=repr(text[:120]))
    return SafePath(text)


def _problem(text: str) -> str | None:
    if _PLAIN.fullmatch(text):
        return None
    parts = text.split("/")
    if not text or text.startswith("/"):
        return "it must be relative and not empty"
    if any(part in ("", ".", "..") for part in parts):
        return "a part is empty, '.' or '..'"
    plain = text.isascii() and text.isprintable()
    if "\\" in text or not (plain or all(map(_is_allowed, text))):
        return "it holds a backslash, a control character, or one that turns the order of text"
    if not plain and unicodedata.normalize("NFC", text) != text:
        return "it is not in Unicode normal form C"
    if len(text.encode()) > MAX_PATH or any(len(part.encode()) > MAX_PART for part in parts):
        return f"it is longer than {MAX_PATH} bytes, or a part than {MAX_PART}"
    return None


def _is_allowed(character: str) -> bool:
    return unicodedata.category(character) not in ("Cc", "Cs") and character not in TURNING
