"""The files of a layout or archive on disk, by their names: a directory, or a tar that is read in place."""

import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol, cast

from airlock.core.paths import safe_path
from airlock.errors import IntegrityError, UsageError

_MOST = 200_000
"""Members of an archive."""
_LINKS = 8


class Files(Protocol):
    def size(self, name: str) -> int | None:
        """Bytes; None where there is no such file."""

    def open(self, name: str) -> BinaryIO:
        """Raises IntegrityError where there is no such file. The caller closes it."""


class Folder:
    """Nothing outside of it is read, whatever its links say."""

    def __init__(self, root: Path, where: str) -> None:
        self._root, self._where = root.resolve(), where

    def size(self, name: str) -> int | None:
        path = self._path(name)
        return path.stat().st_size if path else None

    def open(self, name: str) -> BinaryIO:
        if (path := self._path(name)) is None:
            raise IntegrityError(self._where, "a file is missing", expected=name)
        return path.open("rb")

    def _path(self, name: str) -> Path | None:
        path = (self._root / safe_path(name, self._where)).resolve()
        return path if path.is_file() and path.is_relative_to(self._root) else None


class Tar:
    def __init__(self, archive: tarfile.TarFile, where: str) -> None:
        self._archive, self._where = archive, where
        self._members: Mapping[str, tarfile.TarInfo] = dict(self._all())

    def size(self, name: str) -> int | None:
        member = self._member(name)
        return member.size if member else None

    def open(self, name: str) -> BinaryIO:
        if (member := self._member(name)) is None:
            raise IntegrityError(self._where, "a file is missing", expected=name)
        return cast("BinaryIO", self._archive.extractfile(member))

    def _member(self, name: str) -> tarfile.TarInfo | None:
        """A regular file; links are followed within the archive, for old ones have a layer that is used twice so."""
        for _ in range(_LINKS):
            member = self._members.get(name)
            if member is None or member.isreg():
                return member
            if not (member.issym() or member.islnk()):
                return None
            above = "" if member.islnk() else name.rpartition("/")[0]
            name = _joined(above, member.linkname)
        return None

    def _all(self) -> Iterator[tuple[str, tarfile.TarInfo]]:
        try:
            for number, member in enumerate(self._archive):
                if number >= _MOST:
                    raise IntegrityError(self._where, "too many members", expected=f"at most {_MOST}")
                yield member.name.removeprefix("./"), member
        except tarfile.TarError as error:
            raise IntegrityError(self._where, f"not a tar that can be read, {error}") from error


def _joined(above: str, target: str) -> str:
    parts: list[str] = []
    for part in (PurePosixPath(above) / target).parts:
        if part == "..":
            parts = parts[:-1]
        else:
            parts.append(part)
    return "/".join(parts)


@contextmanager
def opened(path: Path, where: str) -> Iterator[Files]:
    """The files of a directory, or of a tar without compression. Raises UsageError or IntegrityError."""
    if path.is_dir():
        yield Folder(path, where)
        return
    try:
        archive = tarfile.open(path, "r:")  # noqa: SIM115
    except FileNotFoundError as error:
        raise UsageError(where, "no such file or directory") from error
    except (OSError, tarfile.TarError) as error:
        hint = "an archive that is compressed as a whole must be decompressed first"
        raise IntegrityError(where, "not a tar", hint=hint) from error
    with archive:
        yield Tar(archive, where)
