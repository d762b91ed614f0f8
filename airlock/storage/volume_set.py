"""The volumes of one set that are at hand, and the file that they carry as one stream, without joining them.

Every block is compared with its digest before anybody sees it. What no volume has is made again out of parity, where that
suffices.
"""

import errno
import hashlib
import io
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from airlock.core.digest import Digest
from airlock.core.erasure import Sums, weights
from airlock.errors import IntegrityError
from airlock.formats.volume import DIGEST, SetTable
from airlock.storage.volume import Volume, volume_files

_CACHED = 4
"""Blocks that a stream keeps."""
Read = Callable[[int, int], bytes | None]
"""A block by its volume's number and its own; None where it is not to be had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stray:
    """A file that is no volume of the set, or whose header is damaged."""

    where: str
    why: str


class VolumeSet:
    """Several copies of a volume complete each other. Reading is safe from several threads."""

    def __init__(self, volumes: Sequence[Volume], strays: Sequence[Stray]) -> None:
        """`volumes` is not empty, and all are of one set."""
        self.table, self.identity = volumes[0].table, volumes[0].header.identity
        self.strays = tuple(strays)
        by_number: dict[int, list[Volume]] = {}
        for volume in volumes:
            by_number.setdefault(volume.number, []).append(volume)
        self.volumes: Mapping[int, Sequence[Volume]] = MappingProxyType(dict(sorted(by_number.items())))
        self.failed = False
        """Whether a block was asked for that is not to be had."""
        self._lists = dict(self._sound_lists())

    def close(self) -> None:
        for copies in self.volumes.values():
            for volume in copies:
                volume.close()

    def _sound_lists(self) -> Iterator[tuple[int, bytes]]:
        for number in range(1, self.table.count + 1):
            found = (volume.list_of(number) for copies in self.volumes.values() for volume in copies)
            if sound := next(filter(None, found), None):
                yield number, sound

    @property
    def missing(self) -> tuple[int, ...]:
        return tuple(number for number in range(1, self.table.count + 1) if number not in self.volumes)

    def is_block(self, number: int, block: int, data: bytes) -> bool:
        """Whether a volume's block is to be these bytes."""
        digests = self._lists.get(number, b"")
        return hashlib.sha256(data).digest() == digests[block * DIGEST : (block + 1) * DIGEST]

    def read(self, number: int, block: int) -> bytes | None:
        """A volume's block as one of its copies has it, checked."""
        for volume in self.volumes.get(number, ()):
            data = volume.block(block)
            if data is not None and self.is_block(number, block, data):
                return data
        return None

    def block(self, number: int, block: int) -> bytes:
        """A data volume's block, checked, made again where it must be. Raises IntegrityError."""
        data = self.read(number, block)
        if data is None:
            data = restored(self.table, block, (number,), self.read, self.missing).get(number)
        if data is None or not self.is_block(number, block, data):
            raise self._fault(number, block)
        return data

    def _fault(self, number: int, block: int) -> IntegrityError:
        self.failed = True
        label = self.table.label(number)
        if copies := self.volumes.get(number):
            hint = f"copy {label} again; `airlock verify` on the set names every fault at once"
            return IntegrityError(copies[0].where, f"block {block} is damaged or cannot be read", hint=hint)
        return IntegrityError(label, "missing, and parity does not make up for it", hint=f"bring {label}")

    def faults(self) -> list[str]:
        """What is seen before a block is read: missing volumes, damaged headers, strays."""
        count = self.table.count
        missing = [f"volume {self.missing[0]} of {count} is missing"] if len(self.missing) == 1 else []
        if len(self.missing) > 1:
            missing = [f"volumes {numbered(self.missing)} of {count} are missing"]
        copies = (volume for copies in self.volumes.values() for volume in copies)
        damaged = [f"{volume.where}: {fault}" for volume in copies for fault in volume.faults]
        return [*missing, *damaged, *(f"{stray.where}: {stray.why}" for stray in self.strays)]


def restored(
    table: SetTable, block: int, wanted: Sequence[int], read: Read, absent: Iterable[int] = ()
) -> Mapping[int, bytes]:
    """Blocks of the volumes `wanted` out of those in the others but `absent`, each added as it is read, so that no memory holds
    them all. Empty where they do not suffice. What comes out is as right as what `read` gives."""
    absent = {*wanted, *absent}
    while True:
        given = [number for number in range(1, table.count + 1) if number not in absent][: table.data]
        if len(given) < table.data:
            return {}
        rows = (tuple(number - 1 for number in numbers) for numbers in (wanted, given))
        sums = Sums(weights(table.count, table.parity, *rows), len(wanted), table.length(1, block))
        failed = next((number for number in given if not _add(sums, table, number, block, read)), None)
        if failed is None:
            made = zip(wanted, sums.rows(), strict=True)
            return {number: data[: table.length(number, block)] for number, data in made}
        absent.add(failed)


def _add(sums: Sums, table: SetTable, number: int, block: int, read: Read) -> bool:
    if not table.length(number, block):
        return True  # beyond the end of a short volume all is zero
    if (data := read(number, block)) is None:
        return False
    sums.add(number - 1, data)
    return True


def numbered(blocks: Iterable[int]) -> str:
    """`3, 7-9`."""
    runs: list[list[int]] = []
    for number in sorted(blocks):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def unreadable(blocks: Sequence[int]) -> str:
    if len(blocks) == 1:
        return f"block {blocks[0]} is damaged or cannot be read"
    return f"blocks {numbered(blocks)} are damaged or cannot be read"


def needed(table: SetTable, incomplete: Sequence[int]) -> str:
    """What to bring where the volumes `incomplete` are missing or damaged, for the rest to suffice."""
    count = len(incomplete) - table.parity
    names = ", ".join(table.label(number) for number in incomplete)
    return names if count == len(incomplete) else f"any {count} of {names}"


def open_set(places: Sequence[Path]) -> VolumeSet:
    """The set that most of the volumes among these files and folders belong to; what does not belong to it is a stray.
    Raises IntegrityError where there is none, or two sets have equally many."""
    volumes: list[Volume] = []
    strays: list[Stray] = []
    for path in volume_files(places):
        try:
            volumes.append(Volume(path))
        except IntegrityError as error:
            strays.append(Stray(where=error.where, why=_reason(error)))
        except OSError as error:
            strays.append(Stray(where=str(path), why=_system(error)))
    try:
        chosen = _chosen(volumes, strays, places)
    except BaseException:
        for volume in volumes:
            volume.close()
        raise
    for volume in volumes:
        if volume.header.identity != chosen:
            volume.close()
            strays.append(Stray(where=volume.where, why=f"a volume of another set: {_described(volume)}"))
    return VolumeSet([volume for volume in volumes if volume.header.identity == chosen], strays)


def _chosen(volumes: Sequence[Volume], strays: Sequence[Stray], places: Sequence[Path]) -> Digest:
    numbers: dict[Digest, set[int]] = {}
    for volume in volumes:
        numbers.setdefault(volume.header.identity, set()).add(volume.number)
    ranked = sorted(numbers, key=lambda identity: -len(numbers[identity]))
    where = ", ".join(map(str, places))
    if not ranked:
        what = "; ".join(f"{stray.where}: {stray.why}" for stray in strays) or "there is no volume"
        raise IntegrityError(where, f"no set of volumes: {what}", hint="name the folders that volumes lie in")
    if len(ranked) > 1 and len(numbers[ranked[0]]) == len(numbers[ranked[1]]):
        found = "; ".join(f"{volume.where} of {_described(volume)}" for volume in volumes)
        raise IntegrityError(where, "volumes of several sets", found=found, hint="name those of one set")
    return ranked[0]


def _described(volume: Volume) -> str:
    return f"{volume.table.label(volume.number)}, set {volume.header.identity[7:15]}"


def _reason(error: IntegrityError) -> str:
    return str(error).removeprefix(f"{error.where}: ")


def _system(error: OSError) -> str:
    return "a bad sector in its header" if error.errno == errno.EIO else str(error.strerror or error)


class VolumeStream(io.RawIOBase):
    """The file that a set carries, to read and seek; a position and a few blocks of its own."""

    def __init__(self, volumes: VolumeSet) -> None:
        self._set, self._position = volumes, 0
        self._blocks: OrderedDict[tuple[int, int], bytes] = OrderedDict()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._set.table.size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        """As much as there is: short at the end of the file alone."""
        view = memoryview(buffer)
        done = 0
        while done < len(view) and self._position < self._set.table.size:
            part = self._here(len(view) - done)
            view[done : done + len(part)] = part
            done += len(part)
            self._position += len(part)
        return done

    def _here(self, most: int) -> memoryview:
        table = self._set.table
        volume, place = divmod(self._position, table.stride)
        number, offset = divmod(place, table.block)
        return memoryview(self._block(volume + 1, number))[offset : offset + most]

    def _block(self, number: int, block: int) -> bytes:
        key = (number, block)
        data = self._blocks.get(key)
        if data is None:
            data = self._blocks[key] = self._set.block(number, block)
            if len(self._blocks) > _CACHED:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end(key)
        return data
