"""A disk whose power fails after a number of changes."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from airlock.core.digest import Digest
from airlock.storage.disk import KeptFile, NewFile, RealDisk, part_of


class PowerCut(BaseException):
    """No handler takes it for an error."""


class FailingDisk:
    """Does `changes` changes; the next one is not done, or, for a file, only half."""

    def __init__(self, root: Path, changes: int) -> None:
        self._disk, self.left = RealDisk(root), changes

    def _spend(self) -> None:
        if self.left == 0:
            self._disk.close()
            raise PowerCut
        self.left -= 1

    def make_directory(self, path: str) -> None:
        self._spend()
        self._disk.make_directory(path)

    def write(self, path: str, chunks: Iterable[bytes], mode: int, like: str = "") -> tuple[Digest, int]:
        if self.left == 0:
            self._disk.write(path, self._half(chunks), mode)
        self._spend()
        return self._disk.write(path, chunks, mode, like)

    def write_all(self, files: Sequence[NewFile]) -> list[Digest]:
        return [self.write(file.path, part_of(file), file.mode, file.like)[0] for file in files]

    def link_all(self, files: Sequence[KeptFile]) -> list[bool]:
        return [self._link(file) for file in files]

    def _link(self, file: KeptFile) -> bool:
        self._spend()
        return self._disk.link_all([file])[0]

    def _half(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            yield chunk[: len(chunk) // 2]
            break
        self._spend()

    def append(self, path: str, data: bytes) -> None:
        if self.left == 0:
            self._disk.append(path, data[: len(data) // 2])
        self._spend()
        self._disk.append(path, data)

    def symlink(self, target: str, path: str) -> None:
        self._spend()
        self._disk.symlink(target, path)

    def rename(self, source: str, path: str) -> None:
        self._spend()
        self._disk.rename(source, path)

    def remove(self, path: str) -> None:
        self._spend()
        self._disk.remove(path)

    def sync(self, path: str = "") -> None:
        self._spend()

    def close(self) -> None:
        self._disk.close()
