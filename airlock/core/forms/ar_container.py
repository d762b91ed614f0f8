"""The container `ar/1`: the common `ar` format as Debian packages use it (deb(5)). Its headers are the structure."""

import io
import re
from collections.abc import Iterator, Sequence
from typing import BinaryIO, ClassVar

from airlock.core.fields import Fields
from airlock.core.forms.codec import Chunks, CodecSet, Opened, Part, Room, Slot
from airlock.core.forms.sized import exactly, section
from airlock.errors import IntegrityError

_MAGIC = b"!<arch>\n"
_HEADER = 60
_FIRST_FIELDS = re.compile(rb"[^ ].{15}[0-9 ]{24}", re.DOTALL)
_MODE, _SIZE = re.compile(rb"[0-7]+ *"), re.compile(rb"[0-9]+ *")
_PADDING = b"\n"
_MAX_MEMBERS = 1000
_WHERE = "ar"


class ArCodec:
    name = "ar/1"

    def matches(self, head: bytes) -> bool:
        """Only packages: an object library gains nothing by being taken apart."""
        return head.startswith(_MAGIC + b"debian-binary")

    def open(self, original: BinaryIO, codecs: CodecSet, *, thorough: bool, room: Room) -> Opened | None:
        total = original.seek(0, io.SEEK_END)
        headers: list[bytes] = []
        parts: list[Part] = []
        at = len(_MAGIC)
        while at < total:
            original.seek(at)
            header = original.read(_HEADER)
            if not _is_plain(header) or len(headers) == _MAX_MEMBERS:
                return None
            headers.append(header)
            start, size = at + _HEADER, _size(header)
            parts.append(
                Part(size=size, read=lambda start=start, size=size: section(original, start, size, _WHERE))  # type: ignore[misc]
            )
            at = start + size
            original.seek(at)
            if original.read(size % 2) != _PADDING[: size % 2]:
                return None
            at += size % 2
        return Opened(recipe={}, structure=b"".join(headers), parts=parts) if at == total else None

    def parse(self, recipe: Fields, structure: bytes, corrections: bytes, where: str) -> "Ar":
        recipe.done()
        if len(structure) % _HEADER or len(structure) > _MAX_MEMBERS * _HEADER or corrections:
            raise IntegrityError(where, "not the headers of an ar archive")
        return Ar([structure[at : at + _HEADER] for at in range(0, len(structure), _HEADER)], where)


class Ar:
    made: ClassVar[int] = 0
    encoders: CodecSet = frozenset()

    def __init__(self, headers: Sequence[bytes], where: str) -> None:
        self._headers, self._where = headers, where
        if not all(map(_is_plain, headers)):
            raise IntegrityError(where, "not the header of an ar archive's member")
        self.slots: Sequence[Slot] = [
            Slot(
                name=header[:16].rstrip(b" ").removesuffix(b"/").decode("latin-1"),
                mode=int(header[40:48], 8) & 0o777,
            )
            for header in headers
        ]

    def build(self, parts: Iterator[Chunks]) -> Chunks:
        yield _MAGIC
        for header in self._headers:
            yield header
            yield from exactly(parts, _size(header), self._where)
            yield _PADDING[: _size(header) % 2]

    def content(self, number: int, opaque: Chunks) -> Chunks:
        raise IntegrityError(self._where, "an ar archive has no compressed parts")


def _is_plain(header: bytes) -> bool:
    return bool(
        _FIRST_FIELDS.fullmatch(header[:40])
        and _MODE.fullmatch(header[40:48])
        and _SIZE.fullmatch(header[48:58])
        and header[58:] == b"`\n"
    )


def _size(header: bytes) -> int:
    return int(header[48:58])
