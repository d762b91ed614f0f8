"""What becomes of the addresses in an ELF file when code moves: the half of a change that needs no bytes.

A decoder that knows which blocks of the old file the new one is made of knows where every old address went. So a field of the
old file that holds an address tells what the new one will hold. The decoder does not know ELF: it is told by a *layout* how
both files lie in memory and what is where in the old one, as unsigned LEB128 numbers:

    loads of the old file, loads of the new one: a count, then for each: address, offset, size in the file, size in memory, 1 for code
    regions of the old file, in order: a count, then for each: kind, bytes since the last, size, address, address in the new file

    0 code         a field of four bytes, relative to its end, that points into a load, follows E8 or E9 (into code), 0F 80 to 0F 8F
                   (into code), or one of OPCODES and a byte whose bits say "relative to the instruction pointer"; the
                   first of these from where the last field ended
    1 relocations  rows of 24 bytes with addresses of eight bytes at 0 and 16
    2 symbols      rows of 24 bytes with an address at 8
    3 pointers     rows of 8 bytes
    4 frame table  from 12 on, addresses of four bytes relative to the region's own, which is told of the new file as well
    5 frames       records that begin with their length; where their second four bytes are not zero, the third are relative
                   to their place
    6 constants    where a field of code behind the opcode 8D points into it at a multiple of four: four bytes each relative
                   to there, as long as they point into code and no other such field points there

A field counts only where it points into a load, and not where it lies over one before. Nothing here can harm: a field that is
no address costs a few bytes of the delta. `native/src/diff/` does the same, to the bit.
"""

import re
import struct
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from heapq import heappop, heappush
from typing import NamedTuple

from airlock.core.numbers import Numbers

MOST = 1 << 48
"""No address, offset or size of a file is as large."""
MAX_LOADS = MAX_REGIONS = 64
OPCODES = bytes.fromhex(
    "010308090b1011121314151617212328292a2b2c2d2e2f313338393a3b4051545758595a5c5e636e6f7e7f8081838485"
    "868788898a8b8db0b1b6b7bebfc1c6c7d1d6dbebeff6f7feff50e6"
)
CODE, RELOCATIONS, SYMBOLS, POINTERS, FRAME_TABLE, FRAMES, CONSTANTS = range(7)
NOTHING, SITE, END, TOLD, TABLE = range(5)
"""What a field is relative to."""
_LONG = (1 << 64) - 1
_WORD = (1 << 32) - 1
_INSTRUCTION = re.compile(
    rb"[\xe8\xe9][\0-\xff]|\x0f[\x80-\x8f]|[%s][\x05\x0d\x15\x1d\x25\x2d\x35\x3d]" % re.escape(OPCODES)
)


class Load(NamedTuple):
    """A part of a file, and where it lies in memory."""

    address: int
    offset: int
    file: int
    memory: int
    code: int


class Region(NamedTuple):
    kind: int
    start: int
    size: int
    address: int
    new_address: int


class Layout(NamedTuple):
    old: Sequence[Load]
    new: Sequence[Load]
    regions: Sequence[Region]


class Block(NamedTuple):
    """So many bytes of the old file are nearly so many of the new one."""

    old: int
    new: int
    length: int


class Field(NamedTuple):
    at: int
    relative: int
    target: int
    origin: int
    """Of a table, or what is told."""

    @property
    def width(self) -> int:
        return 4 if self.relative else 8


def parse_layout(data: bytes, size: int) -> Layout:
    """The layout of an old file of `size` bytes. Raises ValueError."""
    numbers = Numbers(data)
    old, new = _loads(numbers), _loads(numbers)
    regions, end = [], 0
    for _ in range(numbers.within(MAX_REGIONS)):
        kind = numbers.within(CONSTANTS)
        start = end + numbers.within(size - end)
        length = numbers.within(size - start)
        regions.append(Region(kind, start, length, numbers.within(MOST - 1), numbers.within(MOST - 1)))
        end = start + length
    if not numbers.ended:
        raise ValueError("a layout has something behind it")
    return Layout(old, new, regions)


def _loads(numbers: Numbers) -> list[Load]:
    return [
        Load(*(numbers.within(limit) for limit in (MOST - 1, MOST - 1, MOST - 1, MOST - 1, 1)))
        for _ in range(numbers.within(MAX_LOADS))
    ]


def address_of(offset: int, loads: Sequence[Load]) -> int | None:
    """Where a byte of the file lies in memory."""
    for load in loads:
        if 0 <= offset - load.offset < load.file:
            return offset - load.offset + load.address
    return None


def _load_of(address: int, loads: Sequence[Load]) -> Load | None:
    for load in loads:
        if 0 <= address - load.address < load.memory:
            return load
    return None


class Fields:
    """All fields of an old file, in order; kept as columns, as there are millions."""

    def __init__(self, old: bytes, layout: Layout) -> None:
        self._old, self._loads = old, layout.old
        self._tables: set[int] = set()
        found: list[Field] = []
        for region in layout.regions:
            if region.kind != CONSTANTS:
                found += filter(self._inside, _FINDERS[region.kind](self, region))
        tables = sorted(self._tables)
        for region in layout.regions:
            if region.kind == CONSTANTS:
                found += self._jump_tables(region, tables)
        found.sort(key=lambda field: field.at)
        self._keep(found)

    def _keep(self, found: Sequence[Field]) -> None:
        self._at, self._relative = array("Q"), array("B")
        self._target, self._origin = array("Q"), array("Q")
        end = 0
        for field in found:
            if field.at >= end:
                end = field.at + field.width
                self._at.append(field.at)
                self._relative.append(field.relative)
                self._target.append(field.target)
                self._origin.append(field.origin)

    def within(self, block: Block) -> Iterator[Field]:
        """Those that lie wholly in a block."""
        first = bisect_left(self._at, block.old)
        for number in range(first, bisect_left(self._at, block.old + block.length)):
            field = Field(
                self._at[number], self._relative[number], self._target[number], self._origin[number]
            )
            if field.at + field.width > block.old + block.length:
                return
            yield field

    def _inside(self, field: Field) -> bool:
        return field.target > 0 and _load_of(field.target, self._loads) is not None

    def _in_code(self, target: int) -> bool:
        load = _load_of(target, self._loads) if target > 0 else None
        return load is not None and bool(load.code)

    def _relative_at(self, at: int) -> int:
        return int.from_bytes(self._old[at : at + 4], "little", signed=True)

    def _code(self, region: Region) -> Iterator[Field]:
        place, end = region.start, region.start + region.size - 4
        while instruction := _INSTRUCTION.search(self._old, place, max(end, place)):
            start, first = instruction.start(), self._old[instruction.start()]
            at = start + 1 if first in b"\xe8\xe9" else start + 2
            target = region.address + at - region.start + 4 + self._relative_at(at)
            field = Field(at, END, target, 0)
            data = first not in b"\xe8\xe9\x0f"
            if self._inside(field) if data else self._in_code(target):
                if first == 0x8D:
                    self._tables.add(target)
                yield field
                place = at + 4
            else:
                place = start + 1

    def _rows(self, region: Region, size: int, columns: Sequence[int]) -> Iterator[Field]:
        for row in range(region.start, region.start + region.size - size + 1, size):
            for column in columns:
                (target,) = struct.unpack_from("<Q", self._old, row + column)
                if target < MOST:
                    yield Field(row + column, NOTHING, target, 0)

    def _relocations(self, region: Region) -> Iterator[Field]:
        return self._rows(region, 24, (0, 16))

    def _symbols(self, region: Region) -> Iterator[Field]:
        return self._rows(region, 24, (8,))

    def _pointers(self, region: Region) -> Iterator[Field]:
        return self._rows(region, 8, (0,))

    def _frame_table(self, region: Region) -> Iterator[Field]:
        for at in range(region.start + 12, region.start + region.size - 3, 4):
            yield Field(at, TOLD, region.address + self._relative_at(at), region.new_address)

    def _frames(self, region: Region) -> Iterator[Field]:
        place, end = region.start, region.start + region.size
        while place + 12 <= end:
            length, kind = struct.unpack_from("<2I", self._old, place)
            if length in (0, _WORD):
                return
            if kind:
                at = place + 8
                yield Field(at, SITE, region.address + at - region.start + self._relative_at(at), 0)
            place += 4 + length

    def _jump_tables(self, region: Region, tables: Sequence[int]) -> Iterator[Field]:
        end = region.address + region.size
        for number in range(bisect_left(tables, region.address), len(tables)):
            table = tables[number]
            stop = min([end, *tables[number + 1 : number + 2]])
            for entry in range(table, stop - 3, 4) if table % 4 == 0 else ():
                at = region.start + entry - region.address
                target = table + self._relative_at(at)
                if not self._in_code(target):
                    break
                yield Field(at, TABLE, target, table)


_FINDERS = {
    CODE: Fields._code,
    RELOCATIONS: Fields._relocations,
    SYMBOLS: Fields._symbols,
    POINTERS: Fields._pointers,
    FRAME_TABLE: Fields._frame_table,
    FRAMES: Fields._frames,
}


class Map:
    """Where old addresses went. Of all blocks over an old byte the longest tells, of those the first in the new file; where
    none is, the one before. What an error of an expectation taught comes before that."""

    def __init__(self, layout: Layout, size: int, blocks: Sequence[Block]) -> None:
        self._layout, self._size = layout, size
        self._learned: dict[int, int] = {}
        self._starts, self._shifts = _segments(blocks)

    def moved(self, target: int) -> int:
        if (learned := self._learned.get(target)) is not None:
            return learned
        load = _load_of(target, self._layout.old)
        if load is None or not load.file or not self._starts:
            return target
        within = min(target - load.address, load.file - 1)
        place = load.offset + within
        if place >= self._size:
            return target
        there = place + self._shifts[max(bisect_right(self._starts, place), 1) - 1]
        address = address_of(there, self._layout.new)
        return target if address is None else address + target - load.address - within

    def expected(self, field: Field, at: int) -> int | None:
        """What `field` will hold at `at` in the new file; None where that is not in memory."""
        target = self.moved(field.target)
        if field.relative == NOTHING:
            return target
        if field.relative == TOLD:
            origin = field.origin
        elif field.relative == TABLE:
            origin = self.moved(field.origin)
        elif (site := address_of(at, self._layout.new)) is None:
            return None
        else:
            origin = site + (4 if field.relative == END else 0)
        return (target - origin) & _WORD

    def learn(self, field: Field, error: int) -> None:
        """A field was `error` more than expected, modulo its width."""
        self._learned[field.target] = (self.moved(field.target) + error) & _LONG


def _segments(blocks: Sequence[Block]) -> tuple[list[int], list[int]]:
    """Where in the old file the distance to the new place changes, and to what."""
    coming = sorted(blocks, reverse=True)
    marks = sorted({mark for block in blocks for mark in (block.old, block.old + block.length)})
    starts: list[int] = []
    shifts: list[int] = []
    active: list[tuple[int, int, int]] = []
    for mark in marks:
        while coming and coming[-1].old == mark:
            block = coming.pop()
            heappush(active, (-block.length, block.new, -block.old))
        while active and -active[0][2] - active[0][0] <= mark:
            heappop(active)
        if active and (not shifts or shifts[-1] != active[0][1] + active[0][2]):
            starts.append(mark)
            shifts.append(active[0][1] + active[0][2])
    return starts, shifts
