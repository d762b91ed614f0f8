"""zstd frames (RFC 8878): one an artifact, over its expanded form; their bytes depend on content and encoder alone."""

import io
import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import zstandard

from airlock.core.artifact import SMALLEST, Encoder
from airlock.core.digest import CHUNK, Digest, Hasher, chunks_of, digest_of
from airlock.errors import IntegrityError

DEFAULT_LEVEL = 6
AT_ONCE = 1 << 27
"""Bytes of content up to which it is compressed in one go: smaller and faster than in a stream, and other bytes, so it is part
of what a level means."""
MAX_WINDOW = 1 << 27
"""Bytes of memory that a frame may ask of its reader."""
_MAPPED = 1 << 24
"""Bytes from which on a file is read where it lies in the system's cache."""
_ROWS = range(5, 9)
_FAR = 1 << 18
"""Bytes of content beyond which levels are not as zstd has them."""
_WIDE = 1 << 23
"""Bytes; smaller contents fit into the window that their level has by itself."""
_MAX_BLOCK = 1 << 17
_RUN, _RESERVED = 1, 3
_SHORTEST_HEADER = 6
"""Bytes: magic number, descriptor, and a window or content size."""


def this_encoder(level: int, codecs: str) -> Encoder:
    """The encoder at hand: the libzstd that python-zstandard brings, one thread, size and checksum written."""
    return Encoder(
        name="zstd", version=".".join(map(str, zstandard.ZSTD_VERSION)), level=level, codecs=codecs
    )


def compress(source: BinaryIO, size: int, out: BinaryIO, encoder: Encoder) -> None:
    """Write the one frame of `size` bytes of `source`. The caller has checked that `encoder` is at hand."""
    compressor = zstandard.ZstdCompressor(compression_params=_parameters(encoder.level, size))
    if size <= AT_ONCE:
        with _whole(source, size) as content:
            out.write(compressor.compress(content))
        return
    frame = compressor.compressobj(size)
    for chunk in chunks_of(source):
        out.write(frame.compress(chunk))
    out.write(frame.flush())


@contextmanager
def _whole(source: BinaryIO, size: int) -> Iterator[bytes | memoryview]:
    """What is left of a source; of a large file no copy is made."""
    if (mapped := _mapped(source, size)) is None:
        yield source.read()
        return
    with mapped, memoryview(mapped) as content:
        yield content


def _mapped(source: BinaryIO, size: int) -> mmap.mmap | None:
    """None for what is small, is no file, or was begun to be read."""
    try:
        if size < _MAPPED or source.tell():
            return None
        source.flush()
        return mmap.mmap(source.fileno(), size, access=mmap.ACCESS_READ)
    except io.UnsupportedOperation:
        return None


def _parameters(level: int, size: int) -> zstandard.ZstdCompressionParameters:
    """zstd's own for the level, but for large contents. Levels that search rows of a table look farther back, in a larger
    table, half as long: as small as a level higher, and a fifth faster. From SMALLEST on its long-distance matcher takes the
    whole window of a reader."""
    own = zstandard.ZstdCompressionParameters.from_level(level, source_size=size)
    larger: dict[str, int] = {}
    if level >= SMALLEST and size > _WIDE:
        larger = {"window_log": MAX_WINDOW.bit_length() - 1, "enable_ldm": True}
    elif level in _ROWS and size > _FAR:
        log = min(_WIDE.bit_length() - 1, (size - 1).bit_length())
        larger = {"window_log": log, "hash_log": 20, "search_log": own.search_log - 1}
    return zstandard.ZstdCompressionParameters.from_level(
        level, source_size=size, write_checksum=True, write_content_size=True, threads=0, **larger
    )


def decompress(frame: BinaryIO, expected: Digest | None, size: int, where: str) -> Iterator[bytes]:
    """The content of one frame, checked as it passes: never more than `size` bytes, and at the end their digest; None where
    the caller compares one. Use nothing of it for good before the iterator has ended. Raises IntegrityError.

    The frame is fed block by block, so that a block's 128 kB are the most that can come of it at once, and its end is known
    for certain: a byte less or a byte more is refused.
    """
    hasher, passed = Hasher(), 0
    decompressor = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW).decompressobj()
    try:
        for piece in _pieces(frame, size, where):
            chunk = decompressor.decompress(piece)
            passed += len(chunk)
            if expected is not None:
                hasher.update(chunk)
            if passed > size:
                raise IntegrityError(where, "longer than the index says", expected=f"{size} bytes")
            if chunk:
                yield chunk
    except zstandard.ZstdError as error:
        raise IntegrityError(where, f"damaged frame at byte {passed} of its content, {error}") from error
    if passed != size:
        raise IntegrityError(where, "shorter than the index says", expected=f"{size} bytes")
    if expected is not None and hasher.digest != expected:
        raise IntegrityError(
            where, "content does not match its digest", expected=expected, found=hasher.digest
        )


def decompress_whole(frame: bytes, expected: Digest | None, size: int, where: str) -> bytes:
    """As `decompress`, in one go, for a frame and a content that may be held in memory."""
    _frame_header(io.BytesIO(frame), size, where)
    try:
        content = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW).decompress(
            frame, max_output_size=size, allow_extra_data=False
        )
    except zstandard.ZstdError as error:
        raise IntegrityError(where, f"damaged frame, {error}") from error
    if len(content) != size or (expected is not None and digest_of(content) != expected):
        raise IntegrityError(
            where, "content does not match its digest", expected=expected, found=digest_of(content)
        )
    return content


def opened(frame: BinaryIO, expected: Digest, size: int, where: str) -> BinaryIO:
    """`decompress` as a stream to read once. What was read counts only when a read has returned nothing."""
    return io.BufferedReader(_Chunks(decompress(frame, expected, size, where)), CHUNK)


class _Chunks(io.RawIOBase):
    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._left = chunks, memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        if not self._left:
            self._left = memoryview(next(self._chunks, b""))
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count


def _pieces(frame: BinaryIO, size: int, where: str) -> Iterator[bytes]:
    """The header, each block and the checksum of a frame (RFC 8878, 3.1.1), with nothing behind them."""
    yield _frame_header(frame, size, where)
    last = False
    while not last:
        header = _exactly(frame, 3, where)
        fields = int.from_bytes(header, "little")
        last, kind, length = bool(fields & 1), fields >> 1 & 3, fields >> 3
        if kind == _RESERVED or length > _MAX_BLOCK:
            raise IntegrityError(where, "damaged frame, an impossible block")
        yield header + _exactly(frame, 1 if kind == _RUN else length, where)
    yield _exactly(frame, 4, where)
    if frame.read(1):
        raise IntegrityError(where, "bytes behind the end of the frame")


def _frame_header(frame: BinaryIO, size: int, where: str) -> bytes:
    """The header: no dictionary, a checksum, a window within bounds, and exactly `size` bytes of content promised."""
    start = _exactly(frame, _SHORTEST_HEADER, where)
    try:
        data = start + _exactly(frame, zstandard.frame_header_size(start) - len(start), where)
        found = zstandard.get_frame_parameters(data)
    except zstandard.ZstdError as error:
        raise IntegrityError(where, f"not a zstd frame, {error}") from error
    if found.content_size != size:
        raise IntegrityError(
            where,
            "the frame is not of the size that the index says",
            expected=f"{size} bytes",
            found=f"{found.content_size} bytes",
        )
    if found.dict_id or not found.has_checksum or found.window_size > MAX_WINDOW:
        raise IntegrityError(where, "not a frame that airlock writes")
    return data


def _exactly(frame: BinaryIO, count: int, where: str) -> bytes:
    data = frame.read(count)
    if len(data) != count:
        raise IntegrityError(where, "truncated frame")
    return data
