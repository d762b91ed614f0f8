"""The decoder of patches: a program that makes new bytes out of old ones and of a few streams.

The program knows nothing of what it patches. Each operation is a number and its arguments, all unsigned LEB128:

    0 copy      place length             bytes of the base
    1 literal   length                   bytes of the stream `literal`
    2 changed   place length new sizes   a change (`change` has its parts) of bytes of the base, and how many bytes each part takes
                                         of the stream of its name
    3 relocated place length new sizes   the same of streams for native code, and with three parts more

`place` is signed (zigzag) and relative to the end of the base bytes that were used last. The decoder has no heuristics: it
obeys or raises IntegrityError, never writes a byte more than was declared, and holds one changed piece.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO, Protocol

from airlock.core.change import Change, apply_change
from airlock.core.digest import CHUNK
from airlock.core.numbers import leb128, signed
from airlock.errors import IntegrityError

COPY, LITERAL, CHANGED, RELOCATED = range(4)
PARTS = {CHANGED: Change._fields[:7], RELOCATED: tuple(f"code-{part}" for part in Change._fields)}
"""The streams of each operation's parts. Code and text do not compress well together."""
STREAMS = ("program", *PARTS[CHANGED], *PARTS[RELOCATED], "literal")
MAX_CHANGED = 128 << 20
"""Bytes of base, and of new content, that one change may take into memory, and a few times as many to decode it."""
SPARE = 1 << 10
"""Bytes that each part of a change may be longer than the new content."""


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


def parts_taken(program: Source, size: int, where: str) -> dict[str, int]:
    """Bytes that the next part of the program, which makes `size` bytes, takes of each stream, the program's own included.
    Raises IntegrityError."""
    counted = _Counted(program)
    taken = dict.fromkeys(STREAMS, 0)
    left = size
    while left > 0:
        operation = counted.number()
        if operation != LITERAL:
            counted.number()
        length = counted.number()
        if operation in PARTS:
            length = counted.number()
            for stream in PARTS[operation]:
                taken[stream] += _part(counted, length, where)
        elif operation == LITERAL:
            taken["literal"] += length
        elif operation != COPY:
            raise IntegrityError(where, f"bad patch, unknown operation {operation}")
        if not 0 < length <= left:
            raise IntegrityError(where, f"bad patch, a length of {length} where at most {left} may come")
        left -= length
    taken["program"] = counted.size
    return taken


def _part(program: "_Counted", length: int, where: str) -> int:
    if (size := program.number()) > length + SPARE:
        raise IntegrityError(where, "bad patch, a part of a change is larger than what it makes")
    return size


class _Counted:
    """Numbers, and how many bytes they are spelled in."""

    def __init__(self, source: Source) -> None:
        self._source, self.size = source, 0

    def number(self) -> int:
        number = self._source.number()
        self.size += len(leb128(number))
        return number


class _Decoder:
    def __init__(self, base: BinaryIO, base_size: int, sources: Mapping[str, Source], where: str) -> None:
        self._base, self._size, self._sources, self._where = base, base_size, sources, where
        self._place = 0

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
            elif operation in PARTS:
                place, used = self._span(MAX_CHANGED)
                length = self._length(min(left, MAX_CHANGED))
                chunks = self._changed(b"".join(self._copied(place, used)), length, PARTS[operation])
            else:
                raise self._fault(f"unknown operation {operation}")
            left -= length
            yield from chunks

    def _fault(self, what: str) -> IntegrityError:
        return IntegrityError(self._where, f"bad patch, {what}")

    def _number(self, stream: str) -> int:
        return self._sources[stream].number()

    def _length(self, limit: int) -> int:
        length = self._number("program")
        if not 0 < length <= limit:
            raise self._fault(f"a length of {length} where at most {limit} may come")
        return length

    def _span(self, limit: int) -> tuple[int, int]:
        place = self._place + signed(self._number("program"))
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

    def _changed(self, base: bytes, length: int, streams: Sequence[str]) -> Iterator[bytes]:
        sizes = [self._number("program") for _ in streams]
        if max(sizes) > length + SPARE:
            raise self._fault("a part of a change is larger than what it makes")
        parts = (self._sources[stream].take(size) for stream, size in zip(streams, sizes, strict=True))
        try:
            yield apply_change(base, length, Change(*parts))
        except ValueError as error:
            raise self._fault(f"bad change, {error}") from error
