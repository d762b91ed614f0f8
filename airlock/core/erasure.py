"""Reed-Solomon parity over GF(2^8): any `parity` lost rows of a code word are made again out of the others.

Row number `i` of `count` stands for the coefficient of x^(count - 1 - i); the parity rows are the last. A word is a code word
when the polynomial is zero at 2^0, 2^1 … 2^(parity - 1), in the field of x^8 + x^4 + x^3 + x^2 + 1. This is the code of QR
symbols and of most libraries; with one parity row it is plain XOR.

Rows are long: one coefficient multiplies a whole row by `bytes.translate`, and rows are added as big integers, which is
faster than any disc turns, with nothing compiled.
"""

from collections.abc import Iterable, Mapping
from functools import cache, lru_cache

MAX_ROWS = 255
"""Rows of a code word, parity included: the field has no more places."""
_POLYNOMIAL = 0x11D


def _powers() -> tuple[tuple[int, ...], tuple[int, ...]]:
    exponents, logarithms = [1] * 510, [0] * 256
    for power in range(1, 510):
        value = exponents[power - 1] << 1
        exponents[power] = value ^ _POLYNOMIAL if value > 0xFF else value
    for power in range(255):
        logarithms[exponents[power]] = power
    return tuple(exponents), tuple(logarithms)


_EXPONENTS, _LOGARITHMS = _powers()


def multiply(one: int, two: int) -> int:
    return _EXPONENTS[_LOGARITHMS[one] + _LOGARITHMS[two]] if one and two else 0


def _inverse(value: int) -> int:
    return _EXPONENTS[255 - _LOGARITHMS[value]]


@cache
def _table(factor: int) -> bytes:
    return bytes(multiply(factor, value) for value in range(256))


Weights = Mapping[int, tuple[int, ...]]
"""For each row that is there, what it counts in each row that is wanted."""


@lru_cache(64)
def weights(count: int, parity: int, wanted: tuple[int, ...], given: tuple[int, ...]) -> Weights:
    """How the rows `wanted` come out of the rows `given`, all by their numbers from 0. Raises ValueError where those do not
    suffice, or are not rows of such a code word.

    The rows that are neither wanted nor given are unknown too, and at most `parity` rows may be unknown.
    """
    known, asked = set(given), set(wanted)
    unknown = [row for row in range(count) if row not in known]
    if not 0 < parity < count <= MAX_ROWS or not asked <= set(unknown) or not known < set(range(count)):
        raise ValueError("not rows of a code word")
    if len(unknown) > parity:
        raise ValueError("too many rows are unknown")
    conditions = range(len(unknown))
    inverse = _inverted([[_at(count, row, power) for row in unknown] for power in conditions])
    rows = [inverse[unknown.index(row)] for row in wanted]
    return {
        row: tuple(_dot(line, [_at(count, row, power) for power in conditions]) for line in rows)
        for row in sorted(known)
    }


def _at(count: int, row: int, power: int) -> int:
    """What the row counts in the polynomial's value at 2^power."""
    return _EXPONENTS[power * (count - 1 - row) % 255]


def _dot(one: Iterable[int], two: Iterable[int]) -> int:
    total = 0
    for left, right in zip(one, two, strict=True):
        total ^= multiply(left, right)
    return total


def _inverted(matrix: list[list[int]]) -> list[list[int]]:
    """By elimination. The matrices here are those of Vandermonde, with different places, so they have an inverse."""
    size = len(matrix)
    both = [[*row, *(int(column == number) for column in range(size))] for number, row in enumerate(matrix)]
    for column in range(size):
        pivot = next(number for number in range(column, size) if both[number][column])
        both[column], both[pivot] = both[pivot], both[column]
        scale = _inverse(both[column][column])
        both[column] = [multiply(scale, value) for value in both[column]]
        for number in range(size):
            if number != column and (factor := both[number][column]):
                both[number] = [
                    value ^ multiply(factor, above)
                    for value, above in zip(both[number], both[column], strict=True)
                ]
    return [row[size:] for row in both]


class Sums:
    """The wanted rows, while the given ones pass one by one. A row that is shorter than `length` bytes ends in zeros."""

    def __init__(self, how: Weights, wanted: int, length: int) -> None:
        self._how, self._length = how, length
        self._sums = [0] * wanted

    def add(self, row: int, data: bytes) -> None:
        for number, factor in enumerate(self._how[row]):
            if factor:
                part = data if factor == 1 else data.translate(_table(factor))
                self._sums[number] ^= int.from_bytes(part, "little")

    def rows(self) -> list[bytes]:
        return [total.to_bytes(self._length, "little") for total in self._sums]
