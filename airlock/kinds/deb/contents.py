"""The files of a Debian package (deb(5)): `data.tar` read as a stream, each entry checked, nothing unpacked here.

An unpacked prefix takes what runs from any place: regular files, links that stay inside, hard links. What needs the system
itself is refused with its name: set-id bits, devices, sockets. Directories are made where a file needs them.
"""

import posixpath
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO, cast

from airlock.core.expanded import Member
from airlock.core.paths import SafePath, safe_path
from airlock.errors import IntegrityError
from airlock.kinds.deb.compressed import PIECE, Chunks, decompressed
from airlock.kinds.deb.tape import checked, damaged

MERGED = frozenset({"bin", "sbin", "lib", "lib32", "lib64", "libo32", "libx32"})
"""Folders that are links to those of the same name below `usr` (Debian's merged /usr)."""
MAX_ENTRIES = 200_000
NO_TWIN = "a hard link to no file of the package"
_HINT = 'it belongs into the base, or set mode = "system"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """`chunks` end when the next entry is asked for."""

    path: SafePath
    """Below the prefix, with /usr merged."""
    mode: int
    chunks: Iterator[bytes]
    link: str = ""
    """Not empty for a symbolic link: what it says, relative to its own folder."""
    twin: SafePath | None = None
    """Of a hard link: the path that it is another name of."""


def entries(contents: Iterable[Member], where: str) -> Iterator[Entry]:
    """What the package puts on a machine. Raises IntegrityError."""
    for member in contents:
        name = member.name.rstrip("/")
        if name.startswith("data.tar"):
            yield from _of_tar(_unpacked(member, f"{where}: {name}"), where)
            return
    raise IntegrityError(where, "not a Debian package, there is no data.tar in it")


def _unpacked(member: Member, where: str) -> Iterator[bytes]:
    if member.unpacked is not None:
        return member.unpacked
    suffix = member.name.rstrip("/").rpartition(".")[2]
    return member.chunks if suffix == "tar" else decompressed(member.chunks, suffix, where)


def _of_tar(chunks: Iterator[bytes], where: str) -> Iterator[Entry]:
    try:
        stream = cast("IO[bytes]", Chunks(checked(chunks, where)))
        with tarfile.open(fileobj=stream, mode="r|", encoding="utf-8") as archive:
            for number, member in enumerate(archive):
                if number == MAX_ENTRIES:
                    raise IntegrityError(where, "too many files", expected=f"at most {MAX_ENTRIES}")
                if (entry := _entry(archive, member, where)) is not None:
                    yield entry
    except (tarfile.TarError, ValueError, EOFError) as error:
        raise damaged(where, str(error)) from error


def _entry(archive: tarfile.TarFile, member: tarfile.TarInfo, where: str) -> Entry | None:
    name = _plain(member.name)
    if member.isdir() or name in MERGED:
        return None
    path = _placed(name, where)
    place = f"{where}: {path}"
    if member.mode & 0o6000 and not member.issym():
        raise IntegrityError(
            place, "has a set-id bit, which nothing in an unpacked prefix may have", hint=_HINT
        )
    if member.issym():
        return Entry(path=path, mode=0o777, chunks=iter(()), link=_inside(name, member.linkname, place))
    mode = member.mode & 0o755 | 0o400
    if member.islnk():
        return Entry(path=path, mode=mode, chunks=iter(()), twin=_placed(_plain(member.linkname), place))
    if not member.isreg() or member.issparse():
        raise IntegrityError(place, "a device, a pipe, or a sparse file", hint=_HINT)
    return Entry(path=path, mode=mode, chunks=_content(archive, member, where))


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo, where: str) -> Iterator[bytes]:
    content = archive.extractfile(member)
    assert content is not None, "it is a regular file"
    try:
        while data := content.read(PIECE):
            yield data
    except tarfile.TarError as error:
        raise damaged(where, str(error)) from error


def _plain(name: str) -> str:
    return name.removeprefix("./").rstrip("/")


def _placed(name: str, where: str) -> SafePath:
    """Raises IntegrityError."""
    return safe_path(_merged(name), f"{where}: {name[:120]!r}")


def _merged(name: str) -> str:
    return f"usr/{name}" if name.partition("/")[0] in MERGED else name


def _inside(name: str, target: str, where: str) -> str:
    """A link's target, so that it leads to the same within the prefix: an absolute one begins there. Raises IntegrityError for
    one that leads out of it."""
    whole = target if target.startswith("/") else f"/{posixpath.dirname(name)}/{target}"
    parts: list[str] = []
    for part in whole.split("/"):
        if part == ".." and not parts:
            raise IntegrityError(where, "a link that leads out of the prefix", found=repr(target[:120]))
        if part == "..":
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    if not parts:
        raise IntegrityError(where, "a link to the prefix itself", found=repr(target[:120]))
    return relative(_merged(name), safe_path(_merged("/".join(parts)), where))


def relative(link: str, target: str) -> str:
    """What a link at one path of the prefix must say to lead to another."""
    return posixpath.relpath(f"/{target}", f"/{posixpath.dirname(link)}")
