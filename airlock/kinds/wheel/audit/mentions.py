"""The import statements of a source, found without parsing it: what looks like one inside a text is told as well.

Nearly every import can be answered, and parsing takes a hundred times as long: only a file with one that cannot is parsed.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

_IMPORT = re.compile(rb"\bimport\b")
_FROM = re.compile(
    rb"(?:^|[;:\n])[ \t]*+from[ \t\\\n]++((?:[.\w\x80-\xff]++(?:[ \t]++[.\w\x80-\xff]++)*+)?)[ \t\\\n]*+$"
)
_BEGINS = re.compile(rb"(?:^|[;:\n])[ \t]*$")
_NAME = re.compile(rb"\s*([\w.\x80-\xff]+)")
_COMMENT = re.compile(rb"#[^\n]*")
_DYNAMIC = re.compile(rb"(?:\bimport_module|__import__)\s*\(\s*[rbu]?[\"']([\w.]+)[\"']")
_LONGEST = 1 << 16
"""Bytes of a list of names."""
_BEFORE = 2_000
"""Bytes before the word that are looked at."""


class Mention(NamedTuple):
    module: str
    level: int
    """Dots before it."""
    names: tuple[str, ...] = ()
    """After `from module import`."""


def mentions(source: bytes) -> Iterator[Mention]:
    """Everything that could be an import, module by module."""
    done = 0
    for match in _IMPORT.finditer(source):
        if match.start() < done:
            continue
        dotted = _between(source[_statement(source, match.start()) : match.start()])
        if dotted is not None:
            names, done = _list_of_names(source, match.end())
            yield from _told(dotted, names)
    if b"import" in source:
        for dynamic in _DYNAMIC.finditer(source):
            yield Mention(dynamic[1].decode(), 0)


def _between(before: bytes) -> bytes | None:
    """What stands between `from` and `import`, empty where there is no `from`; None where no statement begins there."""
    words = before.split()
    if not words or (len(words) == 2 and words[0] == b"from"):
        return words[1] if words else b""
    if found := _FROM.search(before):
        return found[1]
    return b"" if _BEGINS.search(before) else None


def _told(dotted: bytes, names: bytes) -> Iterator[Mention]:
    if not dotted:
        for name in _names(names):
            yield Mention(name, 0)
        return
    text = dotted.replace(b" ", b"").replace(b"\t", b"").decode(errors="replace")
    module = text.lstrip(".")
    yield Mention(module, len(text) - len(module), tuple(_names(names)))


def _statement(source: bytes, position: int) -> int:
    """Where the line begins, and the one before it where a backslash joins them."""
    earliest = max(0, position - _BEFORE)
    start = source.rfind(b"\n", earliest, position) + 1
    while start > earliest and source[max(start - 2, 0) : start - 1] == b"\\":
        start = source.rfind(b"\n", earliest, start - 1) + 1
    start = max(start, earliest)
    return max(start, source.rfind(b";", start, position))


def _names(names: bytes) -> Iterator[str]:
    for part in names.split(b","):
        if found := _NAME.match(part):
            yield found[1].decode(errors="replace")


def _list_of_names(source: bytes, position: int) -> tuple[bytes, int]:
    """What follows `import`, and where it ends."""
    head = source[position : position + 40].lstrip(b" \t\\\r\n")
    if head.startswith(b"("):
        opened = source.index(b"(", position)
        closed = source.find(b")", opened, opened + _LONGEST)
        return (_COMMENT.sub(b"", source[opened + 1 : closed]), closed) if closed > 0 else (b"", 0)
    last = _end_of_line(source, position)
    for mark in (b"#", b";"):
        found = source.find(mark, position, last)
        last = found if found >= 0 else last
    return source[position:last].replace(b"\\\n", b" "), last


def _end_of_line(source: bytes, position: int) -> int:
    """Lines that a backslash joins count as one."""
    limit = min(position + _LONGEST, len(source))
    end = source.find(b"\n", position, limit)
    while end > 0 and source[end - 1 : end] == b"\\":
        end = source.find(b"\n", end + 1, limit)
    return end if end >= 0 else limit
