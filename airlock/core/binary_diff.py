"""The encoder of patches (`binary_delta` has the decoder): pairs the pieces of two expanded forms and describes the new.

Pieces are the headers and bodies of an expanded form's tar, or the whole of any other. They are paired by the same content
first, then by a path without versions and hashes. A changed pair goes through bsdiff (Percival, 2003) in pieces of bounded
size; what has no pair, or gains nothing, is literal.
"""

import bz2
import hashlib
import re
import struct
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import BinaryIO, NamedTuple

import bsdiff4

from airlock.core.binary_delta import CHANGED, COPY, LITERAL
from airlock.core.digest import CHUNK

MAX_NEW = 16 << 20
"""Bytes of new content that go through bsdiff at once; it takes some 17 times the base's bytes of memory, and sorts them
at some 5 MB a second, for each run of new content anew."""
MAX_OLD = 16 << 20
_WORTH = 2000
"""Bytes of base to be sorted for each byte that a change can save at most; with more, it is not looked for."""
_SIGN = 1 << 63
_ZEROS = re.compile(rb"\0{4,}")
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


@dataclass(frozen=True, slots=True)
class Streams:
    """Where the encoder writes; one file a stream."""

    files: dict[str, BinaryIO]

    def write(self, stream: str, data: bytes) -> None:
        self.files[stream].write(data)

    def numbers(self, stream: str, *numbers: int) -> None:
        self.files[stream].write(b"".join(map(leb128, numbers)))


def leb128(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def zigzag(number: int) -> int:
    return number << 1 if number >= 0 else ~number << 1 | 1


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


class _Base:
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


def make_patch(base: BinaryIO | None, base_size: int, new: BinaryIO, size: int, streams: Streams) -> None:
    """Write the operations that make `new` of `base`; with no base, all of it is literal."""
    old = _Base(base, base_size)
    program = _Program(streams)
    for piece in pieces_of(new, size):
        same = old.same(new, piece)
        if same:
            program.copy(same.start, same.size)
            continue
        alike = old.alike(piece)
        for start, stop, window in _windows(piece, alike):
            content = _read(new, start, stop)
            _describe(program, content, old.stream, window)
    program.flush()


def _windows(piece: Piece, alike: Piece | None) -> Iterator[tuple[int, int, Piece | None]]:
    """Runs of new bytes of bounded size, and the part of the old piece that lies at about the same place."""
    for start in range(piece.start, piece.stop, MAX_NEW):
        stop = min(start + MAX_NEW, piece.stop)
        window = alike
        if alike and alike.size > MAX_OLD:
            middle = alike.start + ((start + stop) // 2 - piece.start) * alike.size // piece.size
            first = max(alike.start, min(middle - MAX_OLD // 2, alike.stop - MAX_OLD))
            window = Piece(alike.name, first, first + MAX_OLD)
        yield start, stop, window


def _describe(program: "_Program", content: bytes, base: BinaryIO | None, window: Piece | None) -> None:
    if base is None or window is None:
        program.literal(content)
        return
    literal = _packed_size(content)
    if literal * _WORTH < window.size:
        program.literal(content)
        return
    change = _bsdiff(_read(base, window.start, window.stop), content)
    if change.cost < literal:
        program.changed(window, len(content), change)
    else:
        program.literal(content)


@dataclass(frozen=True, slots=True)
class _Change:
    added: tuple[int, ...]
    inserted: tuple[int, ...]
    moves: tuple[int, ...]
    diff: bytes
    extra: bytes

    @property
    def cost(self) -> int:
        """About as many bytes as it will take in the delta."""
        return len(self.added) * 3 + _packed_size(self.diff) + _packed_size(self.extra)


def _packed_size(data: bytes) -> int:
    """An estimate for comparisons, so the fastest level does."""
    return len(zlib.compress(data, 1))


def _bsdiff(old: bytes, new: bytes) -> _Change:
    """The three parts of a BSDIFF40 patch: magic, three lengths, then control, diff and extra as bzip2 streams. Numbers
    are 64 bit sign and magnitude."""
    patch = bsdiff4.diff(old, new)
    control_size, diff_size = struct.unpack_from("<2q", patch, 8)
    control = bz2.decompress(patch[32 : 32 + control_size])
    numbers = [-(n - _SIGN) if n >= _SIGN else n for (n,) in struct.iter_unpack("<Q", control)]
    rest = 32 + control_size + diff_size
    return _Change(
        added=tuple(numbers[0::3]),
        inserted=tuple(numbers[1::3]),
        moves=tuple(numbers[2::3]),
        diff=bz2.decompress(patch[32 + control_size : rest]),
        extra=bz2.decompress(patch[rest:]),
    )


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

    def changed(self, window: Piece, length: int, change: _Change) -> None:
        self.flush()
        self._span(CHANGED, window.start, window.size)
        self._streams.numbers("program", length, len(change.added))
        self._streams.numbers("added", *change.added)
        self._streams.numbers("inserted", *change.inserted)
        self._streams.numbers("moved", *map(zigzag, change.moves))
        self._differences(change.diff)
        self._streams.write("extra", change.extra)

    def _differences(self, diff: bytes) -> None:
        """Runs of zeros and of others, each zero run long enough to be worth a pair of numbers."""
        same, different, others = bytearray(), bytearray(), bytearray()
        place = zeros = 0
        for run in chain(
            ((found.start(), found.end()) for found in _ZEROS.finditer(diff)), [(len(diff),) * 2]
        ):
            if run[0] > place or zeros:
                same += leb128(zeros)
                different += leb128(run[0] - place)
                others += diff[place : run[0]]
            zeros, place = run[1] - run[0], run[1]
        self._streams.write("same", bytes(same))
        self._streams.write("different", bytes(different))
        self._streams.write("diff", bytes(others))

    def flush(self) -> None:
        if self._copy:
            self._span(COPY, *self._copy)
        if self._literal:
            self._streams.numbers("program", LITERAL, self._literal)
        self._copy, self._literal = None, 0

    def _span(self, operation: int, start: int, length: int) -> None:
        self._streams.numbers("program", operation, zigzag(start - self._place), length)
        self._place = start + length
