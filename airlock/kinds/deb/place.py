"""Put packages into a generation: unpacked below one folder, or side by side as a repository."""

import tempfile
from collections.abc import Callable, Iterator

from airlock.core.artifact import Artifact
from airlock.core.digest import chunks_of
from airlock.core.expanded import Member
from airlock.core.paths import SafePath, safe_path
from airlock.errors import IntegrityError
from airlock.kinds import Room
from airlock.kinds.deb.contents import NO_TWIN, Entry, entries, relative
from airlock.kinds.deb.rows import LINKS, is_unpacked, placed

MAX_LINKS = 1 << 20
"""Bytes."""


def place(artifact: Artifact, contents: Callable[[], Iterator[Member]], room: Room) -> None:
    """See `Kind.place`."""
    _, destination = placed(artifact)
    if is_unpacked(artifact):
        _unpack(artifact, contents, room, destination)
        return
    chunks = _whole(artifact, contents())
    if artifact.name == LINKS:
        _make_links(artifact, chunks, room, destination)
        return
    room.write(safe_path(f"{destination}/{artifact.file}", artifact.label), chunks, 0o644)


def _whole(artifact: Artifact, members: Iterator[Member]) -> Iterator[bytes]:
    for number, member in enumerate(members):
        if number or member.name:
            raise IntegrityError(artifact.label, "expected the file itself, found members")
        yield from member.chunks


def _unpack(
    artifact: Artifact, contents: Callable[[], Iterator[Member]], room: Room, destination: SafePath
) -> None:
    twins: dict[SafePath, list[Entry]] = {}
    for entry in entries(contents(), artifact.label):
        if entry.twin is not None:
            twins.setdefault(entry.twin, []).append(entry)
        elif entry.link:
            room.link(_below(destination, entry.path), entry.link)
        else:
            room.write(_below(destination, entry.path), entry.chunks, entry.mode)
    if twins:
        _write_twins(artifact, contents, room, destination, twins)


def _write_twins(
    artifact: Artifact,
    contents: Callable[[], Iterator[Member]],
    room: Room,
    destination: SafePath,
    twins: dict[SafePath, list[Entry]],
) -> None:
    """Hard links become files of their own with the same content, which is read once more for all of them."""
    for entry in entries(contents(), artifact.label):
        if entry.twin is None and not entry.link and (same := twins.pop(entry.path, [])):
            with tempfile.TemporaryFile() as content:
                content.writelines(entry.chunks)
                for one in same:
                    content.seek(0)
                    room.write(_below(destination, one.path), chunks_of(content), entry.mode)
    if twins:
        path = next(iter(twins.values()))[0].path
        raise IntegrityError(f"{artifact.label}: {path}", NO_TWIN)


def _make_links(artifact: Artifact, chunks: Iterator[bytes], room: Room, destination: SafePath) -> None:
    """Those that the manifest asks for, one a line."""
    data = b"".join(_at_most(chunks, artifact.label))
    for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
        where = f"{artifact.label}: line {number}"
        link, _, target = line.partition(" ")
        room.link(_below(destination, safe_path(link, where)), relative(link, safe_path(target, where)))


def _at_most(chunks: Iterator[bytes], where: str) -> Iterator[bytes]:
    left = MAX_LINKS
    for chunk in chunks:
        left -= len(chunk)
        if left < 0:
            raise IntegrityError(where, "too large", expected=f"at most {MAX_LINKS} bytes")
        yield chunk


def _below(destination: SafePath, path: SafePath) -> SafePath:
    return safe_path(f"{destination}/{path}", path)
