"""A disk on which one change, or every change from one on, fails with an error of the system."""

import errno
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from airlock.core.digest import Digest
from airlock.storage.disk import KeptFile, NewFile, RealDisk, part_of

_TAKE_ROOM = frozenset({"write", "append", "symlink", "make_directory", "link"})


class FaultyDisk:
    """Does `changes` changes, then fails with `code`: once; or, for a disk that is full, for good, as far as changes take
    room. A write that fails leaves a part of the file, an append a part of the line."""

    def __init__(self, root: Path, changes: int, code: int) -> None:
        self._disk, self.left, self._code = RealDisk(root), changes, code
        self._full = code == errno.ENOSPC

    def _fails(self, what: str) -> bool:
        if self.left > 0:
            self.left -= 1
            return False
        if self._full:
            return what in _TAKE_ROOM
        self.left -= 1
        return self.left == -1

    @property
    def failed(self) -> bool:
        return self.left < 0 or self._full

    def _spend(self, what: str, path: str) -> None:
        if self._fails(what):
            raise self._error(path)

    def _error(self, path: str) -> OSError:
        return OSError(self._code, os.strerror(self._code), path)

    def make_directory(self, path: str) -> None:
        self._spend("make_directory", path)
        self._disk.make_directory(path)

    def write(self, path: str, chunks: Iterable[bytes], mode: int, like: str = "") -> tuple[Digest, int]:
        if self._fails("write"):
            self._disk.write(path, self._half(chunks, path), mode)
        return self._disk.write(path, chunks, mode, like)

    def _half(self, chunks: Iterable[bytes], path: str) -> Iterator[bytes]:
        for chunk in chunks:
            yield chunk[: len(chunk) // 2]
            break
        raise self._error(path)

    def write_all(self, files: Sequence[NewFile]) -> list[Digest]:
        return [self.write(file.path, part_of(file), file.mode, file.like)[0] for file in files]

    def link_all(self, files: Sequence[KeptFile]) -> list[bool]:
        """A file that cannot be linked is written instead, as by the real disk."""
        return [not self._fails("link") and self._disk.link_all([file])[0] for file in files]

    def append(self, path: str, data: bytes) -> None:
        if self._fails("append"):
            self._disk.append(path, data[: len(data) // 2])
            raise self._error(path)
        self._disk.append(path, data)

    def symlink(self, target: str, path: str) -> None:
        self._spend("symlink", path)
        self._disk.symlink(target, path)

    def rename(self, source: str, path: str) -> None:
        self._spend("rename", path)
        self._disk.rename(source, path)

    def remove(self, path: str) -> None:
        self._spend("remove", path)
        self._disk.remove(path)

    def sync(self, path: str = "") -> None:
        self._spend("sync", path)
        self._disk.sync(path)

    def close(self) -> None:
        self._disk.close()
