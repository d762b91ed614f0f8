"""What two expanded forms consist of, and which piece of the new one became of which of the old.

Pieces are the headers and bodies of an expanded form's tar, or the whole of any other. They are paired by the same content
first, then by a path without versions and hashes.
"""

import hashlib
import re
import tarfile
from itertools import pairwise
from typing import BinaryIO, NamedTuple

from airlock.core.digest import CHUNK

_RULES = (
    (re.compile(r"-\d[^/]*\.(dist-info|data)(?=/)"), r".\1"),
    (re.compile(r"-[0-9a-f]{8}(?=[.-])"), ""),
    (re.compile(r"\d+(\.\d+)+"), "#"),
    (re.compile(r"\.so(\.[\d#]+)+$"), ".so"),
)
"""What changes in a path from release to release: metadata folders, auditwheel's hashes, versions."""


class Piece(NamedTuple):
    """A run of bytes of an expanded form. The name of a header's piece ends with a NUL."""

    name: str
    start: int
    stop: int

    @property
    def size(self) -> int:
        return self.stop - self.start


def normalised(path: str) -> str:
    for pattern, replacement in _RULES:
        path = pattern.sub(replacement, path)
    return path


def pieces_of(expanded: BinaryIO, size: int) -> list[Piece]:
    """All of the stream, cut where the tar of an expanded form has its headers and bodies."""
    expanded.seek(0)
    members = _tar_members(expanded) if expanded.read(12) == b"recipe.json\0" else []
    marks = [0, *(mark for _, *both in members for mark in both), size]
    if not members or marks != sorted(marks):
        return [Piece("", 0, size)] if size else []
    names = ["", *(name for member, *_ in members for name in (member + "\0", member))]
    spans = zip(names, pairwise(marks), strict=True)
    return [Piece(name, start, stop) for name, (start, stop) in spans if start < stop]


def _tar_members(stream: BinaryIO) -> list[tuple[str, int, int]]:
    """Name, offset of the header and offset of the body of each; nothing where it only looks like an expanded form."""
    stream.seek(0)
    try:
        with tarfile.open(fileobj=stream, mode="r:") as tar:
            return [(info.name, info.offset, info.offset_data) for info in tar]
    except tarfile.TarError:
        return []


class Base:
    """The old side, to look pieces up in."""

    def __init__(self, stream: BinaryIO | None, size: int) -> None:
        self.stream = stream
        pieces = pieces_of(stream, size) if stream else []
        self.by_name = {piece.name: piece for piece in reversed(pieces)}
        self._by_path = {normalised(piece.name): piece for piece in reversed(pieces)}
        self._by_last = {piece.name.rpartition("/")[2]: piece for piece in reversed(pieces)}
        self._by_content = {(piece.size, _hash(stream, piece)): piece for piece in reversed(pieces) if stream}

    def same(self, new: BinaryIO, piece: Piece) -> Piece | None:
        """A piece with the same bytes, best the one of the same name."""
        content = _hash(new, piece)
        named = self.by_name.get(piece.name)
        if named and self.stream and named.size == piece.size and _hash(self.stream, named) == content:
            return named
        return self._by_content.get((piece.size, content))

    def alike(self, piece: Piece) -> Piece | None:
        path = normalised(piece.name)
        return (
            self.by_name.get(piece.name)
            or self._by_path.get(path)
            or self._by_last.get(path.rpartition("/")[2])
        )


def _hash(stream: BinaryIO, piece: Piece) -> bytes:
    digest = hashlib.sha256()
    stream.seek(piece.start)
    left = piece.size
    while left and (chunk := stream.read(min(CHUNK, left))):
        digest.update(chunk)
        left -= len(chunk)
    return digest.digest()


def _read(stream: BinaryIO, start: int, stop: int) -> bytes:
    stream.seek(start)
    return stream.read(stop - start)
