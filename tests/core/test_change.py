"""Changes: both decoders give the same for anything, and most addresses that moved need no bytes."""

import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airlock.core.bsdiff import bsdiff_change
from airlock.core.change import Change, added_bytes, apply_change, apply_in_python, find_change
from airlock.core.native import native
from tests.elf import shared_object
from tests.native import needs_native

OLD = shared_object(range(40))
NEW = shared_object([*range(12), 77, *range(12, 34), 78, 79, *range(35, 40)])


def found(old: bytes, new: bytes) -> Change:
    change = find_change(old, new)
    assert change is not None
    return change


def both(old: bytes, length: int, change: Change) -> bytes | None:
    """What both decoders make, or None where both refuse."""
    results: list[bytes | None] = []
    for decode in (apply_change, apply_in_python):
        try:
            results.append(decode(old, length, change))
        except ValueError:
            results.append(None)
    assert results[0] == results[1]
    return results[0]


def edited(old: bytes, edits: list[tuple[int, bytes]]) -> bytes:
    for at, insertion in edits:
        old = old[: at % len(old)] + insertion + old[at % len(old) + len(insertion) // 2 :]
    return old


# The decoder in Python takes its time, more so on a busy machine.
untimed = settings(deadline=None)
EDITS = st.lists(st.tuples(st.integers(0, 1 << 16), st.binary(max_size=9)), max_size=6)


@untimed
@given(st.binary(min_size=30, max_size=2000), EDITS)
def test_edits_of_a_byte_string_by_bsdiff(old: bytes, edits: list[tuple[int, bytes]]) -> None:
    new = edited(old, edits)
    assert both(old, len(new), bsdiff_change(old, new)) == new


@needs_native
@untimed
@given(st.binary(max_size=300), st.binary(max_size=300))
def test_any_two_byte_strings(old: bytes, new: bytes) -> None:
    assert both(old, len(new), found(old, new)) == new


@needs_native
@untimed
@given(EDITS, EDITS)
def test_edits_of_elf_files(before: list[tuple[int, bytes]], after: list[tuple[int, bytes]]) -> None:
    """Whatever a damaged header says of the file."""
    old, new = edited(OLD, before), edited(NEW, after)
    assert both(old, len(new), found(old, new)) == new


@needs_native
def test_most_addresses_that_moved_are_expected_rightly() -> None:
    change = found(OLD, NEW)
    assert both(OLD, len(NEW), change) == NEW
    assert change.layout
    plain = find_change(OLD[1:], NEW[1:])
    assert plain is not None
    assert not plain.layout
    assert len(change.diff) + len(change.wrong) < len(plain.diff) / 2


@needs_native
@pytest.mark.parametrize("part", Change._fields)
@untimed
@given(data=st.data())
def test_a_damaged_part_is_refused_or_decoded_the_same(part: str, data: st.DataObject) -> None:
    change = found(OLD, NEW)
    bytes_ = edited(getattr(change, part) or b"\0", data.draw(EDITS))
    both(OLD, len(NEW), change._replace(**{part: bytes_}))


@untimed
@given(st.lists(st.binary(max_size=30), min_size=10, max_size=10), st.integers(0, 50))
def test_noise_is_refused_or_decoded_the_same(parts: list[bytes], length: int) -> None:
    both(OLD[:200], length, Change(*parts))


@needs_native
def test_a_run_of_one_byte_takes_no_time() -> None:
    old = bytes(1 << 20) + random.Random(1).randbytes(1 << 10)
    new = bytes(1 << 20) + random.Random(2).randbytes(1 << 10) + bytes(1 << 19)
    assert both(old, len(new), found(old, new)) == new


@given(st.binary(max_size=50), st.data())
def test_bytes_are_added_modulo_256(one: bytes, data: st.DataObject) -> None:
    other = data.draw(st.binary(min_size=len(one), max_size=len(one)))
    assert added_bytes(one, other) == bytes((a + b) % 256 for a, b in zip(one, other, strict=True))


@needs_native
def test_the_crate_refuses_with_an_exception() -> None:
    crate = native()
    assert crate is not None
    with pytest.raises(ValueError, match="too few new bytes"):
        crate.apply_change(b"", 1, (b"",) * 10)


@pytest.mark.parametrize("length", [1 << 62, (1 << 63) - 1])
def test_new_bytes_are_counted_before_memory_is_taken(length: int) -> None:
    assert both(OLD, length, Change(*[b""] * 7)) is None
    assert both(OLD, length, Change(b"\0", b"\0", b"\5", b"", b"", b"", b"12")) is None


@needs_native
def test_a_long_match_that_is_hardly_better_than_going_on_is_searched_once() -> None:
    """With a search of a million bytes at each of a million places this takes minutes."""
    one = random.Random(1).randbytes(1 << 20)
    other = one[:-40] + b"?" + one[-39:]
    for old in (one + b"..." + other, other + b"..." + one):
        for new in (one, other):
            change = found(old, new)
            assert apply_change(old, len(new), change) == new
            assert sum(map(len, change)) < 100


@needs_native
def test_section_names_without_an_end_are_not_read_to_the_end_of_the_file() -> None:
    """An ELF file with 65,535 sections, all of one name of four million bytes."""
    sections, name, start = 0xFFFF, 1 << 22, 64 + 56
    names = start + sections * 64
    header = b"\x7fELF\2\1\1".ljust(16, b"\0") + struct.pack(
        "<2HI3QI6H", 3, 62, 1, 0, 64, start, 0, 64, 56, 1, 64, sections, 0
    )
    load = struct.pack("<2I6Q", 1, 5, 0, 0, 0, names, names, 4096)
    section = struct.pack("<2I4Q2I2Q", 0, 1, 2, 0, names, 8, 0, 0, 0, 0)
    hostile = header + load + section * sections + b"x" * name + b"\0"
    assert apply_change(hostile, len(hostile), found(hostile, hostile)) == hostile
