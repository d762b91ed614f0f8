"""Hold a container's parts to what its headers promise."""

from collections.abc import Iterator
from typing import BinaryIO

from airlock.core.digest import CHUNK
from airlock.core.forms.codec import Chunks
from airlock.errors import IntegrityError


def exactly(parts: Iterator[Chunks], size: int, where: str) -> Chunks:
    """The next of `parts`, which must have `size` bytes. Raises IntegrityError."""
    left = size
    for chunk in next(parts, iter(())):
        left -= len(chunk)
        if left < 0:
            break
        yield chunk
    if left:
        raise IntegrityError(where, "a part is not as long as its header says", expected=f"{size} bytes")


def section(original: BinaryIO, start: int, size: int, where: str) -> Chunks:
    """`size` bytes from `start`. Each chunk finds its own place, so that several readers may take turns."""
    stop = start + size
    while start < stop:
        original.seek(start)
        chunk = original.read(min(stop - start, CHUNK))
        if not chunk:
            raise IntegrityError(where, "truncated")
        start += len(chunk)
        yield chunk


class Blocks:
    """Cuts a stream into blocks of `size` bytes, the last one shorter. Each is to be read to its end before the next."""

    def __init__(self, chunks: Chunks, size: int) -> None:
        self._chunks, self._size, self._left = filter(None, chunks), size, b""

    def __iter__(self) -> Iterator[Chunks]:
        while self._more():
            yield self._block()

    def _more(self) -> bytes:
        self._left = self._left or next(self._chunks, b"")
        return self._left

    def _block(self) -> Chunks:
        want = self._size
        while want and (chunk := self._more()):
            piece, self._left = chunk[:want], chunk[want:]
            want -= len(piece)
            yield piece
