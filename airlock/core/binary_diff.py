"""The encoder of patches (`binary_delta` has the decoder): pairs the pieces of two expanded forms and describes the new.

A changed pair is described as a change, in windows of bounded size; what has no pair, or gains nothing, is literal.
"""

import zlib
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from threading import Lock
from typing import BinaryIO

from airlock.core.binary_delta import CHANGED, COPY, LITERAL, MAX_CHANGED, PARTS, RELOCATED, SPARE
from airlock.core.bsdiff import bsdiff_change
from airlock.core.change import Change, find_change
from airlock.core.native import native
from airlock.core.numbers import leb128, zigzag
from airlock.core.pieces import Base, Piece, pieces_of

WINDOW = MAX_CHANGED
"""Bytes of old and of new content that are compared at once: the native crate takes about nine times as many."""
SLOW_WINDOW = 16 << 20
"""The same of bsdiff4, which takes some 17 times as many, and sorts them at some 5 MB a second."""
_WORTH = 1000
"""Bytes of base to be sorted for each byte of new content; with more, a change is not looked for."""
_LARGE = 32 << 20
_one_large = Lock()
"""Pieces of more bytes than that are compared one at a time, so that threads do not add up."""
_CLEAR = 8
"""A change that is so many times smaller than what it makes is better than a literal."""


@dataclass(frozen=True, slots=True)
class Streams:
    """Where the encoder writes; one file a stream."""

    files: dict[str, BinaryIO]

    def write(self, stream: str, data: bytes) -> None:
        self.files[stream].write(data)

    def numbers(self, stream: str, *numbers: int) -> None:
        self.files[stream].write(b"".join(map(leb128, numbers)))


def make_patch(base: Base, new: BinaryIO, size: int, streams: Streams) -> None:
    """Write the operations that make `new` of `base`; with an empty base, all of it is literal."""
    program = _Program(streams)
    for piece in pieces_of(new, 0, size):
        same = base.same(new, piece)
        if same:
            program.copy(same.start, same.size)
            continue
        alike = base.alike(new, piece)
        for start, stop, window in _windows(piece, alike):
            content = _read(new, start, stop)
            _describe(program, content, base.stream, window)
    program.flush()


def _read(stream: BinaryIO, start: int, stop: int) -> bytes:
    stream.seek(start)
    return stream.read(stop - start)


def _windows(piece: Piece, alike: Piece | None) -> Iterator[tuple[int, int, Piece | None]]:
    """Runs of new bytes of bounded size, and the part of the old piece that lies at about the same place."""
    size = WINDOW if native() else SLOW_WINDOW
    for start in range(piece.start, piece.stop, size):
        stop = min(start + size, piece.stop)
        window = alike
        if alike and alike.size > size:
            middle = alike.start + ((start + stop) // 2 - piece.start) * alike.size // piece.size
            first = max(alike.start, min(middle - size // 2, alike.stop - size))
            window = Piece(alike.name, first, first + size)
        yield start, stop, window


def _describe(program: "_Program", content: bytes, base: BinaryIO | None, window: Piece | None) -> None:
    if base is None or window is None or len(content) * _WORTH < window.size:
        program.literal(content)
        return
    old = _read(base, window.start, window.stop)
    with _one_large if len(old) + len(content) > _LARGE else nullcontext():
        change = find_change(old, content) or bsdiff_change(old, content)
    cost = _packed_size(change)
    if (cost * _CLEAR > len(content) and cost >= _packed_size([content])) or not _allowed(
        change, len(content)
    ):
        program.literal(content)
    else:
        program.changed(window, len(content), change)


def _allowed(change: Change, size: int) -> bool:
    return max(map(len, change)) <= size + SPARE


def _packed_size(parts: Sequence[bytes]) -> int:
    """An estimate for comparisons, so the fastest level does."""
    return sum(len(zlib.compress(part, 1)) for part in parts)


class _Program:
    """Writes operations, neighbouring copies and literals as one."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._place = 0
        self._copy: tuple[int, int] | None = None
        self._literal = 0

    def copy(self, start: int, length: int) -> None:
        if self._copy and sum(self._copy) == start:
            self._copy = self._copy[0], self._copy[1] + length
            return
        self.flush()
        self._copy = start, length

    def literal(self, content: bytes) -> None:
        if self._copy:
            self.flush()
        self._literal += len(content)
        self._streams.write("literal", content)

    def changed(self, window: Piece, length: int, change: Change) -> None:
        self.flush()
        operation = RELOCATED if change.layout else CHANGED
        parts = dict(zip(PARTS[operation], change, strict=False))
        self._span(operation, window.start, window.size)
        self._streams.numbers("program", length, *map(len, parts.values()))
        for stream, part in parts.items():
            self._streams.write(stream, part)

    def flush(self) -> None:
        if self._copy:
            self._span(COPY, *self._copy)
        if self._literal:
            self._streams.numbers("program", LITERAL, self._literal)
        self._copy, self._literal = None, 0

    def _span(self, operation: int, start: int, length: int) -> None:
        self._streams.numbers("program", operation, zigzag(start - self._place), length)
        self._place = start + length
