"""What the native crate makes of gzip files is what zlib makes, to the bit, and hostile corrections end in an exception."""

import gzip
import zlib
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airlock.core.native import native
from tests.native import needs_native

pytestmark = needs_native

LEVELS = st.integers(4, 9)
WORDS = st.lists(
    st.sampled_from([b"GET /index", b"\0" * 300, b"abcabcabd", b"\n", b"x", b"ab"]), max_size=200
).map(b"".join)
FARTHEST = 32768 - 262
"""Bytes between a match and the place that zlib still finds."""
REPEATED = st.builds(
    lambda block, distance, size: (block + bytes(distance))[:distance] * (size // distance + 1) + block,
    WORDS,
    st.integers(FARTHEST - 3, FARTHEST + 3),
    st.integers(0, 140_000),
)


def raw(content: bytes, level: int) -> bytes:
    compressor = zlib.compressobj(level, zlib.DEFLATED, -15, 8)
    return compressor.compress(content) + compressor.flush()


def corrections_of(stream: bytes, prediction: bytes) -> bytes:
    crate = native()
    assert crate is not None
    finder = crate.TokenFinder(False)
    finder.feed(stream, prediction, (True, True))
    found: bytes = finder.corrections()
    return found


def made(
    source: bytes | str, *files: tuple[int, int, int, bytes | None], limit: int = 1 << 24
) -> list[bytes] | None:
    crate = native()
    assert crate is not None
    rows = [(*file, b"head", b"tail") for file in files]
    result: list[bytes] | None = crate.make_gzip(source, rows, limit, 2)
    return result


def whole(stream: bytes, content: bytes) -> bytes:
    sums = zlib.crc32(content).to_bytes(4, "little") + len(content).to_bytes(4, "little")
    return b"head" + stream + sums + b"tail"


@given(st.one_of(st.binary(max_size=300), WORDS, REPEATED), LEVELS)
def test_tokens_are_chosen_as_zlib_chooses_them(content: bytes, level: int) -> None:
    stream = raw(content, level)
    file = (0, len(content), level, corrections_of(stream, stream))
    assert made(content, file) == [whole(stream, content)]


@pytest.mark.parametrize(
    "size", [0, 1, 2, 3, 32_505, 32_506, 32_507, 65_274, 65_535, 65_536, 65_800, 98_300, 200_001]
)
def test_tokens_are_those_of_zlib_at_the_edges_of_its_window(size: int) -> None:
    content = (b"0123456789abcdefghij" * 1700)[:33_000] * 7
    content = content[:size]
    for level in range(4, 10):
        stream = raw(content, level)
        assert made(content, (0, size, level, corrections_of(stream, stream))) == [whole(stream, content)]


@given(WORDS, st.integers(1, 9))
def test_without_corrections_it_is_zlib(content: bytes, level: int) -> None:
    assert made(content, (0, len(content), level, None)) == [whole(raw(content, level), content)]


def test_many_files_of_one_source_come_in_their_order(tmp_path: Path) -> None:
    parts = [b"row %d of a table\n" % number * (number % 50) for number in range(300)]
    data = b"".join(parts)
    (tmp_path / "source").write_bytes(data)
    offsets = [sum(map(len, parts[:number])) for number in range(301)]
    files = [(start, end - start, 6, None) for start, end in pairwise(offsets)]
    expected = [whole(raw(part, 6), part) for part in parts]
    assert made(data, *files) == expected
    assert made(str(tmp_path / "source"), *files) == expected


def test_no_more_than_the_limit_is_made() -> None:
    data = gzip.compress(b"noise") * 1000
    files = [(0, len(data), 6, None)] * 3
    size = len(whole(raw(data, 6), data))
    assert made(data, *files, limit=3 * size) is not None
    assert made(data, *files, limit=3 * size - 1) is None


def test_a_part_outside_its_source_is_refused() -> None:
    with pytest.raises(ValueError, match="outside"):
        made(b"abc", (1, 3, 6, None))


@given(WORDS, st.binary(max_size=60), LEVELS)
def test_corrections_of_something_else_raise_or_are_followed(
    content: bytes, noise: bytes, level: int
) -> None:
    true = corrections_of(raw(content, 9), raw(content, level))
    for corrections in (noise, true[: len(noise)], true[: len(true) // 2] + noise, true + noise):
        try:
            made(content, (0, len(content), level, corrections))
        except ValueError:
            continue


@given(WORDS, LEVELS)
def test_corrections_are_followed_as_they_are_with_the_stream_of_zlib(content: bytes, level: int) -> None:
    corrections = corrections_of(raw(content, 9), raw(content, level))
    assert made(content, (0, len(content), level, corrections)) == [whole(raw(content, 9), content)]
