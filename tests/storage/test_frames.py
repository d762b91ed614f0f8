"""Frames are read to their very end and not a byte further, whatever they claim."""

import io
import tracemalloc
from tempfile import TemporaryFile
from typing import BinaryIO, cast

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from airlock.core.artifact import Encoder
from airlock.core.codecs import PORTABLE
from airlock.core.digest import digest_of
from airlock.errors import IntegrityError
from airlock.storage.frames import DEFAULT_LEVEL, compress, decompress, opened, this_encoder

CONTENT = b"".join(b"%d and some text\n" % (number * number) for number in range(40_000))


def frame_of(content: bytes, encoder: Encoder | None = None) -> bytes:
    out = io.BytesIO()
    compress(io.BytesIO(content), len(content), out, encoder or this_encoder(DEFAULT_LEVEL, PORTABLE))
    return out.getvalue()


FRAME = frame_of(CONTENT)


def read(frame: bytes, content: bytes = CONTENT, size: int | None = None) -> bytes:
    length = len(content) if size is None else size
    return b"".join(decompress(io.BytesIO(frame), digest_of(content), length, "test"))


@given(st.one_of(st.binary(max_size=2000), st.integers(0, len(CONTENT)).map(lambda size: CONTENT[:size])))
def test_content_comes_back(content: bytes) -> None:
    frame = frame_of(content)
    assert read(frame, content) == content
    assert zstandard.ZstdDecompressor().decompress(frame) == content
    assert opened(io.BytesIO(frame), digest_of(content), len(content), "test").read() == content


def test_a_frame_cut_anywhere_is_refused() -> None:
    for size in [*range(40), *range(40, len(FRAME), 997), len(FRAME) - 1]:
        with pytest.raises(IntegrityError):
            read(FRAME[:size])


def test_a_large_file_is_compressed_where_it_lies_to_the_same_frame() -> None:
    content = CONTENT * ((16 << 20) // len(CONTENT) + 1)
    out = io.BytesIO()
    with TemporaryFile() as file:
        file.write(content)
        file.seek(0)
        compress(cast("BinaryIO", file), len(content), out, this_encoder(1, PORTABLE))
    assert out.getvalue() == frame_of(content, this_encoder(1, PORTABLE))


def test_levels_that_look_farther_back_ask_no_more_of_a_reader_than_8_mb() -> None:
    for level in range(1, 10):
        frame = frame_of(CONTENT * 10, this_encoder(level, PORTABLE))
        assert zstandard.get_frame_parameters(frame).window_size <= 8 << 20


@pytest.mark.parametrize("tail", [b"x", b"\0" * 5000, FRAME, frame_of(b"")])
def test_bytes_behind_the_frame_are_refused(tail: bytes) -> None:
    with pytest.raises(IntegrityError, match="bytes behind the end"):
        read(FRAME + tail)


def test_a_flipped_bit_in_a_frame_is_refused() -> None:
    for at in [*range(30), *range(30, len(FRAME), 499)]:
        damaged = bytearray(FRAME)
        damaged[at] ^= 4
        with pytest.raises(IntegrityError):
            read(bytes(damaged))


def test_a_skippable_frame_in_front_is_refused() -> None:
    with pytest.raises(IntegrityError, match="not a"):
        read(b"\x50\x2a\x4d\x18\4\0\0\0abcd" + FRAME)


@pytest.mark.parametrize("size", [0, len(CONTENT) - 1, len(CONTENT) + 1])
def test_another_size_than_the_index_says_is_refused_before_anything_is_decompressed(size: int) -> None:
    with pytest.raises(IntegrityError, match="not of the size"):
        next(decompress(io.BytesIO(FRAME), digest_of(CONTENT), size, "test"))


def test_other_content_is_refused_at_the_end() -> None:
    with pytest.raises(IntegrityError, match="does not match its digest"):
        read(frame_of(CONTENT[::-1]))


@pytest.mark.parametrize(
    "options", [{"write_checksum": False}, {"write_content_size": False}, {"window_log": 28}]
)
def test_a_frame_without_size_or_checksum_or_with_a_huge_window_is_refused(options: dict[str, int]) -> None:
    chosen: dict[str, int] = {"write_checksum": True, "write_content_size": True} | options
    parameters = zstandard.ZstdCompressionParameters.from_level(3, **chosen)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj(
        size=len(CONTENT) if options.get("write_content_size", True) and "window_log" not in options else -1
    )
    with pytest.raises(IntegrityError):
        read(compressor.compress(CONTENT) + compressor.flush())


def test_a_bomb_costs_no_memory() -> None:
    class Zeros(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
            buffer[:] = bytes(len(buffer))
            return len(buffer)

    out = io.BytesIO()
    size = 64 << 20
    compress(io.BufferedReader(_Limited(Zeros(), size)), size, out, this_encoder(DEFAULT_LEVEL, PORTABLE))
    assert len(out.getvalue()) < 20_000
    tracemalloc.start()
    with pytest.raises(IntegrityError, match="does not match"):
        for _ in decompress(io.BytesIO(out.getvalue()), digest_of(b""), size, "test"):
            pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4_000_000


class _Limited(io.RawIOBase):
    def __init__(self, stream: io.RawIOBase, size: int) -> None:
        self._stream, self._left = stream, size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        view = memoryview(buffer)[: self._left]
        count = self._stream.readinto(view) if view else 0
        self._left -= count
        return int(count)
