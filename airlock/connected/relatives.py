"""Which expanded forms of the old version hold what a new one is made of, where no artifact of the same name does.

A file moves from one layer of an image into another, or from one package into another; a layer is written anew with what was in
five. So what is new in a form is looked for in all of the old ones: by content, then by path, then by similarity.
"""

import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from threading import Lock
from typing import BinaryIO

from airlock.core.digest import Digest
from airlock.core.pieces import Piece, Sketches, content_of, normalised, pieces_of

LEAST = 32 << 10
"""Bytes that must be new in a form before all the old ones are looked through, and that one of them must hold of those."""
_WORTH = 1000
"""Bytes of an old form for each byte of the new one that is looked for there."""
_COMMON = 8
"""Old forms up to which a path that all of them have tells anything."""
_MOST = 16
"""Old forms that one new one starts from, beside the one of the same name."""

Opener = Callable[[Digest], AbstractContextManager[tuple[BinaryIO, int]]]


@dataclass(slots=True)
class _Places:
    """In which old forms there is what."""

    contents: dict[tuple[int, int], list[Digest]] = field(default_factory=dict)
    """By size in bytes and CRC-32."""
    paths: dict[str, list[Digest]] = field(default_factory=dict)
    sketches: Sketches = field(default_factory=Sketches)
    """With numbers of forms, in the order of `sizes`."""
    sizes: dict[Digest, int] = field(default_factory=dict)

    def add(self, form: Digest, stream: BinaryIO, size: int) -> None:
        number = len(self.sizes)
        self.sizes[form] = size
        for piece in pieces_of(stream, 0, size):
            if not piece.is_header:
                self.contents.setdefault(_mark(stream, piece), []).append(form)
            if piece.is_of_artifact:
                self.paths.setdefault(normalised(piece.name), []).append(form)
                self.sketches.add(number, stream, piece)

    def of(self, stream: BinaryIO, piece: Piece) -> Collection[Digest]:
        if same := self.contents.get(_mark(stream, piece)):
            return same
        namesakes = self.paths.get(normalised(piece.name), ()) if piece.is_of_artifact else ()
        if 0 < len(namesakes) <= _COMMON:
            return namesakes
        forms = list(self.sizes)
        return [forms[number] for number, _ in self.sketches.alike(stream, piece)]


class Relatives:
    """The old forms, looked through when they are first asked for. Threads may share it."""

    def __init__(self, forms: Sequence[Digest], opened: Opener) -> None:
        self._forms, self._opened = forms, opened
        self._lock = Lock()
        self._places: _Places | None = None

    def of(self, stream: BinaryIO, strangers: Sequence[Piece]) -> list[Digest]:
        """Those that hold the most of these pieces of a new form, the best first."""
        if sum(piece.size for piece in strangers) < LEAST:
            return []
        with self._lock:
            self._places = places = self._places or self._looked_through()
        left = {piece: set(places.of(stream, piece)) for piece in strangers}
        return list(_best_first(left, places.sizes))

    def _looked_through(self) -> _Places:
        places = _Places()
        for form in self._forms:
            with self._opened(form) as (stream, size):
                places.add(form, stream, size)
        return places


def _best_first(left: dict[Piece, set[Digest]], sizes: Mapping[Digest, int]) -> Iterator[Digest]:
    """Each time the form that holds the most of what the ones before it do not."""
    for _ in range(_MOST):
        held = Counter[Digest]()
        for piece, forms in left.items():
            for form in forms:
                held[form] += piece.size
        best = max(held, key=lambda form: (held[form], form), default=None)
        if best is None or held[best] < max(LEAST, sizes[best] // _WORTH):
            return
        yield best
        left = {piece: forms for piece, forms in left.items() if best not in forms}


def _mark(stream: BinaryIO, piece: Piece) -> tuple[int, int]:
    crc = 0
    for chunk in content_of(stream, piece):
        crc = zlib.crc32(chunk, crc)
    return piece.size, crc
