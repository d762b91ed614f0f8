"""The codec `zip/1`: a zip as the raw contents of its members, and what restores it to the bit.

Each deflate stream is made again by an encoder with a versioned name, or stays as it is (`opaque`).
"""

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import BinaryIO, ClassVar

from airlock.core import deflate_encoders as streams
from airlock.core.deflate import inflated
from airlock.core.fields import Fields
from airlock.core.forms.codec import (
    HEAD,
    MAX_CONTENT,
    MAX_CORRECTIONS,
    MAX_PARTS,
    Chunks,
    CodecSet,
    Opened,
    Part,
    Room,
    Slot,
)
from airlock.core.forms.spool import held_back
from airlock.core.forms.zip_scan import Scan, ScannedMember, ZipNotPlain, entry_of, scan, structure_of
from airlock.core.forms.zip_structure import (
    DEFLATED,
    END_MAGIC,
    LOCAL_MAGIC,
    LOCALS,
    Entry,
    Plan,
    Structure,
    Sums,
    parse_structure,
)
from airlock.errors import IntegrityError

_WHERE = "zip"
_SMALL = 1 << 18
"""Bytes of content for which looking at the stream's start is as much work as the proof."""
_STARTS = (LOCAL_MAGIC, END_MAGIC, b"#!")
"""A member, no member, or a script in front, as zipapp has it."""


class ZipCodec:
    name = "zip/1"

    def matches(self, head: bytes) -> bool:
        return head.startswith(_STARTS)

    def open(self, original: BinaryIO, codecs: CodecSet, *, thorough: bool, room: Room) -> Opened | None:
        """None for what is not a zip, and for a zip with encryption, zip64 records, members that overlap or stand in
        another order than the central directory, other methods than stored and deflated, or wrong sums."""
        try:
            found = scan(original)
            room.take(sum(member.sums.size for member in found.members))
            return _opened(original, found, codecs, thorough)
        except (ZipNotPlain, IntegrityError):
            return None

    def parse(self, recipe: Fields, structure: bytes, corrections: bytes, where: str) -> "ZipContainer":
        plans, lengths = _parse_recipe(recipe, len(corrections))
        parsed = parse_structure(structure, recipe.integer("prefix", 0), plans, where)
        if "prefix" in recipe and not parsed.prefix:
            raise recipe.fault("prefix", "a default spelt out")
        recipe.done()
        return ZipContainer(structure=parsed, corrections=corrections, lengths=lengths, where=where)


@dataclass(frozen=True, kw_only=True)
class ZipContainer:
    made: ClassVar[int] = 0
    structure: Structure
    corrections: bytes
    lengths: tuple[int, ...]
    """Bytes of corrections of each member that needs them to be looked up, empty where none does."""
    where: str

    @cached_property
    def slots(self) -> Sequence[Slot]:
        return [
            Slot(
                name=entry.name,
                opaque=entry.plan.encoder == "opaque",
                size=entry.sums.size if entry.plan.encoder == "opaque" else 0,
                mode=entry.mode,
            )
            for entry in self.structure.entries
        ]

    @property
    def encoders(self) -> CodecSet:
        names = {entry.plan.encoder for entry in self.structure.entries} - {"store", "opaque"}
        return frozenset().union(*map(streams.families, names))

    def build(self, parts: Iterator[Chunks]) -> Chunks:
        structure = self.structure
        centrals: list[bytes] = []
        yield structure.prefix
        position = len(structure.prefix)
        for entry, corrections in zip(structure.entries, self._corrections(), strict=True):
            counter = _Counter(next(parts))
            data = _data(entry, counter, corrections, self.where)
            packed = _Counter(data, summed=False)
            if entry.plan.local != "kept":
                _, held = held_back(packed)
                sums = _sums(entry, counter, packed.size, self.where)
                yield entry.local_with(sums)
                yield from held
            else:
                yield entry.local
                yield from packed
                sums = _sums(entry, counter, packed.size, self.where)
                if entry.local[14:26] == sums.tobytes():
                    raise IntegrityError(self.where, "sums are spelt out that follow from the content")
            yield entry.gap
            centrals.append(entry.central_with(sums, self._offset(position)))
            position += len(entry.local) + packed.size + len(entry.gap)
        directory = b"".join(centrals)
        self._offset(position + len(directory))
        yield directory
        yield structure.end_with(len(directory), position)

    def content(self, number: int, opaque: Chunks) -> Chunks:
        entry = self.structure.entries[number]
        where = f"{self.where}: {entry.name[:120]!r}"
        return _checked(inflated(opaque, entry.sums.size, where), entry.sums, where)

    def _corrections(self) -> Iterator[bytes]:
        if not self.lengths:
            yield from [b""] * len(self.structure.entries)
        start = 0
        for length in self.lengths:
            yield self.corrections[start : start + length]
            start += length

    def _offset(self, position: int) -> int:
        if position >= 1 << 32:
            raise IntegrityError(self.where, "the zip is larger than a plain zip can be")
        return position


class _Counter:
    """Size and, if it is `summed`, CRC-32 of what passes."""

    def __init__(self, chunks: Iterable[bytes], *, summed: bool = True) -> None:
        self._chunks, self._summed, self.crc, self.size = chunks, summed, 0, 0

    def __iter__(self) -> Chunks:
        for chunk in self._chunks:
            self.size += len(chunk)
            if self._summed:
                self.crc = zlib.crc32(chunk, self.crc)
            yield chunk


def _data(entry: Entry, content: Iterable[bytes], corrections: bytes, where: str) -> Iterable[bytes]:
    if entry.plan.encoder in ("store", "opaque"):
        return content
    return streams.deflated(entry.plan.encoder, content, corrections, where)


def _sums(entry: Entry, content: _Counter, packed: int, where: str) -> Sums:
    if packed >= 1 << 32 or content.size >= 1 << 32:
        raise IntegrityError(where, "a member is larger than a plain zip can say")
    if entry.plan.encoder == "opaque":
        return Sums(entry.sums.crc, packed, entry.sums.size)
    return Sums(content.crc, packed, content.size)


def _checked(chunks: Iterable[bytes], sums: Sums, where: str) -> Chunks:
    """What passes through, whose CRC-32 must be what the central directory says."""
    crc = 0
    for chunk in chunks:
        crc = zlib.crc32(chunk, crc)
        yield chunk
    if crc != sums.crc:
        raise IntegrityError(where, "wrong CRC-32", expected=f"{sums.crc:08x}", found=f"{crc:08x}")


def _opened(original: BinaryIO, found: Scan, codecs: CodecSet, thorough: bool) -> Opened:
    entries: list[Entry] = []
    parts: list[Part] = []
    corrections: list[bytes] = []
    before: streams.Recipe | None = None
    left = MAX_CORRECTIONS
    for member in found.members:
        looked = _Look(original, member)
        chosen = streams.Recipe(encoder="store")
        if member.method == DEFLATED:
            recipe = None if thorough else _supposed(before, member)
            recipe = recipe or looked.encoder(before, codecs, thorough)
            before = recipe or before
            chosen = recipe or streams.Recipe(encoder="opaque")
        if chosen.encoder == "opaque":
            for _ in _checked(looked.content(), member.sums, _WHERE):
                pass
        left -= len(chosen.corrections)
        if left < 0:
            raise ZipNotPlain("more corrections than an expanded form has room for")
        entries.append(entry_of(member, chosen.encoder))
        corrections.append(chosen.corrections)
        parts.append(looked.part(opaque=chosen.encoder == "opaque"))
    structure = structure_of(found, entries)
    return Opened(
        recipe=_recipe(structure, corrections),
        structure=structure.tobytes(),
        parts=parts,
        corrections=b"".join(corrections),
    )


def _supposed(before: streams.Recipe | None, member: ScannedMember) -> streams.Recipe | None:
    """A small member is taken to be from the same encoder as the one before; the proof tells."""
    return before if before and not before.corrections and member.sums.size <= _SMALL else None


class _Look:
    """A member's content and data; keeps the start of the content that was last read."""

    def __init__(self, original: BinaryIO, member: ScannedMember) -> None:
        self._original, self._member, self._head = original, member, b""

    def data(self) -> Chunks:
        return self._member.data(self._original)

    def content(self) -> Chunks:
        if self._member.method != DEFLATED:
            return self.data()
        return self._watched(inflated(self.data(), self._member.sums.size, _WHERE))

    def _watched(self, chunks: Chunks) -> Chunks:
        for chunk in chunks:
            self._head = self._head or chunk[:HEAD]
            yield chunk

    def encoder(
        self, before: streams.Recipe | None, codecs: CodecSet, thorough: bool
    ) -> streams.Recipe | None:
        first = before.encoder if before else None
        return streams.find(self.content, self.data, self._member.sums.size, first, codecs, thorough)

    def part(self, *, opaque: bool) -> Part:
        read: Callable[[], Chunks] = self.data if opaque else self.content
        size = self._member.sums.packed if opaque else self._member.sums.size
        whole = len(self._head) == min(HEAD, size) and not opaque
        return Part(size=size, read=read, head=self._head if whole else None)


def _recipe(structure: Structure, corrections: Sequence[bytes]) -> dict[str, object]:
    recipe: dict[str, object] = {
        "members": [
            [len(list(equal)), plan.encoder, plan.local, plan.gap]
            for plan, equal in groupby(entry.plan for entry in structure.entries)
        ]
    }
    if structure.prefix:
        recipe["prefix"] = len(structure.prefix)
    if any(corrections):
        recipe["corrections"] = [len(each) for each in corrections]
    return recipe


def _parse_recipe(recipe: Fields, corrections: int) -> tuple[list[Plan], tuple[int, ...]]:
    runs = recipe.raw("members")
    if not isinstance(runs, list):
        raise recipe.fault("members", "not runs of members")
    plans: list[Plan] = []
    for number, run in enumerate(runs):
        plan, count = _run(recipe, number, run, MAX_PARTS - len(plans))
        if plans and plan == plans[-1]:
            raise recipe.fault(f"members[{number}]", "not the one spelling of its run")
        plans += [plan] * count
    lengths = recipe.raw("corrections") if "corrections" in recipe else []
    if (
        not isinstance(lengths, list)
        or any(type(length) is not int or not 0 <= length <= MAX_CONTENT for length in lengths)
        or sum(lengths) != corrections
        or ("corrections" in recipe and (len(lengths) != len(plans) or not corrections))
    ):
        raise recipe.fault("corrections", "not the lengths of the corrections")
    return plans, tuple(lengths)


def _run(recipe: Fields, number: int, run: object, most: int) -> tuple[Plan, int]:
    match run:
        case [int(count), str(encoder), str(local), int(gap)] if (
            type(count) is type(gap) is int and 0 < count <= most and gap >= 0
        ):
            if _is_encoder(encoder) and local in LOCALS:
                return Plan(encoder, local, gap), count
    raise recipe.fault(f"members[{number}]", "not a run of members")


def _is_encoder(name: str) -> bool:
    return name in ("store", "opaque") or streams.is_encoder(name)
