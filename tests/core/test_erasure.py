"""Parity: the code is the one that other libraries write, and gives back whatever is lost."""

import pytest
import reedsolo
from hypothesis import given
from hypothesis import strategies as st

from airlock.core.erasure import MAX_ROWS, Sums, multiply, weights

WIDTH = 5


def parity_of(rows: list[bytes], parity: int) -> list[bytes]:
    count = len(rows) + parity
    wanted, given_rows = tuple(range(len(rows), count)), tuple(range(len(rows)))
    sums = Sums(weights(count, parity, wanted, given_rows), parity, WIDTH)
    for number, row in enumerate(rows):
        sums.add(number, row)
    return sums.rows()


@st.composite
def words(draw: st.DrawFn) -> tuple[list[bytes], int]:
    parity = draw(st.integers(1, 8))
    rows = draw(st.lists(st.binary(min_size=WIDTH, max_size=WIDTH), min_size=1, max_size=20))
    return rows, parity


@given(words())
def test_parity_is_that_of_another_implementation(word: tuple[list[bytes], int]) -> None:
    rows, parity = word
    whole = rows + parity_of(rows, parity)
    codec = reedsolo.RSCodec(parity)
    for column in range(WIDTH):
        expected = bytes(codec.encode(bytes(row[column] for row in rows)))
        assert bytes(row[column] for row in whole) == expected


@given(words(), st.data())
def test_any_rows_that_are_lost_come_back(word: tuple[list[bytes], int], data: st.DataObject) -> None:
    rows, parity = word
    whole = rows + parity_of(rows, parity)
    numbers = list(range(len(whole)))
    lost = data.draw(st.lists(st.sampled_from(numbers), min_size=1, max_size=parity, unique=True))
    kept = [number for number in numbers if number not in lost]
    kept = data.draw(st.permutations(kept))[: data.draw(st.integers(len(rows), len(kept)))]
    sums = Sums(weights(len(whole), parity, tuple(lost), tuple(kept)), len(lost), WIDTH)
    for number in kept:
        sums.add(number, whole[number].rstrip(b"\0"))
    assert sums.rows() == [whole[number] for number in lost]


def test_one_parity_row_is_plain_xor() -> None:
    assert parity_of([b"\x01" * WIDTH, b"\x10" * WIDTH, b"\xff" * WIDTH], 1) == [b"\xee" * WIDTH]


def test_as_many_rows_as_the_field_has_places() -> None:
    rows = [bytes([number] * WIDTH) for number in range(MAX_ROWS - 32)]
    whole = rows + parity_of(rows, 32)
    lost = tuple(range(0, 64, 2))
    kept = tuple(number for number in range(MAX_ROWS) if number not in lost)
    sums = Sums(weights(MAX_ROWS, 32, lost, kept), 32, WIDTH)
    for number in kept:
        sums.add(number, whole[number])
    assert sums.rows() == [rows[number] for number in lost]


@pytest.mark.parametrize(
    ("count", "parity", "wanted", "given_rows"),
    [
        (5, 2, (0, 1, 2), (3, 4)),
        (5, 0, (0,), (1, 2, 3, 4)),
        (5, 5, (0,), (1,)),
        (256, 2, (0,), tuple(range(1, 256))),
        (5, 2, (0,), (0, 1, 2, 3)),
        (5, 2, (5,), (0, 1, 2)),
        (5, 2, (4,), (0, 1, 2, 7)),
    ],
)
def test_what_is_no_word_is_refused(
    count: int, parity: int, wanted: tuple[int, ...], given_rows: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match="rows"):
        weights(count, parity, wanted, given_rows)


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255))
def test_the_field_is_one(one: int, two: int, three: int) -> None:
    assert multiply(one, two) == multiply(two, one)
    assert multiply(multiply(one, two), three) == multiply(one, multiply(two, three))
    assert multiply(one, two ^ three) == multiply(one, two) ^ multiply(one, three)
    assert multiply(one, 1) == one
