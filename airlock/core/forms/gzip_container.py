"""The codec `gzip/1`: the members of a gzip file (RFC 1952) as the one content that they decompress to.

The structure is each member's header, then whatever stands behind the last member. CRC-32 and ISIZE follow from the
content.
"""

import itertools
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, ClassVar

from airlock.core import deflate_encoders as streams
from airlock.core.deflate import inflated
from airlock.core.digest import CHUNK
from airlock.core.expanded import GzipJob, Splice
from airlock.core.fields import Fields
from airlock.core.forms.codec import MAX_CONTENT, Chunks, CodecSet, Opened, Part, Room, Slot
from airlock.errors import IntegrityError

MAGIC = b"\x1f\x8b\x08"
_FIXED = 10
_TRAILER = 8
_HEADER_CRC, _EXTRA, _NAME, _COMMENT = 2, 4, 8, 16
_MAX_HEADER = 1 << 17
_MAX_TRAILING = 1 << 20
_MAX_MEMBERS = 10_000
_WHERE = "gzip"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Member:
    """Where one member's deflate stream stands. Offsets and sizes are in bytes."""

    header: bytes
    start: int
    packed: int
    size: int


class _NotGzip(Exception):
    """Says why."""


class GzipCodec:
    name = "gzip/1"

    def matches(self, head: bytes) -> bool:
        return head.startswith(MAGIC)

    def open(self, original: BinaryIO, codecs: CodecSet, *, thorough: bool, room: Room) -> Opened | None:
        try:
            members, trailing = _scan(original, room)
            recipes = _recipes(original, members, codecs, thorough)
        except (_NotGzip, IntegrityError):
            return None
        if recipes is None:
            return _opened_opaque(original, members[0], trailing) if len(members) == 1 else None
        recipe: dict[str, object] = {"encoders": [found.encoder for found in recipes]}
        if len(members) > 1:
            recipe["sizes"] = [member.size for member in members[:-1]]
        if any(found.corrections for found in recipes):
            recipe["corrections"] = [len(found.corrections) for found in recipes]
        return Opened(
            recipe=recipe,
            structure=b"".join(member.header for member in members) + trailing,
            corrections=b"".join(found.corrections for found in recipes),
            parts=[
                Part(
                    size=sum(member.size for member in members),
                    read=lambda: itertools.chain.from_iterable(
                        _content(original, member) for member in members
                    ),
                )
            ],
        )

    def parse(self, recipe: Fields, structure: bytes, corrections: bytes, where: str) -> "GzipContainer":
        encoders = recipe.texts("encoders")
        sizes = _numbers(recipe, "sizes", len(encoders) - 1)
        lengths = _numbers(recipe, "corrections", len(encoders))
        opaque = encoders == ("opaque",)
        if not 1 <= len(encoders) <= _MAX_MEMBERS or not (opaque or all(map(streams.is_encoder, encoders))):
            raise recipe.fault("encoders", "not the encoders of a gzip file")
        sums = (recipe.integer("crc", limit=0xFFFFFFFF), recipe.integer("size")) if opaque else (0, 0)
        recipe.done()
        if sum(lengths) != len(corrections) or ("corrections" in recipe and not corrections):
            raise recipe.fault("corrections", "not the lengths of the corrections")
        headers, trailing = _cut(structure, len(encoders), where)
        ends = list(itertools.accumulate(lengths))
        return GzipContainer(
            headers=headers,
            trailing=trailing,
            recipes=tuple(
                streams.Recipe(encoder=encoder, corrections=corrections[end - length : end])
                for encoder, length, end in zip(encoders, lengths, ends, strict=True)
            ),
            sizes=sizes,
            sums=sums,
            where=where,
        )


def _numbers(recipe: Fields, key: str, count: int) -> tuple[int, ...]:
    """`count` whole numbers; zeros where the key is absent."""
    found = recipe.raw(key)
    if key not in recipe and (key == "corrections" or count == 0):
        return (0,) * count
    if (
        not isinstance(found, list)
        or len(found) != count
        or not count
        or any(type(number) is not int or not 0 <= number <= MAX_CONTENT for number in found)
    ):
        raise recipe.fault(key, "not a size for each member")
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class GzipContainer:
    made: ClassVar[int] = 0
    headers: tuple[bytes, ...]
    trailing: bytes
    recipes: tuple[streams.Recipe, ...]
    sizes: tuple[int, ...]
    """Bytes of content of each member but the last."""
    sums: tuple[int, int]
    """CRC-32 and size of an opaque stream's content."""
    where: str

    @property
    def _opaque(self) -> bool:
        return self.recipes[0].encoder == "opaque"

    @property
    def slots(self) -> Sequence[Slot]:
        return (Slot(name="", opaque=self._opaque, size=self.sums[1]),)

    @property
    def encoders(self) -> CodecSet:
        return (
            frozenset()
            if self._opaque
            else frozenset().union(*(streams.families(r.encoder) for r in self.recipes))
        )

    def job(self, offset: int, size: int) -> GzipJob | None:
        """How the native crate makes it of `size` bytes from `offset` on; None where it does not."""
        if len(self.recipes) != 1 or self._opaque or (level := streams.level_of(self.recipes[0])) is None:
            return None
        recipe = self.recipes[0]
        corrections = None if recipe.encoder.startswith("zlib/1:") else recipe.corrections
        return GzipJob(offset, size, level, corrections, self.headers[0], self.trailing)

    def splice(self, earlier: "GzipContainer") -> Splice | None:
        """How it follows from an `earlier` one of the same content: by its header, and by what stands behind it. None where
        the stream itself may be another."""
        if len(self.headers) != 1 or (self.recipes, self.sums) != (earlier.recipes, earlier.sums):
            return None
        return Splice(len(earlier.headers[0]), self.headers[0], len(earlier.trailing), self.trailing)

    def build(self, parts: Iterator[Chunks]) -> Chunks:
        content = next(parts)
        if self._opaque:
            yield self.headers[0]
            yield from content
            yield _trailer(*self.sums)
        else:
            yield from self._members(content)
        yield self.trailing

    def _members(self, content: Chunks) -> Chunks:
        cutter = _Cutter(content)
        for header, recipe, size in zip(self.headers, self.recipes, (*self.sizes, None), strict=True):
            counter = _Counter(cutter.take(size))
            yield header
            yield from streams.deflated(recipe.encoder, counter, recipe.corrections, self.where)
            if size is not None and counter.size != size:
                raise IntegrityError(self.where, "the content is too short for its members")
            yield _trailer(counter.crc, counter.size)

    def content(self, number: int, opaque: Chunks) -> Chunks:
        counter = _Counter(inflated(opaque, self.sums[1], self.where))
        yield from counter
        if counter.crc != self.sums[0]:
            raise IntegrityError(self.where, "wrong CRC-32")


class _Counter:
    """CRC-32 and size of what passes."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks, self.crc, self.size = chunks, 0, 0

    def __iter__(self) -> Chunks:
        for chunk in self._chunks:
            self.crc, self.size = zlib.crc32(chunk, self.crc), self.size + len(chunk)
            yield chunk


class _Cutter:
    """Gives a stream away piece by piece."""

    def __init__(self, chunks: Chunks) -> None:
        self._chunks, self._left = filter(None, chunks), b""

    def take(self, size: int | None) -> Chunks:
        """The next `size` bytes, or fewer where there are fewer; None for all that is left."""
        while size is None or size:
            chunk = self._left or next(self._chunks, b"")
            if not chunk:
                return
            piece, self._left = (chunk, b"") if size is None else (chunk[:size], chunk[size:])
            if size is not None:
                size -= len(piece)
            yield piece


def _trailer(crc: int, size: int) -> bytes:
    return crc.to_bytes(4, "little") + (size & 0xFFFFFFFF).to_bytes(4, "little")


def _scan(original: BinaryIO, room: Room) -> tuple[list[_Member], bytes]:
    """Raises _NotGzip for sums that are wrong, and for more members or bytes behind them than are kept."""
    members: list[_Member] = []
    position, total = 0, original.seek(0, 2)
    while (header := _header_at(original, position)) is not None:
        if len(members) == _MAX_MEMBERS:
            raise _NotGzip("too many members")
        member = _member(original, header, position + len(header), room)
        members.append(member)
        position = member.start + member.packed + _TRAILER
    if not members or not 0 <= total - position <= _MAX_TRAILING:
        raise _NotGzip("no members, or too much behind them")
    original.seek(position)
    return members, original.read()


def _member(original: BinaryIO, header: bytes, start: int, room: Room) -> _Member:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    crc = size = 0
    position = start
    try:
        while not inflater.eof:
            original.seek(position)
            piece = original.read(CHUNK)
            position += len(piece)
            pending = piece
            while not inflater.eof and (data := inflater.decompress(pending, CHUNK)):
                room.take(len(data))
                crc, size = zlib.crc32(data, crc), size + len(data)
                pending = inflater.unconsumed_tail
            if not piece and not inflater.eof:
                raise _NotGzip("truncated")
    except zlib.error as error:
        raise _NotGzip(str(error)) from error
    end = position - len(inflater.unused_data)
    original.seek(end)
    if original.read(_TRAILER) != _trailer(crc, size):
        raise _NotGzip("wrong sums")
    return _Member(header=header, start=start, packed=end - start, size=size)


def _header_at(original: BinaryIO, position: int) -> bytes | None:
    original.seek(position)
    length = _header_length(data := original.read(_MAX_HEADER))
    return data[:length] if length else None


def _header_length(data: bytes) -> int:
    """Bytes of the header that `data` begins with, 0 where there is none."""
    if not data.startswith(MAGIC) or len(data) < _FIXED or data[3] & ~0x1F:
        return 0
    flags, at = data[3], _FIXED
    if flags & _EXTRA:
        at += 2 + int.from_bytes(data[at : at + 2], "little")
    for flag in (_NAME, _COMMENT):
        if flags & flag:
            at = data.find(0, at) + 1
            if not at:
                return 0
    at += 2 if flags & _HEADER_CRC else 0
    return at if at <= len(data) else 0


def _cut(structure: bytes, count: int, where: str) -> tuple[tuple[bytes, ...], bytes]:
    """The headers, and what stands behind the last member. Raises IntegrityError."""
    headers: list[bytes] = []
    at = 0
    for _ in range(count):
        length = _header_length(structure[at : at + _MAX_HEADER])
        if not length:
            raise IntegrityError(where, "not the header of a gzip member")
        headers.append(structure[at : at + length])
        at += length
    trailing = structure[at:]
    if len(trailing) > _MAX_TRAILING or _header_length(trailing[:_MAX_HEADER]):
        raise IntegrityError(where, "not what may stand behind a gzip file")
    return tuple(headers), trailing


def _recipes(
    original: BinaryIO, members: Sequence[_Member], codecs: CodecSet, thorough: bool
) -> list[streams.Recipe] | None:
    recipes: list[streams.Recipe] = []
    for member in members:
        found = streams.find(
            lambda member=member: _content(original, member),  # type: ignore[misc]
            lambda member=member: _stream(original, member),  # type: ignore[misc]
            member.size,
            recipes[-1].encoder if recipes else None,
            codecs,
            thorough,
        )
        if found is None:
            return None
        recipes.append(found)
    return recipes


def _content(original: BinaryIO, member: _Member) -> Chunks:
    return inflated(_stream(original, member), member.size, _WHERE)


def _stream(original: BinaryIO, member: _Member) -> Chunks:
    position, left = member.start, member.packed
    while left:
        original.seek(position)
        chunk = original.read(min(left, CHUNK))
        if not chunk:
            raise IntegrityError(_WHERE, "truncated")
        position, left = position + len(chunk), left - len(chunk)
        yield chunk


def _opened_opaque(original: BinaryIO, member: _Member, trailing: bytes) -> Opened:
    crc = 0
    for chunk in _content(original, member):
        crc = zlib.crc32(chunk, crc)
    return Opened(
        recipe={"encoders": ["opaque"], "crc": crc, "size": member.size},
        structure=member.header + trailing,
        parts=[Part(size=member.packed, read=lambda: _stream(original, member))],
    )
