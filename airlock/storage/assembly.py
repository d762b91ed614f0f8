"""An archive that is put together of members which come in any order, over several runs: `.NAME.airpull` beside its
destination, then the destination. There is never a second copy.

Every member has its place from the start, as a tar's layout follows from sizes alone. What an earlier run left is known by
comparing it with its digest; of the member that was being written, what lies before its first hole is taken up.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from airlock.core.digest import CHUNK, Digest, Hasher
from airlock.errors import IntegrityError
from airlock.storage.archive import END, layout, member_header, padding_of
from airlock.storage.partial import open_partial, take_the_place, write_at
from airlock.storage.room import check_room

_COMMAND = "airlock pull"


class Assembly:
    """May be written to from several threads, each at a member of its own."""

    def __init__(self, destination: Path, sizes: Mapping[str, int]) -> None:
        """`sizes` (bytes) by member name, in the archive's order. Raises IntegrityError for names that no archive has and
        where something foreign lies in the place of the partial file, TargetError where there is no room or another process
        is at it; OSError."""
        self._destination = destination
        self.path = destination.with_name(f".{destination.name[:200]}.airpull")
        self._spans, self.size = layout(sizes, destination.name)
        destination.parent.mkdir(parents=True, exist_ok=True)
        check_room(self.path, self.size - _taken(self.path))
        self._file = open_partial(self.path, _COMMAND)
        if os.fstat(self._file).st_size != self.size:
            os.ftruncate(self._file, 0)

    def reserve(self) -> None:
        """Make the file as large as it will be, as a hole."""
        os.ftruncate(self._file, self.size)

    def close(self) -> None:
        os.close(self._file)

    def left_of(self, name: str, digest: Digest) -> Hasher:
        """The part of a member that an earlier run wrote, hashed: all of it, or what lies before the block in which it broke
        off, for a file system knows of holes by the block."""
        span = self._spans[name]
        start, end = span.offset, span.offset + span.size
        written = min(self._data_from(start), end)
        if written == end and (whole := self._hashed(start, end)).digest == digest:
            return whole
        return self._hashed(start, max(start, written - os.fstat(self._file).st_blksize))

    def _data_from(self, start: int) -> int:
        """Where the next hole is; `start` itself where there is nothing."""
        with suppress(OSError):  # nothing but a hole, or a file system without any
            if os.lseek(self._file, start, os.SEEK_DATA) == start:
                return os.lseek(self._file, start, os.SEEK_HOLE)
        return start

    def _hashed(self, start: int, end: int) -> Hasher:
        hasher = Hasher()
        for chunk in self._read(start, end):
            hasher.update(chunk)
        return hasher

    def _read(self, start: int, end: int) -> Iterator[bytes]:
        while start < end and (chunk := os.pread(self._file, min(CHUNK, end - start), start)):
            start += len(chunk)
            yield chunk

    def write(self, name: str, digest: Digest, left: Hasher, chunks: Iterable[bytes]) -> None:
        """Continue a member behind what `left` has hashed. Raises IntegrityError where it becomes another one than `digest`
        names, or longer than was said; OSError."""
        span = self._spans[name]
        for chunk in chunks:
            if left.size + len(chunk) > span.size:
                raise IntegrityError(name, "longer than was said", expected=f"{span.size} bytes")
            write_at(self._file, span.offset + left.size, chunk, self.path)
            left.update(chunk)
        if (left.size, left.digest) != (span.size, digest):
            found = f"{left.digest}, {left.size} bytes"
            raise IntegrityError(name, "other bytes", expected=f"{digest}, {span.size} bytes", found=found)

    def finish(self) -> None:
        """Add what stands between the members, and take the destination's place, synced."""
        for name, span in self._spans.items():
            header = member_header(name, span.size)
            write_at(self._file, span.offset - len(header), header, self.path)
            write_at(self._file, span.offset + span.size, bytes(padding_of(span.size)), self.path)
        write_at(self._file, self.size - len(END), END, self.path)
        take_the_place(self._file, self.path, self._destination)


def _taken(path: Path) -> int:
    """Bytes of the disk."""
    try:
        return path.lstat().st_blocks * 512
    except FileNotFoundError:
        return 0
