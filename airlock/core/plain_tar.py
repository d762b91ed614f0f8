"""The tar that expanded forms are written in: plain files in one exact spelling, for reading from start to end once.

Names that do not fit into a header are carried as GNU tar does. The reader takes a header only if the writer would have
written it, so no link, device, sparse file or second spelling comes through.
"""

import tarfile
from collections.abc import Generator, Iterable, Iterator
from typing import BinaryIO

from airlock.core.digest import CHUNK
from airlock.errors import IntegrityError

BLOCK = tarfile.BLOCKSIZE
END = bytes(2 * BLOCK)
_SIZE = slice(124, 135)
_SHORT = 100
"""Bytes of a name that fits into a header."""
MAX_SIZE = 1 << 40
"""Bytes; no file may declare more."""


def _written(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = size, 0o644, 0
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "strict")


_EMPTY = _written("", 0)
_BEFORE, _BETWEEN, _AFTER = _EMPTY[100:124], _EMPTY[135:148], _EMPTY[156:]
_REST = sum(_BEFORE) + sum(_BETWEEN) + sum(_AFTER) + 8 * ord(" ")


def header(name: str, size: int) -> bytes:
    """Everything that stands before the bytes of a file: what tarfile writes, put together faster, as a wheel has
    thousands."""
    spelled, digits = name.encode(), b"%011o" % size
    if len(spelled) > _SHORT or len(digits) > 11:
        return _written(name, size)
    checksum = b"%06o\0 " % (_REST + sum(spelled) + sum(digits))
    return b"".join((spelled.ljust(100, b"\0"), _BEFORE, digits, _BETWEEN, checksum, _AFTER))


def padding(size: int) -> bytes:
    return bytes(-size % BLOCK)


def write_file(out: BinaryIO, name: str, size: int, chunks: Iterable[bytes]) -> None:
    out.write(header(name, size))
    for chunk in chunks:
        out.write(chunk)
    out.write(padding(size))


class Reader:
    """Takes files one after the other off a stream that need not be seekable. Raises IntegrityError with the offset."""

    def __init__(self, stream: BinaryIO, where: str) -> None:
        self._stream, self.where, self.offset = stream, where, 0
        self._open: Generator[bytes] | None = None
        self._untouched: int | None = None

    def fault(self, what: str, expected: str | None = None, found: str | None = None) -> IntegrityError:
        return IntegrityError(f"{self.where}: byte {self.offset}", what, expected=expected, found=found)

    def file(self, name: str, limit: int = MAX_SIZE) -> tuple[int, Iterator[bytes]]:
        """The size and the bytes of the next file, which must be called `name` and be at most `limit` bytes. What is
        left of them is skipped when anything else is read."""
        self._skip()
        start = self._exactly(BLOCK if len(name.encode()) <= _SHORT else len(header(name, 0)))
        size = self._size(start[-BLOCK:])
        if header(name, size) != start:
            raise self.fault(f"not the header of {name[:120]!r} as it must be spelled")
        if size > limit:
            raise self.fault(f"{name[:120]!r} is too large", f"at most {limit} bytes", f"{size} bytes")
        self._open, self._untouched = self._body(size), size
        return size, self._open

    def small(self, name: str, limit: int) -> bytes:
        _, chunks = self.file(name, limit)
        return b"".join(chunks)

    def end(self) -> None:
        self._skip()
        if self._exactly(len(END)) != END or self._stream.read(1):
            raise self.fault("bad end of the expanded form")

    def _skip(self) -> None:
        if self._open is None:
            return
        if self._untouched is not None and self._stream.seekable():
            self._open.close()
            self._stream.seek(self._untouched, 1)
            self.offset += self._untouched
            self._end_of_body(self._untouched)
        else:
            for _ in self._open:
                pass
        self._open = self._untouched = None

    def _size(self, block: bytes) -> int:
        """What the block seems to say; the caller compares it with the one spelling of that."""
        try:
            if (digits := block[_SIZE]).isdigit():
                return int(digits, 8)
            size = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape").size
        except (tarfile.HeaderError, ValueError) as error:
            raise self.fault(f"not a tar header, {error}") from error
        if not 0 <= size <= MAX_SIZE:
            raise self.fault("impossible size", f"at most {MAX_SIZE}", str(size))
        return size

    def _body(self, size: int) -> Generator[bytes]:
        left, self._untouched = size, None
        while left:
            chunk = self._stream.read(min(left, CHUNK))
            if not chunk:
                raise self.fault("truncated")
            left -= len(chunk)
            self.offset += len(chunk)
            yield chunk
        self._end_of_body(size)

    def _end_of_body(self, size: int) -> None:
        padding = self._exactly(-size % BLOCK)
        if padding.count(0) != len(padding):
            raise self.fault("padding is not zero")

    def _exactly(self, size: int) -> bytes:
        data = self._stream.read(size)
        self.offset += len(data)
        while len(data) < size:
            chunk = self._stream.read(size - len(data))
            if not chunk:
                raise self.fault("truncated")
            data += chunk
            self.offset += len(chunk)
        return data
