"""What a delta restores, checked on both sides of the gap: `delta` proves its work with this, `apply` does its own.

Before anything is written, the base must be the one the delta was made for, and every part of it that is needed must be
there and whole. What is restored must be what the new index names.
"""

import io
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from airlock.core.binary_delta import STREAMS, apply_patch
from airlock.core.canonical_json import MAX_SIZE
from airlock.core.digest import Digest, Hasher, digest_of
from airlock.core.forms.sized import section
from airlock.errors import IntegrityError
from airlock.formats.delta_index import (
    MEMBER,
    DeltaIndex,
    Full,
    Keep,
    Origin,
    Patch,
    Row,
    parse_delta_index,
)
from airlock.formats.index import INDEX, BundleIndex, Expanded, frame_name, parse_index
from airlock.storage.archive import Archive
from airlock.storage.delta_streams import StreamReader, member_name, open_streams
from airlock.storage.documents import check_documents
from airlock.storage.frames import decompress, decompress_whole

_IN_MEMORY = 32 << 20
"""Bytes of a base, and of its frame."""


class FrameSource(Protocol):
    """Where the base's frames are: a bundle, or the store of a site."""

    @property
    def where(self) -> str:
        """For messages."""

    @property
    def index(self) -> Digest:
        """The digest of its index, which says which base this is."""

    def open(self, expanded: Digest) -> BinaryIO:
        """The zstd frame of an expanded form. Raises IntegrityError where it is absent."""


class BundleFrames:
    """A bundle as the source of frames."""

    def __init__(self, bundle: Archive) -> None:
        self._bundle = bundle
        self.where = bundle.where
        self.index = digest_of(bundle.read(INDEX, MAX_SIZE))

    def open(self, expanded: Digest) -> BinaryIO:
        return self._bundle.open(frame_name(expanded))


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """A delta, read and found consistent."""

    archive: Archive
    rows: DeltaIndex
    index: BundleIndex
    data: bytes
    """`index.json` of the new bundle."""

    @property
    def expanded(self) -> Mapping[Digest, Expanded]:
        return {entry.expanded.digest: entry.expanded for entry in self.index.entries}


def read_delta(archive: Archive) -> Delta:
    """Check that a delta speaks of the index that it carries. Raises IntegrityError."""
    rows = parse_delta_index(archive.read(MEMBER, MAX_SIZE), f"{archive.where}: {MEMBER}")
    data = archive.read(INDEX, MAX_SIZE)
    if digest_of(data) != rows.new:
        raise IntegrityError(
            f"{archive.where}: index.json",
            "not the index that the delta makes",
            expected=rows.new,
            found=digest_of(data),
        )
    index = parse_index(data, f"{archive.where}: index.json")
    delta = Delta(archive=archive, rows=rows, index=index, data=data)
    if {row.digest for row in rows.rows} != set(delta.expanded):
        raise IntegrityError(f"{archive.where}: {MEMBER}", "does not make exactly what its index names")
    known = _members(rows) | {one.member for one in index.documents}
    for name in archive.members:
        if name not in known and not name.startswith("trust/"):
            raise IntegrityError(f"{archive.where}: member {name}", "not a member of this delta")
    check_documents(archive, index)
    return delta


def _members(rows: DeltaIndex) -> set[str]:
    """Every name that a member of the delta may have, its signatures aside."""
    whole = {frame_name(row.digest) for row in rows.rows if isinstance(row, Full)}
    streams = STREAMS if any(isinstance(row, Patch) for row in rows.rows) else ()
    return {MEMBER, INDEX, *whole, *map(member_name, streams)}


def check_base(base: FrameSource, delta: Delta) -> None:
    """The base is the one of the delta, and every frame that is taken over as it is, is whole; what patches start from is
    checked when it is read. Raises IntegrityError."""
    check_base_index(base, delta)
    for row in delta.rows.rows:
        check_whole(base, delta, row)


def check_whole(base: FrameSource, delta: Delta, row: Row) -> None:
    """A frame that is taken over as it is, is whole. Raises IntegrityError."""
    if isinstance(row, Keep):
        with base.open(row.digest) as frame:
            _check(frame, delta.expanded[row.digest], base.where)
    elif isinstance(row, Full):
        check_carried(delta, row)


def check_carried(delta: Delta, row: Full) -> None:
    """A frame that the delta carries is whole. Raises IntegrityError."""
    with delta.archive.open(frame_name(row.digest)) as frame:
        _check(frame, delta.expanded[row.digest], delta.archive.where)


def check_base_index(base: FrameSource, delta: Delta) -> None:
    """The base is the one of the delta. Raises IntegrityError."""
    if base.index != delta.rows.base:
        project = delta.rows.base_project
        raise IntegrityError(
            base.where,
            f"not the base of this delta, which starts from {project.name} {project.version}",
            expected=f"index {delta.rows.base}",
            found=f"index {base.index}",
            hint="find the bundle with that index: `airlock inspect` tells it",
        )


def _check(frame: BinaryIO, expanded: Expanded, where: str) -> None:
    for _ in decompress(frame, expanded.digest, expanded.size, f"{where}: {frame_name(expanded.digest)}"):
        pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What a patch starts from. Only what the patch makes of it is compared with a digest at once: that tells a wrong base too."""

    content: BinaryIO
    """Of all origins, one behind the other."""
    origins: Sequence[Origin]
    where: str
    """Whose frames they are."""

    def check(self) -> None:
        """Raises IntegrityError where one is not what the row names."""
        start = 0
        for origin in self.origins:
            where, hasher = f"{self.where}: {frame_name(origin.digest)}", Hasher()
            for chunk in section(self.content, start, origin.size, where):
                hasher.update(chunk)
            if hasher.digest != origin.digest:
                raise IntegrityError(
                    where,
                    "content does not match its digest",
                    expected=origin.digest,
                    found=hasher.digest,
                )
            start += origin.size


def restored(base: FrameSource, delta: Delta, scratch: Path) -> Iterator[tuple[Patch, Iterator[bytes]]]:
    """The expanded form of each patched row. Each must be read to its end before the next is asked for; at its end its
    digest was checked. Raises IntegrityError."""
    patches = [row for row in delta.rows.rows if isinstance(row, Patch)]
    streams = open_streams(delta.archive) if patches else {}
    for row in patches:
        old = fetched(base, row.bases, scratch)
        with old.content:
            yield row, patched(delta, row, old, streams)
    for stream in streams.values():
        stream.finish()


def fetched(base: FrameSource, origins: Sequence[Origin], scratch: Path | None) -> Base:
    """What a patch starts from: in memory, or in a file below `scratch` where that would be too much. Raises IntegrityError
    for a frame that is damaged, or not of the size that the row names."""
    if len(origins) == 1 and (held := _held(base, origins[0])):
        return Base(content=held, origins=origins, where=base.where)
    old = cast("BinaryIO", tempfile.TemporaryFile(dir=scratch) if origins else io.BytesIO())  # noqa: SIM115
    try:
        for origin in origins:
            with base.open(origin.digest) as frame:
                where = f"{base.where}: {frame_name(origin.digest)}"
                old.writelines(decompress(frame, None, origin.size, where))
    except BaseException:
        old.close()
        raise
    return Base(content=old, origins=origins, where=base.where)


def _held(base: FrameSource, origin: Origin) -> io.BytesIO | None:
    """None where it is too large for memory."""
    if origin.size > _IN_MEMORY:
        return None
    with base.open(origin.digest) as frame:
        size = frame.seek(0, io.SEEK_END)
        frame.seek(0)
        where = f"{base.where}: {frame_name(origin.digest)}"
        return (
            io.BytesIO(decompress_whole(frame.read(), None, origin.size, where))
            if size <= _IN_MEMORY
            else None
        )


def patched(delta: Delta, row: Patch, old: Base, streams: Mapping[str, StreamReader]) -> Iterator[bytes]:
    """The expanded form that a row makes; at its end its digest was checked. Rows must come in their order, as each takes
    its part off the streams. Raises IntegrityError, which names the base where that is at fault."""
    expanded = delta.expanded[row.digest]
    where = f"{delta.archive.where}: patch of {frame_name(row.digest)}"
    hasher = Hasher()
    try:
        yield from hasher.watch(apply_patch(old.content, row.base_size, streams, expanded.size, where))
        if hasher.digest != row.digest:
            raise IntegrityError(
                where,
                "restored content does not match its digest",
                expected=row.digest,
                found=hasher.digest,
            )
    except IntegrityError:
        old.check()
        raise
