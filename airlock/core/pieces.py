"""What two expanded forms consist of, and which piece of the new one became of which of the old.

Pieces are the headers and bodies of an expanded form's tar, or the whole of any other. They are paired by the same content
first, then by a path without versions and hashes, then by what they have in common.
"""

import hashlib
import re
import tarfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import BinaryIO, NamedTuple

from airlock.core.digest import CHUNK
from airlock.core.native import native

_RULES = (
    (re.compile(r"-\d[^/]*\.(dist-info|data)(?=/)"), r".\1"),
    (re.compile(r"-[0-9a-f]{8}(?=[.-])"), ""),
    (re.compile(r"(?<=^content/)[^/]+\.tar(\.[a-z0-9]+)?/"), ""),
    (re.compile(r"\d+(\.\d+)+(-\d+)*"), "#"),
    (re.compile(r"\.so(\.[\d#]+)+$"), ".so"),
)
"""What changes in a path from release to release, or from one kind of artifact to another: metadata folders, auditwheel's
hashes, the tar that all of it lies in, versions."""

_SKETCHED, _MARKS = 4 << 10, 12
"""Bytes of a piece from which on it is looked for by its content, and hashes that tell of it."""


class Piece(NamedTuple):
    """A run of bytes of an expanded form. The name of a header's piece ends with a NUL."""

    name: str
    start: int
    stop: int

    @property
    def size(self) -> int:
        return self.stop - self.start

    @property
    def is_header(self) -> bool:
        return self.name.endswith("\0")

    @property
    def is_of_artifact(self) -> bool:
        """Whether it is a file inside an artifact, and no header."""
        return self.name.startswith(("content/", "opaque/")) and not self.is_header


def normalised(path: str) -> str:
    for pattern, replacement in _RULES:
        path = pattern.sub(replacement, path)
    return path


def pieces_of(stream: BinaryIO, start: int, size: int) -> list[Piece]:
    """`size` bytes of the stream from `start` on, cut where the tar of an expanded form has its headers and bodies."""
    stream.seek(start)
    members = _tar_members(stream, start) if stream.read(12) == b"recipe.json\0" else []
    marks = [start, *(mark for _, *both in members for mark in both), start + size]
    if not members or marks != sorted(marks):
        return [Piece("", start, start + size)] if size else []
    names = ["", *(name for member, *_ in members for name in (member + "\0", member))]
    names[-1] = "\0"
    spans = zip(names, pairwise(marks), strict=True)
    return [Piece(name, first, last) for name, (first, last) in spans if first < last]


def _tar_members(stream: BinaryIO, start: int) -> list[tuple[str, int, int]]:
    """Name, offset of the header and offset of the body of each, and the same of the zeros behind the last; nothing where it
    only looks like an expanded form."""
    stream.seek(start)
    try:
        with tarfile.open(fileobj=stream, mode="r:") as tar:
            members = [(info.name, info.offset, info.offset_data) for info in tar]
            last = tar.getmembers()[-1]
            end = last.offset_data - -last.size // tarfile.BLOCKSIZE * tarfile.BLOCKSIZE
    except tarfile.TarError:
        return []
    return [*members, ("", end, end)]


class Sketches:
    """Large files inside artifacts, to be found by what they have in common. Empty without the native crate."""

    def __init__(self) -> None:
        self._holders: dict[int, list[tuple[int, Piece]]] = {}

    def add(self, number: int, stream: BinaryIO, piece: Piece) -> None:
        """`number` is given back with the piece."""
        for mark in _sketch(stream, piece):
            self._holders.setdefault(mark, []).append((number, piece))

    def alike(self, stream: BinaryIO, piece: Piece) -> list[tuple[int, Piece]]:
        """Those with the most marks in common, which is more than one."""
        shared = Counter(holder for mark in _sketch(stream, piece) for holder in self._holders.get(mark, ()))
        most = max(shared.values(), default=0)
        return [holder for holder, count in shared.items() if count == most > 1]


def _sketch(stream: BinaryIO, piece: Piece) -> list[int]:
    crate = native()
    if crate is None or piece.size < _SKETCHED or not piece.is_of_artifact:
        return []
    marks = set[int]()
    for chunk in content_of(stream, piece):
        marks.update(crate.sketch(chunk, _MARKS))
    return sorted(marks)[:_MARKS]


class Base:
    """The old side, to look pieces up in: expanded forms one behind the other, of which the first are preferred."""

    def __init__(self, stream: BinaryIO | None, sizes: Sequence[int]) -> None:
        self.stream = stream
        starts = accumulate(sizes, initial=0)
        pieces = [
            piece
            for start, size in zip(starts, sizes, strict=False)
            for piece in (pieces_of(stream, start, size) if stream else ())
        ]
        self._by_size: dict[int, list[Piece]] = {}
        for piece in pieces:
            self._by_size.setdefault(piece.size, []).append(piece)
        pieces.reverse()
        self._by_name = {piece.name: piece for piece in pieces}
        self._by_path = {normalised(piece.name): piece for piece in pieces}
        self._by_last = {piece.name.rpartition("/")[2]: piece for piece in pieces}
        self._by_content: dict[int, dict[bytes, Piece]] = {}
        """Of each size that was asked for, by digest."""
        self._sketches: Sketches | None = None

    def same(self, new: BinaryIO, piece: Piece) -> Piece | None:
        """A piece with the same bytes, best the one of the same name."""
        if self.stream is None or piece.size not in self._by_size:
            return None
        content = _hash(new, piece)
        named = self._by_name.get(piece.name)
        if named and named.size == piece.size and _hash(self.stream, named) == content:
            return named
        return self._of_size(piece.size, self.stream).get(content)

    def _of_size(self, size: int, stream: BinaryIO) -> Mapping[bytes, Piece]:
        if size not in self._by_content:
            found: dict[bytes, Piece] = {}
            for piece in self._by_size[size]:
                found.setdefault(_hash(stream, piece), piece)
            self._by_content[size] = found
        return self._by_content[size]

    def namesake(self, piece: Piece) -> Piece | None:
        """The piece of the same path, versions aside."""
        return self._by_name.get(piece.name) or self._by_path.get(normalised(piece.name))

    def alike(self, new: BinaryIO, piece: Piece) -> Piece | None:
        """A namesake, else a piece with much the same content, else one with the same last part of its path."""
        last = normalised(piece.name).rpartition("/")[2]
        return self.namesake(piece) or self._similar(new, piece) or self._by_last.get(last)

    def _similar(self, new: BinaryIO, piece: Piece) -> Piece | None:
        if self.stream is None or piece.size < _SKETCHED or not piece.is_of_artifact:
            return None
        if self._sketches is None:
            self._sketches = Sketches()
            for pieces in self._by_size.values():
                for old in pieces:
                    self._sketches.add(0, self.stream, old)
        return next((old for _, old in self._sketches.alike(new, piece)), None)

    def strangers(self, new: BinaryIO, pieces: Iterable[Piece]) -> list[Piece]:
        """Bodies that have neither a piece with the same bytes nor a namesake."""
        return [
            piece
            for piece in pieces
            if not piece.is_header and not self.namesake(piece) and not self.same(new, piece)
        ]


def _hash(stream: BinaryIO, piece: Piece) -> bytes:
    digest = hashlib.sha256()
    for chunk in content_of(stream, piece):
        digest.update(chunk)
    return digest.digest()


def content_of(stream: BinaryIO, piece: Piece) -> Iterator[bytes]:
    stream.seek(piece.start)
    left = piece.size
    while left and (chunk := stream.read(min(CHUNK, left))):
        yield chunk
        left -= len(chunk)
