import zlib
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airlock.core import deflate
from airlock.core.deflate import check_zlib, compressed, compressor, inflated
from airlock.core.digest import CHUNK
from airlock.core.native import native
from airlock.errors import IntegrityError, TargetError
from tests.native import needs_native

CONTENT = bytes(range(256)) * 40


def deflated(chunks: Iterable[bytes], level: int) -> Iterator[bytes]:
    return compressed(compressor(level), chunks)


def test_this_zlib_is_the_encoder_that_the_golden_vectors_name() -> None:
    check_zlib()


def test_the_stream_does_not_depend_on_how_the_content_is_cut() -> None:
    whole = b"".join(deflated([CONTENT], 6))
    assert b"".join(deflated((bytes([byte]) for byte in CONTENT), 6)) == whole
    assert zlib.decompress(whole, -15) == CONTENT


@pytest.mark.parametrize("size", [len(CONTENT) - 1, len(CONTENT) + 1, 0])
def test_a_stream_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(IntegrityError):
        list(inflated(deflated([CONTENT], 6), size, "test"))


@pytest.mark.parametrize("tail", [b"x", b"more than one byte"])
def test_bytes_behind_the_stream_are_refused(tail: bytes) -> None:
    with pytest.raises(IntegrityError):
        list(inflated([*deflated([CONTENT], 6), tail], len(CONTENT), "test"))


def test_an_empty_stream_has_an_end_too() -> None:
    assert list(inflated(deflated([], 6), 0, "test")) == []
    with pytest.raises(IntegrityError):
        list(inflated([], 0, "test"))


@pytest.mark.parametrize("size", [CHUNK, CHUNK + 8, 3 * CHUNK + 8, 9 * CHUNK])
@pytest.mark.parametrize("cut", [1, 7, 1 << 20])
def test_a_stream_that_is_a_thousandth_of_its_content_is_inflated_to_its_end(size: int, cut: int) -> None:
    content = b"#!python"[: size % CHUNK] + bytes(size - size % CHUNK)
    stream = b"".join(deflated([content], 6))
    chunks = [stream[start : start + cut] for start in range(0, len(stream), cut)]
    assert b"".join(inflated(chunks, size, "test")) == content


def test_a_stream_that_still_owes_output_when_its_content_should_end_is_refused() -> None:
    stream = b"".join(deflated([b"#!python" + bytes(CHUNK)], 6))
    with pytest.raises(IntegrityError, match="not as long as it says"):
        list(inflated([stream], CHUNK, "test"))


class Other:
    """An encoder that is valid, and another than zlib."""

    def __init__(self, level: int) -> None:
        self._zlib = zlib.compressobj(level, zlib.DEFLATED, -15, 3)

    def compress(self, data: bytes, /) -> bytes:
        return self._zlib.compress(data)

    def flush(self) -> bytes:
        return self._zlib.flush()


@pytest.fixture
def another_zlib(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This Python's zlib is zlib-ng, say."""
    monkeypatch.setattr(deflate, "_of_python", Other)
    deflate.check_zlib.cache_clear()
    yield
    monkeypatch.undo()
    deflate.check_zlib.cache_clear()


@needs_native
@pytest.mark.usefixtures("another_zlib")
def test_the_native_crate_has_the_original_where_python_has_another() -> None:
    made = b"".join(deflated([CONTENT], 6))
    reference = zlib.compressobj(6, zlib.DEFLATED, -15, 8)
    assert made == reference.compress(CONTENT) + reference.flush()


@pytest.mark.usefixtures("another_zlib")
def test_another_zlib_without_the_native_crate_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deflate, "native", lambda: None)
    with pytest.raises(TargetError, match="is not the encoder zlib/1 at level 1") as caught:
        check_zlib()
    assert "native crate" in (caught.value.hint or "")


@needs_native
@settings(deadline=None)
@given(st.binary(max_size=3000), st.integers(1, 9), st.integers(1, 4000))
def test_the_native_zlib_is_python_s(content: bytes, level: int, size: int) -> None:
    content *= 40
    crate = native()
    assert crate is not None
    ours, reference = crate.Zlib(level), zlib.compressobj(level, zlib.DEFLATED, -15, 8)
    pieces = [content[at : at + size * 37] for at in range(0, len(content), size * 37)]
    assert (
        b"".join(map(ours.compress, pieces)) + ours.flush() == reference.compress(content) + reference.flush()
    )
