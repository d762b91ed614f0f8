"""A file that is put together in several runs: `.NAME.SET.airpart` beside its destination, then the destination.

It holds every block at its place, parity behind the file's own bytes, and nothing else: what is in it is known by comparing its
blocks with their digests, so a run that was cut off, or a file that is no such thing, costs what is not right in it, and no
more.
"""

import errno
import fcntl
import os
from collections.abc import Callable
from glob import escape
from pathlib import Path

from airlock.core.digest import Digest, hex_of
from airlock.errors import IntegrityError, TargetError
from airlock.formats.volume import SetTable
from airlock.storage.atomic import sync_directory
from airlock.storage.regular import open_own

_FOREIGN = "a link, a pipe, or a file of somebody else"


class Partial:
    def __init__(self, destination: Path, table: SetTable, identity: Digest) -> None:
        """Raises IntegrityError where a file of another set is being put together for the same destination, or something else
        lies there, TargetError where another process is at it; OSError."""
        self._destination, self._table = destination, table
        self.path = destination.with_name(f".{destination.name[:200]}.{hex_of(identity)[:8]}.airpart")
        destination.parent.mkdir(parents=True, exist_ok=True)
        self._refuse_another_set(hex_of(identity)[:8])
        self._file = open_partial(self.path, "airlock join")
        self._has = [bytearray(table.blocks(number)) for number in range(1, table.count + 1)]

    def _refuse_another_set(self, identity: str) -> None:
        start = self.path.name.removesuffix(f"{identity}.airpart")
        for path in self.path.parent.glob(f"{escape(start)}????????.airpart"):
            if path != self.path and path.is_file():
                begun = path.name.removeprefix(start).removesuffix(".airpart")
                raise IntegrityError(
                    str(self._destination),
                    "this disc is of another set than those that were read for it",
                    expected=f"set {begun}",
                    found=f"set {identity}",
                    hint=f"insert a disc of set {begun}; to begin with this set instead, remove {path} or give another -o",
                )

    def close(self) -> None:
        os.close(self._file)

    @property
    def taken(self) -> int:
        """Bytes of the disk that it takes now."""
        return os.fstat(self._file).st_blocks * 512

    def take_stock(self, is_block: Callable[[int, int, bytes], bool]) -> int:
        """Find what an earlier run left. Returns how many bytes of the file itself there are."""
        found = 0
        for number in range(1, self._table.count + 1):
            for block in range(self._table.blocks(number)):
                if self._may_have(number, block) and is_block(number, block, self.read(number, block)):
                    self._has[number - 1][block] = 1
                    found += self._table.length(number, block) if number <= self._table.data else 0
        return found

    def _place(self, number: int, block: int) -> int:
        return (number - 1) * self._table.stride + block * self._table.block

    def _may_have(self, number: int, block: int) -> bool:
        """False for a hole."""
        place = self._place(number, block)
        try:
            return os.lseek(self._file, place, os.SEEK_DATA) < place + self._table.length(number, block)
        except OSError:
            return False

    def has(self, number: int, block: int) -> bool:
        return bool(self._has[number - 1][block]) if self._table.length(number, block) else True

    def lacks(self, number: int) -> bool:
        """Whether any block of the volume is missing."""
        return 0 in self._has[number - 1]

    def read(self, number: int, block: int) -> bytes:
        return os.pread(self._file, self._table.length(number, block), self._place(number, block))

    def write(self, number: int, block: int, data: bytes) -> None:
        """A block that was checked."""
        write_at(self._file, self._place(number, block), data, self.path)
        self._has[number - 1][block] = 1

    @property
    def source(self) -> Path:
        """The same, to be read."""
        return Path(f"/proc/self/fd/{self._file}")

    def cut(self) -> None:
        """Leave the file's own bytes alone."""
        os.ftruncate(self._file, self._table.size)

    def finish(self) -> None:
        """Take the destination's place, synced."""
        take_the_place(self._file, self.path, self._destination)

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)


def write_at(descriptor: int, place: int, data: bytes, path: Path) -> None:
    """All of it, at the offset `place`. Raises OSError that names `path`."""
    left = memoryview(data)
    while left:
        try:
            done = os.pwrite(descriptor, left, place)
        except OSError as error:
            error.filename = str(path)  # a full disk does not say which
            raise
        place, left = place + done, left[done:]


def take_the_place(descriptor: int, path: Path, destination: Path) -> None:
    """The file that is open becomes `destination`, synced."""
    os.fchmod(descriptor, 0o644)
    os.fsync(descriptor)
    path.replace(destination)
    sync_directory(destination.parent)


def open_partial(path: Path, command: str) -> int:
    """A descriptor of a new file, or of one that an earlier run of `command` left, locked. Nobody else can have it open, or
    know it by another name: what is written there would reach them, and what they write would reach the file that is made of
    it. Raises IntegrityError where something else lies there, TargetError where another process is at it; OSError."""
    hint, expected = (
        "remove it, or name a folder that others cannot write to",
        f"a file of an earlier `{command}`",
    )
    try:
        descriptor = open_own(path, 0o600)
    except IntegrityError as error:
        raise IntegrityError(str(path), _FOREIGN, expected=expected, hint=hint) from error
    try:
        found = os.fstat(descriptor)
        # who owns the folder may replace it anyway, and is the one owner there is where a file system knows none
        owners = os.geteuid(), path.parent.stat().st_uid
        if found.st_nlink != 1 or found.st_uid not in owners:
            raise IntegrityError(str(path), _FOREIGN, expected=expected, hint=hint)
        _lock(descriptor, path, command)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _lock(descriptor: int, path: Path, command: str) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            raise
        hint = "wait until it has ended"
        raise TargetError(str(path), f"another `{command}` is at it", hint=hint) from error
