"""What a wheel is built from: an archive whose bytes are pinned, or a tree."""

import os
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import BinaryIO

from airlock.core import damaged
from airlock.core.digest import Digest
from airlock.core.paths import safe_path
from airlock.errors import AirlockError, IntegrityError

EPOCH = 315_532_800
"""1980-01-01, the first day that a zip archive can hold: SOURCE_DATE_EPOCH where a source has no time of its own."""
_LATEST = 4_354_819_198
"""The last day of 2107, the last that it can hold."""
MAX_FILES = 200_000
MAX_BYTES = 8 << 30
"""Bytes of all files of a source archive together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    label: str
    """How messages name it, as `docopt 0.6.2`."""
    digest: Digest
    """Of everything that decides the wheel."""
    unpack: Callable[[Path], int]
    """`unpack(directory)` writes the tree into an empty directory, and returns its SOURCE_DATE_EPOCH. Raises
    IntegrityError or UsageError."""
    subdirectory: str = ""
    """Of the tree, where the project is not at its top."""
    version: Callable[[], str] | None = None
    """What version control would say that the version is (PEP 440), where somebody knows. Asked only where the project's
    metadata does not have it. May raise FetchError."""


def archive_source(label: str, file: str, digest: Digest, opened: Callable[[], BinaryIO]) -> Source:
    """A source archive, as an sdist: `opened` opens its bytes, `file` tells by its end what they are."""

    def unpack(directory: Path) -> int:
        with opened() as stream:
            return unpack_archive(stream, file, directory)

    return Source(label=label, digest=digest, unpack=unpack)


def unpack_archive(stream: BinaryIO, file: str, directory: Path) -> int:
    """Write the files of a `.tar.gz` (`.tar`, `.tar.bz2`, `.tar.xz`) or `.zip`. Nothing is written elsewhere, and no link
    leads elsewhere. Returns the newest time of its members. Raises IntegrityError."""
    try:
        newest = (_unzip if file.endswith(".zip") else _untar)(stream, file, directory)
    except AirlockError:
        raise
    except (
        tarfile.TarError,
        _with_filters().TarError,
        *damaged.ZIP,
        OSError,
    ) as error:
        raise IntegrityError(file, f"not a source archive that can be unpacked, {error}") from error
    return min(max(newest, EPOCH), _LATEST)


def _untar(stream: BinaryIO, file: str, directory: Path) -> int:
    newest, room = 0, _Room(file)
    with _with_filters().open(fileobj=stream, mode="r:*") as archive:
        for member in archive:
            room.take(member.size)
            archive.extract(member, directory, filter="data")
            if member.isreg():
                newest = max(newest, int(member.mtime))
    return newest


def _with_filters() -> ModuleType:
    """The standard library's `tarfile` where it has the filters of PEP 706 (from Python 3.11.4 on), else its backport."""
    if hasattr(tarfile, "data_filter"):
        return tarfile
    from backports import tarfile as backport

    module: ModuleType = backport
    return module


def _unzip(stream: BinaryIO, file: str, directory: Path) -> int:
    import calendar

    newest, room = 0, _Room(file)
    with zipfile.ZipFile(stream) as archive:
        for member in archive.infolist():
            room.take(member.file_size)
            path = directory / safe_path(member.filename.rstrip("/"), f"{file}: {member.filename!r}")
            if member.is_dir():
                path.mkdir(parents=True, exist_ok=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(member) as content, path.open("xb") as out:
                while chunk := content.read(1 << 20):
                    out.write(chunk)
            path.chmod(0o755 if member.external_attr >> 16 & 0o100 else 0o644)
            time = calendar.timegm((*member.date_time, 0, 0, 0))
            os.utime(path, (time, time))
            newest = max(newest, time)
    return newest


class _Room:
    def __init__(self, file: str) -> None:
        self._file, self._files, self._bytes = file, 0, 0

    def take(self, size: int) -> None:
        self._files += 1
        self._bytes += size
        if self._files > MAX_FILES or self._bytes > MAX_BYTES:
            raise IntegrityError(
                self._file, "too large to be unpacked", expected=f"{MAX_FILES} files, {MAX_BYTES} bytes"
            )


def project_root(directory: Path) -> Path:
    """The folder that an archive has everything in, or the directory itself."""
    entries = list(directory.iterdir())
    return (
        entries[0] if len(entries) == 1 and entries[0].is_dir() and not entries[0].is_symlink() else directory
    )


def copy_tree(tree: Path, to: Path, *, backwards: bool) -> None:
    """A copy whose files were made in the order of their names, or the other way round."""
    to.mkdir(parents=True)
    for path in sorted(_paths(tree), reverse=backwards):
        source, target = tree / path, to / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_symlink():
            target.symlink_to(source.readlink())
        elif source.is_dir():
            target.mkdir(exist_ok=True)
        else:
            _copy_file(source, target)


def _copy_file(source: Path, target: Path) -> None:
    status = source.stat()
    with source.open("rb") as content, target.open("xb") as out:
        while chunk := content.read(1 << 20):
            out.write(chunk)
    target.chmod(0o755 if status.st_mode & 0o100 else 0o644)
    os.utime(target, (int(status.st_mtime), int(status.st_mtime)))


def _paths(tree: Path) -> Iterator[Path]:
    for folder, names, files in os.walk(tree):
        for name in (*names, *files):
            yield Path(folder, name).relative_to(tree)
