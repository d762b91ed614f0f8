"""The decoder of patches: a program that makes new bytes out of old ones and of a few streams.

The program knows nothing of what it patches. Each operation is a number and its arguments, all unsigned LEB128:

    0 copy      place length             bytes of the base
    1 literal   length                   bytes of the stream `literal`
    2 changed   place length new count   bsdiff: `count` triples, one number each from `added`, `inserted` and `moved`;
                                         a triple adds differences to so many bytes of the base, takes bytes of `extra`,
                                         and moves on in the base (signed)

Differences are nearly all zero, so they are runs: a number of `same` zeros, then a number of `different` bytes of `diff`.
`place` is signed and relative to the end of the base bytes that were used last; signed numbers are zigzag. The decoder has
no heuristics: it obeys or raises IntegrityError, never writes a byte more than was declared, and holds one changed piece.
"""

from collections.abc import Iterator, Mapping
from typing import BinaryIO, Protocol

from airlock.core.digest import CHUNK
from airlock.errors import IntegrityError

STREAMS = ("program", "added", "inserted", "moved", "same", "different", "diff", "extra", "literal")
COPY, LITERAL, CHANGED = range(3)
MAX_CHANGED = 32 << 20
"""Bytes of base, and of new content, that one `changed` operation may take into memory."""


class Source(Protocol):
    """One stream of a delta, read from its start to its end, as bytes or as numbers: never both."""

    def take(self, size: int) -> bytes:
        """Exactly `size` bytes. Raises IntegrityError where the stream ends before."""

    def number(self) -> int:
        """One unsigned LEB128 number below 2^63."""


def apply_patch(
    base: BinaryIO, base_size: int, sources: Mapping[str, Source], size: int, where: str
) -> Iterator[bytes]:
    """The `size` bytes that the next part of the streams makes of a seekable base. Raises IntegrityError."""
    return _Decoder(base, base_size, sources, where).run(size)


class _Decoder:
    def __init__(self, base: BinaryIO, base_size: int, sources: Mapping[str, Source], where: str) -> None:
        self._base, self._size, self._sources, self._where = base, base_size, sources, where
        self._place = 0
        self._differences = _Differences(sources, where)

    def run(self, size: int) -> Iterator[bytes]:
        left = size
        while left:
            operation = self._number("program")
            if operation == COPY:
                place, length = self._span(left)
                chunks = self._copied(place, length)
            elif operation == LITERAL:
                length = self._length(left)
                chunks = self._taken("literal", length)
            elif operation == CHANGED:
                place, used = self._span(MAX_CHANGED)
                length = self._length(min(left, MAX_CHANGED))
                chunks = self._changed(b"".join(self._copied(place, used)), length)
            else:
                raise self._fault(f"unknown operation {operation}")
            left -= length
            yield from chunks

    def _fault(self, what: str) -> IntegrityError:
        return IntegrityError(self._where, f"bad patch, {what}")

    def _number(self, stream: str) -> int:
        return self._sources[stream].number()

    def _signed(self, stream: str) -> int:
        number = self._number(stream)
        return (number >> 1) ^ -(number & 1)

    def _length(self, limit: int) -> int:
        length = self._number("program")
        if not 0 < length <= limit:
            raise self._fault(f"a length of {length} where at most {limit} may come")
        return length

    def _span(self, limit: int) -> tuple[int, int]:
        place = self._place + self._signed("program")
        length = self._length(limit)
        if not 0 <= place <= place + length <= self._size:
            raise self._fault("an operation reaches outside the base")
        self._place = place + length
        return place, length

    def _copied(self, place: int, length: int) -> Iterator[bytes]:
        end = place + length
        while place < end:
            self._base.seek(place)
            chunk = self._base.read(min(CHUNK, end - place))
            if not chunk:
                raise self._fault("the base is shorter than it says")
            place += len(chunk)
            yield chunk

    def _taken(self, stream: str, length: int) -> Iterator[bytes]:
        while length:
            chunk = self._sources[stream].take(min(CHUNK, length))
            length -= len(chunk)
            yield chunk

    def _changed(self, base: bytes, length: int) -> Iterator[bytes]:
        position = 0
        for _ in range(self._length(2 * length + 1)):
            add, insert = self._number("added"), self._number("inserted")
            length -= add + insert
            if length < 0 or not 0 <= position <= position + add <= len(base):
                raise self._fault("a change reaches outside its piece")
            for start in range(position, position + add, CHUNK):
                old = base[start : min(start + CHUNK, position + add)]
                yield added_bytes(old, self._differences.take(len(old)))
            yield from self._taken("extra", insert)
            position += add + self._signed("moved")
        if length:
            raise self._fault("a change is shorter than its piece")


class _Differences:
    """The bytes to add, put together from their runs."""

    def __init__(self, sources: Mapping[str, Source], where: str) -> None:
        self._where = where
        self._same, self._different, self._diff = (sources[name] for name in ("same", "different", "diff"))
        self._zeros = self._others = 0

    def take(self, size: int) -> bytes:
        runs, total = self._runs(size)
        out, others = bytearray(size), self._diff.take(total)
        place = 0
        for start, length in runs:
            out[start : start + length] = others[place : place + length]
            place += length
        return bytes(out)

    def _runs(self, size: int) -> tuple[list[tuple[int, int]], int]:
        """Where the next `size` bytes are not zero, as start and length, and how many that are in all."""
        runs, place, total = [], 0, 0
        zeros, others = self._zeros, self._others
        same, different = self._same.number, self._different.number
        while place < size:
            if not zeros and not others:
                zeros, others = same(), different()
                if not zeros and not others:
                    raise IntegrityError(self._where, "bad patch, a run of nothing")
            if place + zeros >= size:
                zeros -= size - place
                break
            place, zeros = place + zeros, 0
            count = others if place + others <= size else size - place
            runs.append((place, count))
            place, total, others = place + count, total + count, others - count
        self._zeros, self._others = zeros, others
        return runs, total


def added_bytes(one: bytes, other: bytes) -> bytes:
    """Each byte of `one` plus the same byte of `other`, modulo 256; all bytes at once, as two large numbers."""
    size = len(one)
    if other.count(0) == size:
        return one
    low = int.from_bytes(b"\x7f" * size, "little")
    a, b = int.from_bytes(one, "little"), int.from_bytes(other, "little")
    # The seven low bits of every byte are added without a carry into the next; the top bits by exclusive or.
    return (((a & low) + (b & low)) ^ ((a ^ b) & ~low)).to_bytes(size, "little")
