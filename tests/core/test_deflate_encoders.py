import resource
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airlock.core.codecs import NATIVE, PORTABLE, SETS, best_set, check, missing
from airlock.core.deflate import sample
from airlock.core.deflate_encoders import Recipe, deflated, families, find, is_encoder
from airlock.core.native import native
from airlock.errors import IntegrityError, TargetError
from tests.native import needs_native

Chunks = Callable[[], Iterator[bytes]]

CONTENTS = st.one_of(
    st.binary(max_size=300),
    st.lists(st.sampled_from([b"GET /index", b"\0" * 300, b"abcabcabd", b"\n", b"x"]), max_size=200).map(
        b"".join
    ),
)


def cut(data: bytes, size: int = 1000) -> Chunks:
    return lambda: (data[start : start + size] for start in range(0, len(data), size))


def packed(data: bytes, level: int, memory: int = 8, strategy: int = 0, flush: int | None = None) -> bytes:
    compressor = zlib.compressobj(level, zlib.DEFLATED, -15, memory, strategy)
    if flush is None:
        return compressor.compress(data) + compressor.flush()
    half = len(data) // 2
    start = compressor.compress(data[:half]) + compressor.flush(flush)
    return start + compressor.compress(data[half:]) + compressor.flush()


def found(content: bytes, stream: bytes, codecs: str = NATIVE, first: str | None = None) -> Recipe | None:
    return find(cut(content), cut(stream), len(stream), first, SETS[codecs], True)


def made(recipe: Recipe, content: bytes) -> bytes:
    return b"".join(deflated(recipe.encoder, cut(content)(), recipe.corrections, "test"))


def test_python_s_zlib_is_known_without_the_native_crate() -> None:
    for level in range(1, 10):
        recipe = found(sample(), packed(sample(), level), PORTABLE)
        assert recipe is not None
        assert recipe.encoder.startswith("zlib/1:")
        assert made(recipe, sample()) == packed(sample(), level)


def test_a_stream_that_only_the_native_crate_makes_is_left_alone_by_the_portable_set() -> None:
    assert found(sample(), packed(sample(), 6, memory=9), PORTABLE) is None


def test_the_best_set_is_the_native_one_where_the_crate_is() -> None:
    assert best_set() == (PORTABLE if native() is None else NATIVE)
    assert missing(SETS[best_set()]) == []
    check(SETS[best_set()], "test")


def test_an_encoder_that_is_not_at_hand_is_refused_by_name() -> None:
    with pytest.raises(TargetError, match=r"lock: .*found no brotli/1") as caught:
        check({"zlib/1", "brotli/1"}, "lock")
    assert caught.value.hint


def test_names_of_encoders() -> None:
    assert all(map(is_encoder, ["zlib/1:9", "tokens/1:zlib/1:6", "tokens/1:zlib-rs/1:6", "miniz/1:6"]))
    assert not any(map(is_encoder, ["zlib/1:0", "tokens/1", "tokens/1:tokens/1:zlib/1:6", "zlib-rs/1:5", ""]))
    assert families("tokens/1:zlib/1:6") == {"tokens/1", "zlib/1"}
    assert families("miniz/1:6") == {"miniz/1"}


def test_corrections_for_an_encoder_that_takes_none_are_refused() -> None:
    with pytest.raises(IntegrityError):
        deflated("zlib/1:6", [b""], b"x", "test")


@needs_native
@pytest.mark.parametrize("encoder", ["zlib-rs/1:6", "miniz/1:6"])
@settings(deadline=None)
@given(content=CONTENTS, size=st.integers(1, 20000))
def test_a_native_encoder_s_stream_does_not_depend_on_how_the_content_is_cut(
    encoder: str, content: bytes, size: int
) -> None:
    content *= 20
    whole = b"".join(deflated(encoder, [content], b"", "test"))
    assert b"".join(deflated(encoder, cut(content, size)(), b"", "test")) == whole
    assert zlib.decompress(whole, -15) == content


@needs_native
@pytest.mark.parametrize("encoder", ["zlib-rs/1:6", "miniz/1:6"])
def test_a_native_encoder_is_found(encoder: str) -> None:
    stream = b"".join(deflated(encoder, [sample()], b"", "test"))
    assert found(sample(), stream) == Recipe(encoder=encoder)


@needs_native
@settings(deadline=None)
@given(
    content=CONTENTS,
    level=st.integers(0, 9),
    memory=st.integers(1, 9),
    strategy=st.sampled_from(
        [zlib.Z_DEFAULT_STRATEGY, zlib.Z_FILTERED, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE, zlib.Z_FIXED]
    ),
    flush=st.sampled_from([None, zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH, zlib.Z_PARTIAL_FLUSH]),
)
def test_what_is_found_makes_the_very_stream(
    content: bytes, level: int, memory: int, strategy: int, flush: int | None
) -> None:
    stream = packed(content, level, memory, strategy, flush)
    if (recipe := found(content, stream)) is not None:
        assert made(recipe, content) == stream


@needs_native
@pytest.mark.parametrize(("level", "memory"), [(6, 9), (9, 9), (6, 7)])
def test_another_memory_level_costs_next_to_nothing(level: int, memory: int) -> None:
    stream = packed(sample(), level, memory)
    recipe = found(sample(), stream)
    assert recipe is not None
    assert recipe.encoder.startswith("tokens/1:zlib/1:")
    assert len(recipe.corrections) < len(stream) / 50
    assert made(recipe, sample()) == stream


@needs_native
def test_a_stream_unlike_any_encoder_s_is_left_alone() -> None:
    assert found(sample(), packed(sample(), 6, strategy=zlib.Z_HUFFMAN_ONLY)) is None


@needs_native
def test_a_damaged_stream_is_left_alone() -> None:
    stream = packed(sample(), 6, memory=9)
    assert found(sample(), stream[:-1]) is None
    assert found(sample(), stream + b"x") is None
    assert found(sample(), b"\xff" * 1000) is None


@needs_native
@settings(deadline=None)
@given(st.data())
def test_damaged_corrections_are_refused_or_make_another_stream_of_no_great_size(data: st.DataObject) -> None:
    content = sample()[:60000]
    recipe = found(content, packed(content, 9, memory=7))
    assert recipe is not None
    corrections = bytearray(recipe.corrections)
    for _ in range(data.draw(st.integers(1, 4))):
        corrections[data.draw(st.integers(0, len(corrections) - 1))] = data.draw(st.integers(0, 255))
    try:
        stream = b"".join(deflated(recipe.encoder, cut(content)(), bytes(corrections), "test"))
    except IntegrityError:
        return
    assert len(stream) < 3 * len(content) + 4 * len(corrections)


@needs_native
@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_as_corrections_are_refused_or_followed(corrections: bytes) -> None:
    try:
        stream = b"".join(deflated("tokens/1:zlib/1:6", [b"content" * 10], corrections, "test"))
    except IntegrityError:
        return
    assert len(stream) < 2000


@needs_native
def test_a_prediction_that_nothing_asks_for_is_not_kept() -> None:
    """The corrections say that all blocks are stored: 96 MB of what was expected in their place may not pile up."""
    crate = native()
    assert crate is not None
    blocks = b"\0\xff\xff\3" * 2000
    writer = crate.TokenWriter(b"\xc0\x3e\0\0\0" + blocks, False)
    assert len(blocks) == 0xC0 - 0x80 + (0x3E << 7)
    expected, content = zlib.compressobj(0, zlib.DEFLATED, -15), bytes(range(256)) * (1 << 12)
    before = resident()
    for _ in range(96):
        assert writer.feed(content, expected.compress(content), False)
    assert resident() - before < 48 << 20


def resident() -> int:
    """Bytes of memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


@needs_native
@pytest.mark.parametrize("code", [0, 1, 2])
def test_empty_blocks_without_an_end_are_refused_by_finder_and_writer(code: int) -> None:
    crate = native()
    assert crate is not None
    for count, allowed in ((1000, True), (1001, False)):
        blocks = bytes((code, 0)) * count + b"\5\1"
        size = bytes((len(blocks) & 127 | 128, len(blocks) >> 7))
        writer, finder = crate.TokenWriter(size + b"\0\0\0" + blocks, False), crate.TokenFinder(False)
        predicted = packed(b"x", 6)
        if not allowed:
            with pytest.raises(ValueError, match="empty blocks"):
                writer.feed(b"x", predicted, True)
            continue
        stream = writer.feed(b"x", predicted, True)
        assert zlib.decompress(stream, -15) == b"x"
        finder.feed(stream, predicted, (True, True))
        assert finder.corrections()
        with pytest.raises(ValueError, match="empty blocks"):
            crate.TokenFinder(False).feed(b"\0\0\0\xff\xff" * 1001 + stream, predicted, (True, True))


@needs_native
@pytest.mark.parametrize("name", ["ZlibRs", "Miniz"])
def test_an_encoder_that_has_ended_says_so(name: str) -> None:
    encoder = getattr(native(), name)()
    encoder.compress(b"content")
    encoder.flush()
    with pytest.raises(ValueError, match=r"ended|stream|buffer|Stream"):
        encoder.compress(encoder.flush() + b"more")
