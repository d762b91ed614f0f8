"""Bytes that must wait: in memory while they are few, else in a temporary file."""

import io
import tempfile
from collections.abc import Iterable
from typing import IO, BinaryIO, cast

from airlock.core.digest import CHUNK
from airlock.core.forms.codec import IN_MEMORY, Chunks


def held_back(chunks: Iterable[bytes]) -> tuple[int, Chunks]:
    """Take everything, and give it back with its size in bytes once that is known."""
    kept: list[bytes] = []
    size = 0
    remaining = iter(chunks)
    for chunk in remaining:
        kept.append(chunk)
        size += len(chunk)
        if size > IN_MEMORY:
            return _on_disk(kept, remaining)
    return size, iter(kept)


def _on_disk(kept: list[bytes], remaining: Chunks) -> tuple[int, Chunks]:
    out = tempfile.TemporaryFile()  # noqa: SIM115 - closed by the last reader
    out.writelines(kept)
    out.writelines(remaining)
    size = out.tell()
    return size, _read_and_close(out)


def _read_and_close(stream: IO[bytes]) -> Chunks:
    with stream:
        stream.seek(0)
        while chunk := stream.read(CHUNK):
            yield chunk


class Scratch:
    """A growing file of contents that are looked into; each is a stream of its own."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - closed by `close`
        self._end = 0

    def keep(self, chunks: Iterable[bytes]) -> BinaryIO:
        start = self._end
        for chunk in chunks:
            self._file.seek(self._end)  # chunks may come from this file
            self._file.write(chunk)
            self._end += len(chunk)
        return io.BufferedReader(_Slice(cast("BinaryIO", self._file), start, self._end - start), 1 << 13)

    def close(self) -> None:
        self._file.close()


class _Slice(io.RawIOBase):
    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self._file, self._start, self._size, self._position = file, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, origin + offset)
        return self._position

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        self._file.seek(self._start + self._position)
        data = self._file.read(max(0, min(len(buffer), self._size - self._position)))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)
