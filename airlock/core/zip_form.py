"""The form `zip/1`: a zip as a tar of its files' raw contents, with what restores the zip to the bit.

The tar holds, in order, `recipe.json` (canonical JSON), `structure` (see `zip_structure`) and one file for each member in
the order of the archive. Each deflate stream is made again by an encoder with a versioned name (`zlib/1:LEVEL`), or stays
as it is (`opaque`). Memory: the structure and a few chunks, whatever the size of a member.
"""

import re
import zlib
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import BinaryIO

from airlock.core.canonical_json import dumps, loads
from airlock.core.comparison import Comparison, Different
from airlock.core.deflate import check_zlib, deflated, inflated
from airlock.core.expanded import Member
from airlock.core.fields import Fields
from airlock.core.plain_tar import END, Reader, write_file
from airlock.core.zip_scan import Scan, ZipNotPlain, plan_members, scan
from airlock.core.zip_structure import (
    MAX_MEMBERS,
    MAX_STRUCTURE,
    Part,
    Plan,
    Structure,
    Sums,
    file_names,
    parse_structure,
)
from airlock.errors import IntegrityError

_ENCODER = re.compile(r"store|opaque|zlib/1:[1-9]")
_MAX_RECIPE = 16 << 20
_WHERE = "expanded form zip/1"


class ZipForm:
    name = "zip/1"

    def expand(self, original: BinaryIO, expanded: BinaryIO) -> bool:
        """False for what is not a zip, and for a zip with encryption, zip64 records, members that overlap or stand in
        another order than the central directory, other methods than stored and deflated, or wrong sums."""
        try:
            found = scan(original)
            # Most streams are known by their first block. Where that was a mistake, compare every one to its end.
            return any(_expand(original, found, expanded, thorough) for thorough in (False, True))
        except ZipNotPlain:
            return False

    def rebuild(self, expanded: BinaryIO, original: BinaryIO) -> None:
        reader = Reader(expanded, _WHERE)
        structure = _read_head(reader)
        if any(part.plan.encoder.startswith("zlib/1") for part in structure.parts):
            check_zlib()
        position = _write(original, 0, structure.prefix)
        entries: list[tuple[Part, Sums, int]] = []
        for part, name in zip(structure.parts, file_names(structure), strict=True):
            _, chunks = reader.file(name)
            sums = _write_data(original, position + len(part.local), part, chunks)
            entries.append((part, sums, position))
            position = _write(original, position, part.local_with(sums)) + sums.packed
            position = _write(original, position, part.gap)
        reader.end()
        _write_tail(original, position, structure, entries)

    def members(self, expanded: BinaryIO) -> Iterator[Member]:
        reader = Reader(expanded, _WHERE)
        structure = _read_head(reader)
        for part, name in zip(structure.parts, file_names(structure), strict=True):
            size, chunks = reader.file(name)
            if part.plan.encoder == "opaque":
                size, chunks = part.sums.size, _inflated(part, chunks)
            yield Member(name=part.name, size=size, mode=part.mode, chunks=chunks)
        reader.end()

    def opaque(self, expanded: BinaryIO) -> int:
        reader = Reader(expanded, _WHERE)
        structure = _read_head(reader)
        files = zip(structure.parts, file_names(structure), strict=True)
        sizes = [(part.plan.encoder, reader.file(name)[0]) for part, name in files]
        reader.end()
        return sum(size for encoder, size in sizes if encoder == "opaque")


def _expand(original: BinaryIO, found: Scan, expanded: BinaryIO, thorough: bool) -> bool:
    structure = plan_members(original, found, thorough)
    expanded.seek(0)
    expanded.truncate()
    recipe, packed = _recipe(structure), structure.tobytes()
    if len(recipe) > _MAX_RECIPE or len(packed) > MAX_STRUCTURE:
        return False
    write_file(expanded, "recipe.json", len(recipe), [recipe])
    write_file(expanded, "structure", len(packed), [packed])
    for member, part, name in zip(found.members, structure.parts, file_names(structure), strict=True):
        data = member.data(original)
        content = inflated(data, member.sums.size, _WHERE) if part.method else data
        try:
            if part.plan.encoder == "opaque":
                _exhaust(_checked(content, member.sums))
                write_file(expanded, name, member.sums.packed, member.data(original))
            else:
                write_file(expanded, name, member.sums.size, _checked(content, member.sums))
        except IntegrityError as error:
            raise ZipNotPlain(str(error)) from error
    expanded.write(END)
    return _proven(expanded, original)


def _proven(expanded: BinaryIO, original: BinaryIO) -> bool:
    """Whether the decoder restores the very bytes."""
    expanded.seek(0)
    comparison = Comparison(original)
    try:
        ZipForm().rebuild(expanded, comparison)
    except Different:
        return False
    finally:
        expanded.seek(0, 2)
    return comparison.complete()


def _exhaust(chunks: Iterable[bytes]) -> None:
    for _ in chunks:
        pass


def _checked(chunks: Iterable[bytes], sums: Sums) -> Iterator[bytes]:
    """What passes through, whose CRC-32 must be what the central directory says."""
    crc = 0
    for chunk in chunks:
        crc = zlib.crc32(chunk, crc)
        yield chunk
    if crc != sums.crc:
        raise IntegrityError(_WHERE, "wrong CRC-32", expected=f"{sums.crc:08x}", found=f"{crc:08x}")


def _inflated(part: Part, chunks: Iterator[bytes]) -> Iterator[bytes]:
    where = f"{_WHERE}: {part.name[:120]!r}"
    return _checked(inflated(chunks, part.sums.size, where), part.sums)


def _recipe(structure: Structure) -> bytes:
    runs = [
        [len(list(equal)), plan.encoder, plan.same, plan.gap]
        for plan, equal in groupby(part.plan for part in structure.parts)
    ]
    return dumps({"form": ZipForm.name, "members": runs, "prefix": len(structure.prefix)})


def _read_head(reader: Reader) -> Structure:
    prefix, plans = _parse_recipe(reader.small("recipe.json", _MAX_RECIPE))
    return parse_structure(reader.small("structure", MAX_STRUCTURE), prefix, plans, _WHERE)


def _parse_recipe(data: bytes) -> tuple[int, list[Plan]]:
    where = f"{_WHERE}: recipe.json"
    fields = Fields(loads(data, where), where, IntegrityError)
    form, prefix, runs = fields.text("form"), fields.integer("prefix"), fields.raw("members")
    fields.done()
    if form != ZipForm.name or not isinstance(runs, list):
        raise fields.fault("", "not a recipe of zip/1")
    plans: list[Plan] = []
    before: Plan | None = None
    for number, run in enumerate(runs):
        match run:
            case [int(count), str(encoder), bool(same), int(gap)] if (
                0 < count <= MAX_MEMBERS - len(plans) and _ENCODER.fullmatch(encoder) and gap >= 0
            ):
                plan = Plan(encoder, same, gap)
            case _:
                raise fields.fault(f"members[{number}]", "not a run of members")
        if plan == before or isinstance(count, bool) or isinstance(gap, bool):
            raise fields.fault(f"members[{number}]", "not the one spelling of its run")
        plans += [plan] * count
        before = plan
    return prefix, plans


def _write(out: BinaryIO, position: int, data: bytes) -> int:
    out.seek(position)
    out.write(data)
    return position + len(data)


def _write_data(out: BinaryIO, position: int, part: Part, chunks: Iterator[bytes]) -> Sums:
    """Write a member's data behind the place of its local header, and count what the headers say of it."""
    out.seek(position)
    crc = size = packed = 0

    def counted() -> Iterator[bytes]:
        nonlocal crc, size
        for chunk in chunks:
            crc, size = zlib.crc32(chunk, crc), size + len(chunk)
            yield chunk

    encoder, _, level = part.plan.encoder.partition(":")
    for data in deflated(counted(), int(level)) if encoder == "zlib/1" else counted():
        out.write(data)
        packed += len(data)
    if packed >= 1 << 32 or size >= 1 << 32:
        raise IntegrityError(_WHERE, "a member is larger than a plain zip can say")
    return Sums(part.sums.crc, packed, part.sums.size) if encoder == "opaque" else Sums(crc, packed, size)


def _write_tail(
    out: BinaryIO, start: int, structure: Structure, entries: Iterable[tuple[Part, Sums, int]]
) -> None:
    position = start
    for part, sums, offset in entries:
        if offset >= 1 << 32:
            raise IntegrityError(_WHERE, "the zip is larger than a plain zip can be")
        position = _write(out, position, part.central_with(sums, offset))
    if position >= 1 << 32:
        raise IntegrityError(_WHERE, "the zip is larger than a plain zip can be")
    _write(out, position, structure.end_with(position - start, start))
