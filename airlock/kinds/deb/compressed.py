"""Out of compression, a piece at a time: the indexes that an archive serves, and what a package holds."""

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Protocol, cast

import zstandard

from airlock.errors import IntegrityError

PIECE = 1 << 18
"""Bytes of content in a piece, at most, however few they were compressed to."""
_MEMORY = 1 << 30
_WINDOW = 1 << 27


class _Decompressor(Protocol):
    """As `lzma` and `bz2` have it."""

    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Gzip:
    """`zlib` leaves it to its caller to keep what it did not take, and says nothing of content that it still holds: there may be
    some wherever it gave as much as was asked for."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(16 + zlib.MAX_WBITS)
        self._full = False

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def needs_input(self) -> bool:
        return not (self._stream.unconsumed_tail or self._full)

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        found = self._stream.decompress(self._stream.unconsumed_tail + data, max_length)
        self._full = len(found) == max_length
        return found


class Chunks:
    """Chunks as a stream that can only be read."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._left = chunks, b""

    def read(self, size: int) -> bytes:
        parts, have = [self._left], len(self._left)
        while have < size and (chunk := next(self._chunks, b"")):
            parts.append(chunk)
            have += len(chunk)
        data = b"".join(parts)
        self._left = data[size:]
        return data[:size]


def decompressed(chunks: Iterator[bytes], suffix: str, where: str) -> Iterator[bytes]:
    """`suffix` is that of the file's name. One stream behind another counts as one, as with the tools of each format. Raises
    IntegrityError for what is damaged, ends early, or is compressed in a way that dpkg does not know."""
    if (pieces := _FORMATS.get(suffix)) is None:
        known = ", ".join(_FORMATS)
        raise IntegrityError(where, "compressed in an unknown way", expected=f"one of {known}", found=suffix)
    try:
        yield from pieces(chunks)
    except (lzma.LZMAError, zlib.error, zstandard.ZstdError, OSError, EOFError) as error:
        raise IntegrityError(where, f"damaged, {error}") from error


def _pieces(make: Callable[[], _Decompressor], chunks: Iterator[bytes]) -> Iterator[bytes]:
    stream = make()
    for chunk in filter(None, chunks):  # an empty one begins no stream
        rest, more = chunk, True
        while more:
            if stream.eof:
                stream = make()
            if data := stream.decompress(rest, PIECE):
                yield data
            rest = stream.unused_data if stream.eof else b""
            more = bool(rest) if stream.eof else not stream.needs_input
    if not stream.eof:
        raise EOFError("it ends early")


def _zstd(chunks: Iterator[bytes]) -> Iterator[bytes]:
    decompressor = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
    source = cast("IO[bytes]", Chunks(chunks))
    with decompressor.stream_reader(source, read_across_frames=True) as stream:
        while data := stream.read(PIECE):
            yield data


_FORMATS: dict[str, Callable[[Iterator[bytes]], Iterator[bytes]]] = {
    "xz": lambda chunks: _pieces(lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, _MEMORY), chunks),
    "gz": lambda chunks: _pieces(_Gzip, chunks),
    "zst": _zstd,
    "bz2": lambda chunks: _pieces(bz2.BZ2Decompressor, chunks),
}
