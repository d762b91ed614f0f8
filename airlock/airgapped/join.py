"""`airlock join`: the file again out of its volumes, in one run or one a disc.

Each block is checked before it is written, what is missing is made again out of parity, and the file takes its name when all of
it has the digest that every volume names.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from airlock.core.canonical_json import MAX_SIZE
from airlock.core.digest import digest_of, digest_of_stream
from airlock.core.reporter import Reporter
from airlock.errors import IntegrityError
from airlock.formats.index import INDEX
from airlock.formats.volume import SetTable
from airlock.storage.archive import Archive
from airlock.storage.partial import Partial
from airlock.storage.volume_set import VolumeSet, needed, restored, unreadable

_TASK = "Joining"


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    complete: bool
    faults: tuple[str, ...]
    """Of the volumes at hand, one line a volume."""
    restored: tuple[int, ...]
    """The data volumes of which blocks were made again in this run."""
    needed: str
    """Which volumes to bring; empty where it is complete."""
    read: int
    """Volumes of which every block is there, of those that are not parity `of`."""
    of: int
    bytes: int
    """Of the file that are there."""


def join(volumes: VolumeSet, partial: Partial, reporter: Reporter) -> Joined:
    """Take what these volumes have, and finish the file if that is all. Raises IntegrityError where the volumes are sound and do
    not make the file that they name."""
    table = volumes.table
    reporter.start(_TASK, table.size)
    reporter.advance(_TASK, partial.take_stock(volumes.is_block))
    faults = list(_take(volumes, partial, reporter))
    made = _restore(volumes, partial, reporter)
    incomplete = [number for number in range(1, table.count + 1) if partial.lacks(number)]
    complete = not any(number <= table.data for number in incomplete)
    if complete:
        partial.cut()
        _check_whole(table, partial)
        partial.finish()
    reporter.finish(_TASK)
    return Joined(
        complete=complete,
        faults=tuple(faults),
        restored=made,
        needed="" if complete else _needed(table, partial, incomplete),
        read=table.data if complete else min(table.data, table.count - len(incomplete)),
        of=table.data,
        bytes=table.size if complete else _bytes(table, partial),
    )


def _take(volumes: VolumeSet, partial: Partial, reporter: Reporter) -> Iterator[str]:
    """Data first, for a block of parity is only worth its place while its stripe lacks one."""
    table = volumes.table
    for number, copies in volumes.volumes.items():
        bad = [
            block
            for block in range(table.blocks(number))
            if _wanted(table, partial, number, block) and not _copy(volumes, partial, number, block, reporter)
        ]
        faults = [f"{volume.where}: {fault}" for volume in copies for fault in volume.faults]
        if bad:
            faults.append(f"{copies[0].where}: {table.label(number)}: {unreadable(bad)}")
        yield from faults
    for stray in volumes.strays:
        yield f"{stray.where}: {stray.why}"


def _wanted(table: SetTable, partial: Partial, number: int, block: int) -> bool:
    if partial.has(number, block):
        return False
    return number <= table.data or bool(_gaps(table, partial, block))


def _gaps(table: SetTable, partial: Partial, block: int) -> tuple[int, ...]:
    """The data volumes of which this block is missing."""
    return tuple(number for number in range(1, table.data + 1) if not partial.has(number, block))


def _copy(volumes: VolumeSet, partial: Partial, number: int, block: int, reporter: Reporter) -> bool:
    data = volumes.read(number, block)
    if data is None:
        return False
    partial.write(number, block, data)
    if number <= volumes.table.data:
        reporter.advance(_TASK, len(data))
    return True


def _restore(volumes: VolumeSet, partial: Partial, reporter: Reporter) -> tuple[int, ...]:
    table = volumes.table
    made: set[int] = set()

    def read(number: int, block: int) -> bytes | None:
        return partial.read(number, block) if partial.has(number, block) else None

    for block in range(table.blocks(1)):
        wanted = _gaps(table, partial, block)
        if not wanted or len(wanted) > table.parity:
            continue
        for number, data in restored(table, block, wanted, read, _without(table, partial, block)).items():
            if volumes.is_block(number, block, data):
                partial.write(number, block, data)
                reporter.advance(_TASK, len(data))
                made.add(number)
    return tuple(sorted(made))


def _without(table: SetTable, partial: Partial, block: int) -> Iterator[int]:
    return (number for number in range(1, table.count + 1) if not partial.has(number, block))


def _bytes(table: SetTable, partial: Partial) -> int:
    return sum(
        table.length(number, block)
        for number in range(1, table.data + 1)
        for block in range(table.blocks(number))
        if partial.has(number, block)
    )


def _needed(table: SetTable, partial: Partial, incomplete: Sequence[int]) -> str:
    """Parity volumes of which some blocks are not kept, as their stripes are complete, do not count as incomplete."""
    gaps = [
        number
        for number in incomplete
        if any(
            _gaps(table, partial, block) and not partial.has(number, block)
            for block in range(table.blocks(number))
        )
    ]
    return needed(table, gaps)


def _check_whole(table: SetTable, partial: Partial) -> None:
    with partial.source.open("rb") as stream:
        found, _ = digest_of_stream(stream)
        try:
            if found != table.digest:
                raise IntegrityError(
                    table.name, "not the file that its volumes name", expected=table.digest, found=found
                )
            check_index(Archive(stream, table.name), table)
        except IntegrityError:
            partial.discard()
            raise


def check_index(archive: Archive, table: SetTable) -> None:
    """The index and signatures of the file are those that every volume has a copy of. Raises IntegrityError."""
    for member in table.members:
        found = digest_of(archive.read(member.name, MAX_SIZE))
        if found != member.digest:
            what = f"its {member.name} is not the one that its volumes have a copy of"
            raise IntegrityError(archive.where, what, expected=member.digest, found=found)
    trust = {name for name in archive.members if name.startswith("trust/")}
    if trust != {member.name for member in table.members} - {INDEX}:
        raise IntegrityError(archive.where, "its signatures are not those that its volumes have copies of")
