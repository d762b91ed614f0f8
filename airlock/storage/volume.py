"""Volumes of a set: one file each, an archive whose last member is the volume's share of the file that was split.

Each is judged alone: what its header says, and block by block what its share holds. A block that is damaged, or whose sector
the drive cannot read, is missing; the rest of the volume is used.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from airlock.core.digest import CHUNK, digest_of
from airlock.errors import IntegrityError
from airlock.formats.volume import (
    HEADER,
    LISTS,
    MAX_HEADER,
    PAYLOAD,
    SetTable,
    VolumeHeader,
    parse_header,
)
from airlock.storage.archive import BLOCK, END, Archive, member_header, padding_of

SUFFIX = ".airvol"
MAX_FILES = 10_000
"""Files of a folder that are looked at."""
_FIRST = HEADER.encode() + b"\0"


class Volume:
    """An open volume whose header is sound. `faults` says what else is wrong, its share aside."""

    def __init__(self, path: Path) -> None:
        """Raises IntegrityError where it is no volume, or its header is damaged; OSError."""
        self.path, self.where = path, str(path)
        self._stream = open_regular(path)
        try:
            self.archive = Archive(self._stream, self.where, last=PAYLOAD)
            data = self.archive.read(HEADER, MAX_HEADER)
            self.header: VolumeHeader = parse_header(data, f"{self.where}: {HEADER}")
            self._check_layout()
            self.faults: tuple[str, ...] = tuple(self._faults())
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._stream.close()

    @property
    def table(self) -> SetTable:
        return self.header.table

    @property
    def number(self) -> int:
        return self.header.number

    def _check_layout(self) -> None:
        table = self.table
        copies = [(member.name, member.size) for member in table.members]
        share = table.share(self.number)
        expected = [(LISTS, table.lists_size), (PAYLOAD, share)]
        found = [(name, span.size) for name, span in self.archive.members.items()][1:]
        if found != copies + expected:
            raise IntegrityError(
                self.where,
                "does not hold what its header says",
                expected=_names(copies + expected),
                found=_names(found),
            )

    def _faults(self) -> Iterator[str]:
        for member in self.table.members:
            with self.archive.open(member.name) as stream:
                if digest_of(stream.read()) != member.digest:
                    yield f"its copy of {member.name} is damaged"
        for number in range(1, self.table.count + 1):
            if self.list_of(number) is None:
                yield f"its list of the blocks of volume {number} is damaged"
        span = self.archive.members[PAYLOAD]
        tail = bytes(padding_of(span.size)) + END
        end = span.offset + span.size
        size = os.fstat(self._stream.fileno()).st_size
        if size < end + len(tail):
            yield f"truncated: expected {end + len(tail)} bytes, found {size}"
        elif size > end + len(tail):
            yield f"bytes behind its end: expected {end + len(tail)} bytes, found {size}"
        elif self._at(end, len(tail)) != tail:
            yield "its end is damaged"

    def list_of(self, number: int) -> bytes | None:
        """The digests of a volume's blocks, as this volume has them; None where they are damaged."""
        start, end = self.table.list_place(number)
        data = self._at(self.archive.members[LISTS].offset + start, end - start)
        return data if data and digest_of(data) == self.table.lists[number - 1] else None

    def block(self, number: int) -> bytes | None:
        """A block of its share, unchecked; None where it cannot be read."""
        place = self.archive.members[PAYLOAD].offset + number * self.table.block
        return self._at(place, self.table.length(self.number, number))

    def _at(self, offset: int, size: int) -> bytes | None:
        """None where there is less, or the medium fails."""
        try:
            data = os.pread(self._stream.fileno(), size, offset)
        except OSError:
            return None
        return data if len(data) == size else None


def _names(members: Sequence[tuple[str, int]]) -> str:
    return ", ".join(f"{name} of {size} bytes" for name, size in members[:8])


def open_regular(path: Path) -> BinaryIO:
    """A file to read, never a pipe that one would wait for. Raises IntegrityError or OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise IntegrityError(str(path), "not a file")
    return os.fdopen(descriptor, "rb", buffering=CHUNK)


def looks_like_a_volume(path: Path) -> bool:
    """By what it begins with, for discs may change names; by its name, for it may begin with damage."""
    if path.name.lower().endswith(SUFFIX):
        return True
    try:
        with open_regular(path) as stream:
            start = stream.read(BLOCK)
    except (OSError, IntegrityError):
        return False
    return start.startswith(_FIRST) and start[:100] == member_header(HEADER, 0)[:100]


def volume_files(places: Sequence[Path]) -> tuple[Path, ...]:
    """The volumes among files and in folders, not below them, sorted within a folder. Raises IntegrityError or OSError."""
    found: list[Path] = []
    for place in places:
        if not place.is_dir():
            found.append(place)
            continue
        files = sorted(place.iterdir())
        if len(files) > MAX_FILES:
            hint = "name the volumes themselves"
            expected = f"at most {MAX_FILES} files"
            raise IntegrityError(str(place), "too full", expected=expected, found=str(len(files)), hint=hint)
        found += [path for path in files if looks_like_a_volume(path)]
    return tuple(dict.fromkeys(found))
