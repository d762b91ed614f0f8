"""Look through a package that is to be unpacked, while there is still somebody who can choose another."""

from collections.abc import Iterator
from typing import BinaryIO

from airlock.core.artifact import Artifact
from airlock.core.digest import CHUNK
from airlock.core.expanded import Member
from airlock.errors import IntegrityError
from airlock.kinds import NearSide
from airlock.kinds.deb.contents import NO_TWIN, entries

_MAGIC = b"!<arch>\n"
_HEADER = 60


def check_stored(artifact: Artifact, near: NearSide) -> None:
    """Read a fetched package to its end as `place` will. Raises IntegrityError; the store keeps it all the same, for its
    digest is the one that was locked."""
    with near.store.open(artifact.digest, artifact.label) as stream:
        files, twins = set(), set()
        for entry in entries(members(stream, artifact.label), artifact.label):
            if entry.twin is not None:
                twins.add(entry.twin)
            elif not entry.link:
                files.add(entry.path)
    if lost := sorted(twins - files):
        raise IntegrityError(f"{artifact.label}: {lost[0]}", NO_TWIN)


def members(stream: BinaryIO, where: str) -> Iterator[Member]:
    """The members of the `ar` archive that a package is (deb(5)). Raises IntegrityError."""
    if stream.read(len(_MAGIC)) != _MAGIC:
        raise IntegrityError(where, "not a Debian package")
    while header := stream.read(_HEADER):
        size = header[48:58].strip()
        if len(header) < _HEADER or header[58:] != b"`\n" or not size.isdigit():
            raise IntegrityError(where, "a damaged archive")
        start = stream.tell()
        name = header[:16].decode("latin-1").strip()
        yield Member(name=name, size=int(size), mode=0, chunks=_part(stream, int(size), where))
        stream.seek(start + int(size) + int(size) % 2)


def _part(stream: BinaryIO, size: int, where: str) -> Iterator[bytes]:
    while size:
        if not (chunk := stream.read(min(size, CHUNK))):
            raise IntegrityError(where, "a truncated archive")
        size -= len(chunk)
        yield chunk
