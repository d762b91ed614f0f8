"""zstd frames (RFC 8878): one an artifact, over its expanded form; their bytes depend on content and encoder alone."""

from collections.abc import Iterator
from typing import BinaryIO

import zstandard

from airlock.core.artifact import Encoder
from airlock.core.digest import CHUNK, Digest, Hasher, chunks_of
from airlock.errors import IntegrityError

DEFAULT_LEVEL = 9
MAX_WINDOW = 1 << 27
"""Bytes of memory that a frame may ask of its reader."""


def this_encoder(level: int = DEFAULT_LEVEL) -> Encoder:
    """The encoder at hand: the libzstd that python-zstandard brings, streaming, one thread, size and checksum written."""
    return Encoder(name="zstd", version=".".join(map(str, zstandard.ZSTD_VERSION)), level=level)


def compress(source: BinaryIO, size: int, out: BinaryIO, encoder: Encoder) -> None:
    """Write the one frame of `size` bytes of `source`. The caller has checked that `encoder` is at hand."""
    parameters = zstandard.ZstdCompressionParameters.from_level(
        encoder.level, source_size=size, write_checksum=True, write_content_size=True, threads=0
    )
    compressor = zstandard.ZstdCompressor(compression_params=parameters)
    with compressor.stream_writer(out, size=size, closefd=False) as frame:
        for chunk in chunks_of(source):
            frame.write(chunk)


def decompress(frame: BinaryIO, expected: Digest, size: int, where: str) -> Iterator[bytes]:
    """The content of one frame, checked as it passes: never more than `size` bytes, and at the end their digest. Use
    nothing of it for good before the iterator has ended. Raises IntegrityError."""
    hasher = Hasher()
    reader = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW).stream_reader(
        frame, read_size=CHUNK, closefd=False
    )
    try:
        while chunk := reader.read(CHUNK):
            hasher.update(chunk)
            if hasher.size > size:
                raise IntegrityError(where, "longer than the index says", expected=f"{size} bytes")
            yield chunk
    except zstandard.ZstdError as error:
        raise IntegrityError(where, f"damaged frame at byte {hasher.size} of its content, {error}") from error
    if frame.read(1):
        raise IntegrityError(where, "bytes behind the end of the frame")
    if hasher.digest != expected:
        raise IntegrityError(
            where, "content does not match its digest", expected=expected, found=hasher.digest
        )
