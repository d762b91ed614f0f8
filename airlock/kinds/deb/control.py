"""Control data: stanzas of fields (deb822(5), Debian Policy 5.1), strictly, with limits, for what an archive serves."""

import re
from collections.abc import Iterator, Mapping

from airlock.errors import IntegrityError

MAX_FIELD = 1 << 20
"""Characters of one field; the longest of Debian's have some 100,000."""
MAX_FIELDS = 200
_FIELD = re.compile(r"([!\"$-,.-9;-~][!-9;-~]{0,99}):[ \t]*(.*)", re.ASCII)
"""A name has no colon and does not begin with `#` or `-` (Policy 5.1)."""
_SEPARATOR = re.compile(r"\n[ \t]*\n\s*")


def text_of(data: bytes, where: str) -> str:
    """Raises IntegrityError for what is not UTF-8, or holds characters that no control file has."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise IntegrityError(where, f"not UTF-8, {error}") from error
    if "\0" in text or "\r" in text:
        raise IntegrityError(where, "holds a NUL or a carriage return")
    return text


def blocks(text: str) -> Iterator[str]:
    """The text of each stanza."""
    for block in text.split("\n\n") if "\n\n\n" not in text else _SEPARATOR.split(text):
        if block := block.strip("\n"):
            yield block


def stanza(block: str, where: str) -> Mapping[str, str]:
    """The fields of one stanza by lower-case names, continuation lines joined by newlines. Raises IntegrityError for a field
    that stands twice, for what is no field, and beyond the limits."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in block.split("\n"):
        if line.startswith((" ", "\t")) and lines:
            lines.append(line)
            continue
        if line.startswith("#"):
            continue
        if (match := _FIELD.fullmatch(line)) is None:
            raise IntegrityError(where, "not a field of a control file", found=repr(line[:80]))
        name = match[1].lower()
        if name in found or len(found) == MAX_FIELDS:
            what = f"the field {match[1]!r} stands twice" if name in found else "too many fields"
            raise IntegrityError(where, what)
        lines = found[name] = [match[2].rstrip()]
    return {name: _joined(name, parts, where) for name, parts in found.items()}


def _joined(name: str, parts: list[str], where: str) -> str:
    if sum(map(len, parts)) > MAX_FIELD:
        raise IntegrityError(where, f"the field {name!r} is too long", expected=f"at most {MAX_FIELD}")
    return "\n".join(parts)


def only_stanza(text: str, where: str) -> Mapping[str, str]:
    """Of a file that has one stanza. Raises IntegrityError."""
    found = list(blocks(text))
    if len(found) != 1:
        raise IntegrityError(where, "expected one stanza", found=str(len(found)))
    return stanza(found[0], where)
