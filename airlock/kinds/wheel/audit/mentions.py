"""The import statements of a source, found without parsing it: what looks like one inside a text is told as well.

Nearly every import can be answered, and parsing takes a hundred times as long: only a file with one that cannot is parsed.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

_IMPORT = re.compile(rb"\bimport\b")
_FROM = re.compile(rb"(?:^|[;:\n])[ \t]*from[ \t\\\n]+([.\w\x80-\xff \t]*?)[ \t\\\n]*$")
_BEGINS = re.compile(rb"(?:^|[;:\n])[ \t]*$")
_NAME = re.compile(rb"\s*([\w.\x80-\xff]+)")
_COMMENT = re.compile(rb"#[^\n]*")
_DYNAMIC = re.compile(rb"(?:\bimport_module|__import__)\s*\(\s*[rbu]?[\"']([\w.]+)[\"']")
_LONGEST = 1 << 16
"""Bytes of a list of names."""
_BEFORE = 2_000


class Mention(NamedTuple):
    module: str
    level: int
    """Dots before it."""
    names: tuple[str, ...] = ()
    """After `from module import`."""


def mentions(source: bytes) -> Iterator[Mention]:
    """Everything that could be an import, module by module."""
    for match in _IMPORT.finditer(source):
        start = _statement(source, match.start())
        before = source[start : match.start()]
        words = before.split()
        if not words or (len(words) == 2 and words[0] == b"from"):
            dotted = words[1] if words else b""
        elif found := _FROM.search(before):
            dotted = found[1]
        elif _BEGINS.search(before):
            dotted = b""
        else:
            continue
        yield from _told(dotted, source, match.end())
    if b"import" in source:
        for dynamic in _DYNAMIC.finditer(source):
            yield Mention(dynamic[1].decode(), 0)


def _told(dotted: bytes, source: bytes, end: int) -> Iterator[Mention]:
    """`dotted` is what stands between `from` and `import`."""
    if not dotted:
        for name in _names(source, end):
            yield Mention(name, 0)
        return
    text = dotted.replace(b" ", b"").replace(b"\t", b"").decode(errors="replace")
    module = text.lstrip(".")
    yield Mention(module, len(text) - len(module), tuple(_names(source, end)))


def _statement(source: bytes, position: int) -> int:
    """Where the line begins, and the one before it where a backslash joins them."""
    start = source.rfind(b"\n", 0, position) + 1
    while start and source[max(start - 2, 0) : start - 1] == b"\\":
        start = source.rfind(b"\n", 0, start - 1) + 1
    return max(start, position - _BEFORE)


def _names(source: bytes, position: int) -> Iterator[str]:
    text = _list_of_names(source, position)
    for part in text.split(b","):
        if found := _NAME.match(part):
            yield found[1].decode(errors="replace")


def _list_of_names(source: bytes, position: int) -> bytes:
    head = source[position : position + 40].lstrip(b" \t\\\r\n")
    if head.startswith(b"("):
        opened = source.index(b"(", position)
        closed = source.find(b")", opened, opened + _LONGEST)
        return _COMMENT.sub(b"", source[opened + 1 : closed]) if closed > 0 else b""
    end = position
    while (end := source.find(b"\n", end)) > 0 and source[end - 1 : end] == b"\\":
        end += 1
    line = source[position : end if end > 0 else len(source)]
    return line.partition(b"#")[0].partition(b";")[0].replace(b"\\\n", b" ")
