"""`airlock split`: a bundle or delta as volumes that fit on discs, each of which says by itself what it belongs to.

The file is read, and the volumes are written, block by block: with parity stripe by stripe, for a block of parity is over the
blocks with its number in all the data volumes, and then the file is read once before, for its digest. Headers, whose sizes are
known from the start, are written last. The same file and arguments give the same volumes.
"""

import hashlib
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO

from airlock.core.canonical_json import MAX_SIZE
from airlock.core.digest import Digest, Hasher, chunks_of, digest_of
from airlock.core.erasure import MAX_ROWS, Sums, weights
from airlock.core.reporter import Reporter
from airlock.errors import IntegrityError, UsageError
from airlock.formats.delta_index import MEMBER as DELTA
from airlock.formats.index import INDEX
from airlock.formats.volume import (
    BLOCKS,
    DIGEST,
    HEADER,
    LISTS,
    MAX_BLOCKS,
    PAYLOAD,
    Copied,
    SetTable,
    VolumeHeader,
    parse_header,
    write_header,
)
from airlock.storage.archive import BLOCK, END, Archive, ArchiveWriter, member_header, padding_of

_FEWEST = 64
"""Blocks that a volume is cut into at least, where its blocks can be made small enough."""
_NOT_YET = digest_of(b"")
_TASK = "Splitting"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What will be written, all digests but those of the copied members still to be filled in."""

    table: SetTable
    copies: Mapping[str, bytes]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Bytes of each volume."""
        numbers = range(1, self.table.count + 1)
        return tuple(self.head(number) + _padded(self.table.share(number)) + len(END) for number in numbers)

    @property
    def largest(self) -> int:
        """Bytes that no volume exceeds: the first have the longest share, and the last the longest number."""
        return self.head(self.table.count) + _padded(self.table.share(1)) + len(END)

    def head(self, number: int) -> int:
        """Bytes before a volume's share."""
        header = write_header(VolumeHeader(number=number, table=self.table))
        members = (len(header), *map(len, self.copies.values()), self.table.lists_size)
        return sum(BLOCK + _padded(size) for size in members) + BLOCK


def _padded(size: int) -> int:
    return size + padding_of(size)


def plan_split(archive: Archive, name: str, size: int, capacity: int, parity: int) -> Plan:
    """How a file of `size` bytes goes onto media that take `capacity` bytes each, all data volumes of about the same size. Raises
    UsageError where it does not, and IntegrityError where no volume can show what it holds."""
    names = [INDEX, *(name for name in archive.members if name.startswith("trust/"))]
    copies = {member: archive.read(member, MAX_SIZE) for member in names}
    blocks = [block for block in BLOCKS if block * _FEWEST <= capacity] or [BLOCKS[0]]
    table = SetTable(
        kind="delta" if DELTA in archive.members else "bundle",
        name=name,
        size=size,
        digest=_NOT_YET,
        block=blocks[-1],
        stride=0,
        parity=parity,
        members=tuple(
            Copied(name=member, size=len(data), digest=digest_of(data)) for member, data in copies.items()
        ),
        lists=(),
    )
    volumes = 1
    while volumes + parity <= MAX_ROWS:
        plan = Plan(table=_balanced(table, volumes), copies=copies)
        if plan.table.lists_size > MAX_BLOCKS * DIGEST:
            raise UsageError(
                name, "too large to be split", expected=f"at most {MAX_BLOCKS * BLOCKS[-1]} bytes"
            )
        if plan.largest <= capacity:
            _check_readable(plan, archive.where)
            return plan
        volumes = max(volumes + 1, -(-size // capacity))
    hint = "take larger media, or less parity"
    expected = f"at most {MAX_ROWS}, parity included"
    raise UsageError(name, f"needs too many volumes of {capacity} bytes", expected=expected, hint=hint)


def _check_readable(plan: Plan, where: str) -> None:
    """No volume is written that `join` would refuse. Raises IntegrityError."""
    header = write_header(VolumeHeader(number=1, table=plan.table))
    parse_header(header, f"{where}: split, its {HEADER}")


def _balanced(table: SetTable, volumes: int) -> SetTable:
    blocks = -(-table.size // table.block)
    table = replace(table, stride=-(-blocks // volumes) * table.block)
    return replace(table, lists=(_NOT_YET,) * table.count)


def _head(plan: Plan, number: int, lists: bytes) -> bytes:
    out = io.BytesIO()
    writer = ArchiveWriter(out)
    writer.add_bytes(HEADER, write_header(VolumeHeader(number=number, table=plan.table)))
    for name, data in plan.copies.items():
        writer.add_bytes(name, data)
    writer.add_bytes(LISTS, lists)
    out.write(member_header(PAYLOAD, plan.table.share(number)))
    return out.getvalue()


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    table: SetTable
    identity: Digest


def split(plan: Plan, source: BinaryIO, outs: Sequence[BinaryIO], reporter: Reporter) -> Split:
    """Write the volumes of `plan` to `outs`, which are empty and can seek. Raises IntegrityError where the file changes
    meanwhile."""
    before = _state(source)
    table = plan.table
    total = sum(map(table.share, range(1, table.count + 1)))
    reporter.start(_TASK, total)
    digest = _digest(source) if table.parity else None
    writing = _Writing(plan, outs, reporter)
    whole = writing.run(source)
    if _state(source) != before:
        raise IntegrityError(table.name, "changed while it was split", hint="split it again")
    table = replace(table, digest=digest or whole, lists=tuple(map(digest_of, writing.lists)))
    finished = replace(plan, table=table)
    for number, out in enumerate(outs, 1):
        out.seek(0)
        out.write(_head(finished, number, b"".join(writing.lists)))
    reporter.finish(_TASK)
    return Split(table=table, identity=VolumeHeader(number=1, table=table).identity)


def _state(source: BinaryIO) -> tuple[int, int]:
    found = os.fstat(source.fileno())
    return found.st_size, found.st_mtime_ns


def _digest(source: BinaryIO) -> Digest:
    hasher = Hasher()
    source.seek(0)
    for chunk in chunks_of(source):
        hasher.update(chunk)
    return hasher.digest


class _Writing:
    def __init__(self, plan: Plan, outs: Sequence[BinaryIO], reporter: Reporter) -> None:
        self._table, self._outs, self._reporter = plan.table, outs, reporter
        self.lists = [b""] * len(outs)
        for number, out in enumerate(outs, 1):
            out.seek(plan.head(number))

    def run(self, source: BinaryIO) -> Digest:
        """The digest of what was read, which is the file's where it was read in order."""
        hasher = Hasher()
        if self._table.parity:
            for block in range(self._table.blocks(1)):
                self._stripe(source, block)
        else:
            for number in range(1, self._table.count + 1):
                for block in range(self._table.blocks(number)):
                    hasher.update(self._copy(source, number, block))
        for number, out in enumerate(self._outs, 1):
            out.write(bytes(padding_of(self._table.share(number))) + END)
        return hasher.digest

    def _stripe(self, source: BinaryIO, block: int) -> None:
        table = self._table
        given, wanted = tuple(range(table.data)), tuple(range(table.data, table.count))
        sums = Sums(weights(table.count, table.parity, wanted, given), table.parity, table.length(1, block))
        for number in range(1, table.data + 1):
            if table.length(number, block):
                sums.add(number - 1, self._copy(source, number, block))
        for number, data in enumerate(sums.rows(), table.data + 1):
            self._write(number, data)

    def _copy(self, source: BinaryIO, number: int, block: int) -> bytes:
        source.seek((number - 1) * self._table.stride + block * self._table.block)
        length = self._table.length(number, block)
        data = source.read(length)
        if len(data) != length:
            raise IntegrityError(self._table.name, "changed while it was split", hint="split it again")
        self._write(number, data)
        return data

    def _write(self, number: int, data: bytes) -> None:
        self._outs[number - 1].write(data)
        self.lists[number - 1] += hashlib.sha256(data).digest()
        self._reporter.advance(_TASK, len(data))
