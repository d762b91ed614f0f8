"""The container `tar/1`: headers as structure, files as parts.

The structure holds the headers as records (`tar_headers`), then what pax headers and GNU long names hold, in their order,
without padding. Padding is zeros; the zeros at the end are counted in the recipe. An entry without content is no part. Sparse
files, padding that is not zero and bytes behind the end are not restored: such a tar stays as it is.
"""

import io
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import BinaryIO

from airlock.core.digest import CHUNK
from airlock.core.fields import Fields
from airlock.core.forms.codec import MAX_PARTS, MAX_STRUCTURE, Chunks, CodecSet, Opened, Part, Room, Slot
from airlock.core.forms.sized import exactly, section
from airlock.core.forms.tar_headers import (
    BLOCK,
    EXTENSIONS,
    Extensions,
    Headers,
    Records,
    is_header,
    kind_of,
    padding,
    size_of,
)
from airlock.errors import IntegrityError

_MAX_HEADERS = 250_000
_MAX_END = 1 << 20
"""Bytes of zeros behind the last entry: tar programs fill up to their blocking factor."""
_WHERE = "tar"


class TarCodec:
    name = "tar/1"

    def matches(self, head: bytes) -> bool:
        return is_header(head[:BLOCK])

    def open(self, original: BinaryIO, codecs: CodecSet, *, thorough: bool, room: Room) -> Opened | None:
        try:
            return _Scan(original).opened()
        except IntegrityError:
            return None

    def parse(self, recipe: Fields, structure: bytes, corrections: bytes, where: str) -> "Tar":
        count = recipe.integer("headers", limit=_MAX_HEADERS)
        end = recipe.integer("end", limit=_MAX_END)
        empty = recipe.raw("empty")
        recipe.done()
        if not isinstance(empty, list) or not all(type(number) is int for number in empty):
            raise recipe.fault("empty", "expected an array of whole numbers")
        headers = Headers(structure, count, empty, where)
        tar = Tar(headers, structure[headers.size :], end, where)
        if not count or corrections:
            raise IntegrityError(where, "a tar without headers, or with corrections")
        return tar


class _Scan:
    """Reads a tar from its start to its end, skipping contents. Raises IntegrityError for what is not restored."""

    def __init__(self, original: BinaryIO) -> None:
        self._original = original
        self._total = original.seek(0, io.SEEK_END)
        self._at = 0
        self._records, self._names = Records(), Extensions(_WHERE)
        self._contents: list[bytes] = []
        self._parts: list[Part] = []
        self._size = 0

    def opened(self) -> Opened:
        while len(block := self._read(BLOCK)) == BLOCK and any(block):
            self._entry(block)
            if self._records.count > _MAX_HEADERS:
                raise IntegrityError(_WHERE, "too many headers")
        end = self._total - self._at + len(block)
        if not self._records.count or end > _MAX_END or any(block) or any(self._read(end)):
            raise IntegrityError(_WHERE, "not the end of a tar")
        return Opened(
            recipe={"empty": self._records.empty, "end": end, "headers": self._records.count},
            structure=b"".join([self._records.tobytes(), *self._contents]),
            parts=self._parts,
        )

    def _read(self, size: int) -> bytes:
        self._original.seek(self._at)
        data = self._original.read(size)
        self._at += len(data)
        return data

    def _entry(self, block: bytes) -> None:
        self._records.append(block)
        if kind_of(block) in EXTENSIONS:
            self._extension(kind_of(block), size_of(block, _WHERE))
        elif size := self._names.file(block).size:
            start, self._at = self._at, self._at + size
            self._parts.append(Part(size=size, read=lambda: section(self._original, start, size, _WHERE)))
            self._skip_padding(size)

    def _extension(self, kind: bytes, size: int) -> None:
        self._size += size
        if self._size > MAX_STRUCTURE:
            raise IntegrityError(_WHERE, "too much in extended headers")
        content = self._read(size)
        if len(content) != size:
            raise IntegrityError(_WHERE, "truncated")
        self._names.take(kind, content)
        self._contents.append(content)
        self._skip_padding(size)

    def _skip_padding(self, size: int) -> None:
        if len(self._parts) > MAX_PARTS or self._read(-size % BLOCK) != padding(size):
            raise IntegrityError(_WHERE, "padding that is not zero, or too many files")


class Tar:
    encoders: CodecSet = frozenset()

    def __init__(self, headers: Headers, contents: bytes, end: int, where: str) -> None:
        self._headers, self._contents, self._end, self._where = headers, contents, end, where
        self.made = headers.count * BLOCK + end

    @cached_property
    def slots(self) -> Sequence[Slot]:
        return [Slot(name=name, mode=mode) for _, _, name, mode, size in self._entries() if size]

    def _entries(self) -> Iterator[tuple[bytes, bytes, str, int, int]]:
        """Header, the extension's content behind it, and name, mode and size in bytes of a part."""
        names, at = Extensions(self._where), 0
        for block in self._headers:
            if kind_of(block) in EXTENSIONS:
                start, at = at, at + size_of(block, self._where)
                if at > len(self._contents):
                    raise IntegrityError(self._where, "the tar's structure is truncated")
                names.take(kind_of(block), self._contents[start:at])
                yield block, self._contents[start:at], "", 0, 0
            else:
                file = names.file(block)
                yield block, b"", file.name, file.mode, file.size
        if at != len(self._contents):
            raise IntegrityError(self._where, "bytes behind the tar's structure")

    def build(self, parts: Iterator[Chunks]) -> Chunks:
        for block, content, _, _, size in self._entries():
            yield block + content + padding(len(content))
            if size:
                yield from exactly(parts, size, self._where)
                yield padding(size)
        for start in range(0, self._end, CHUNK):
            yield bytes(min(CHUNK, self._end - start))

    def content(self, number: int, opaque: Chunks) -> Chunks:
        raise IntegrityError(self._where, "a tar has no compressed parts")
