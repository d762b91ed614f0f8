"""Patches: arbitrary bytes come back, and hostile programs end in IntegrityError within their limits."""

import contextlib
import io
import lzma

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airlock.core.binary_delta import CHANGED, COPY, LITERAL, RELOCATED, STREAMS, apply_patch, parts_taken
from airlock.core.binary_diff import Streams, make_patch
from airlock.core.numbers import leb128, zigzag
from airlock.core.pieces import Base, normalised
from airlock.errors import IntegrityError
from airlock.storage.delta_streams import StreamReader, packed


def encode(old: bytes | None, new: bytes) -> dict[str, bytes]:
    files: dict[str, io.BytesIO] = {name: io.BytesIO() for name in STREAMS}
    base = None if old is None else io.BytesIO(old)
    make_patch(Base(base, [len(old or b"")]), io.BytesIO(new), len(new), Streams(dict(files)))
    return {name: file.getvalue() for name, file in files.items()}


def decode(old: bytes, streams: dict[str, bytes], size: int) -> bytes:
    readers = {
        name: StreamReader(io.BytesIO(lzma.compress(streams.get(name, b""), preset=0)), name)
        for name in STREAMS
    }
    made = b"".join(apply_patch(io.BytesIO(old), len(old), readers, size, "test"))
    for reader in readers.values():
        reader.finish()
    return made


@given(st.binary(max_size=400), st.binary(max_size=400))
def test_any_two_byte_strings(old: bytes, new: bytes) -> None:
    assert decode(old, encode(old, new), len(new)) == new


@given(
    st.binary(min_size=50, max_size=2000),
    st.lists(st.tuples(st.integers(0, 1999), st.binary(max_size=9)), max_size=5),
)
def test_edits_of_a_byte_string(old: bytes, edits: list[tuple[int, bytes]]) -> None:
    new = old
    for at, insertion in edits:
        new = new[:at] + insertion + new[at + len(insertion) // 2 :]
    assert decode(old, encode(old, new), len(new)) == new


@given(st.binary(min_size=50, max_size=2000), st.binary(max_size=300), st.integers(0, 2000))
def test_what_a_program_takes_is_told_without_a_base(old: bytes, insertion: bytes, at: int) -> None:
    new = old[:at] + insertion + old[at:]
    streams = encode(old, new)
    reader = StreamReader(io.BytesIO(lzma.compress(streams["program"], preset=0)), "program")
    assert parts_taken(reader, len(new), "test") == {name: len(data) for name, data in streams.items()}


def test_without_a_base_everything_is_literal() -> None:
    assert decode(b"", encode(None, b"all new"), 7) == b"all new"


def program(*numbers: int) -> bytes:
    return b"".join(map(leb128, numbers))


BASE = bytes(range(100))


@pytest.mark.parametrize(
    "streams",
    [
        {"program": program(4)},
        {"program": program(COPY, zigzag(-1), 10)},
        {"program": program(COPY, zigzag(95), 10)},
        {"program": program(COPY, zigzag(0), 0)},
        {"program": program(COPY, zigzag(0), 11)},
        {"program": program(COPY, zigzag(0), 1 << 40)},
        {"program": program(COPY, zigzag(0), 9)},
        {"program": program(LITERAL, 10), "literal": b"short"},
        {"program": program(LITERAL, 10), "literal": b"longer than it"},
        {"program": program(LITERAL, 11), "literal": b"longer than"},
        {"program": program(CHANGED, zigzag(0), 101, 10, 0, 0, 0, 0, 0, 0, 10), "extra": bytes(10)},
        {"program": program(CHANGED, zigzag(0), 100, 11, 0, 0, 0, 0, 0, 0, 11), "extra": bytes(11)},
        {"program": program(CHANGED, zigzag(0), 100, 10, 0, 0, 0, 0, 0, 0, 9), "extra": bytes(9)},
        {"program": program(CHANGED, zigzag(0), 100, 10, 0, 0, 0, 0, 0, 0, 1 << 40), "extra": bytes(10)},
        {"program": program(CHANGED, zigzag(0), 100, 10, 0, 0, 0, 0, 0, 0, 10), "extra": bytes(9)},
        {
            "program": program(RELOCATED, zigzag(0), 100, 10, 0, 0, 0, 0, 0, 0, 10, 1, 0, 0),
            "code-extra": bytes(10),
        },
        {"program": b"\xff" * 20},
        {"program": b""},
    ],
)
def test_a_hostile_program_is_refused(streams: dict[str, bytes]) -> None:
    with pytest.raises(IntegrityError):
        decode(BASE, streams, 10)


@given(st.dictionaries(st.sampled_from(STREAMS), st.binary(max_size=40)))
def test_noise_never_does_anything_but_end_in_an_error(streams: dict[str, bytes]) -> None:
    with contextlib.suppress(IntegrityError):
        assert len(decode(BASE, streams, 200)) == 200


def test_a_stream_that_wants_too_much_memory_is_refused() -> None:
    greedy = lzma.compress(b"x" * 100, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 26}])
    with pytest.raises(IntegrityError, match="damaged stream"):
        StreamReader(io.BytesIO(greedy), "test").take(1)


def test_a_stream_with_something_behind_it_is_refused() -> None:
    reader = StreamReader(io.BytesIO(b"".join(packed([b"abc"], 3)) + b"x"), "test")
    assert reader.take(3) == b"abc"
    with pytest.raises(IntegrityError):
        reader.finish()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("content/numpy-2.2.5.dist-info/METADATA", "content/numpy-2.2.6.dist-info/METADATA"),
        ("content/x.libs/libfoo-1a2b3c4d.so.1.2.3", "content/x.libs/libfoo-99887766.so.1.2.4"),
    ],
)
def test_paths_are_paired_across_versions(old: str, new: str) -> None:
    assert normalised(old) == normalised(new)
