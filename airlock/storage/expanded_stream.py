"""Read the files inside a frame as they decompress, in memory that does not grow with it."""

import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from airlock.core.digest import chunks_of, digest_of_stream
from airlock.core.expanded import Form, Member, form_named
from airlock.errors import IntegrityError
from airlock.formats.index import IndexEntry
from airlock.storage.archive import Archive
from airlock.storage.frames import opened

IN_MEMORY = 32 << 20
"""Bytes."""


def members_of(archive: Archive, entry: IndexEntry) -> Iterator[Member]:
    """The files of one artifact, whose frame's digest is checked before the first is given. Raises IntegrityError."""
    with _opened(archive, entry) as (form, stream), tempfile.TemporaryFile() as content:
        for chunk in chunks_of(stream):
            content.write(chunk)
        content.seek(0)
        yield from form.members(content)


def original_of(archive: Archive, entry: IndexEntry) -> Iterator[Member]:
    """The artifact as it was locked, as one member without a name; checked like `members_of`, and against its own digest
    before its first byte is given, where it had to be rebuilt."""
    with _opened(archive, entry) as (form, stream):
        if form.name == "raw/1":
            yield from form.members(stream)
            return
        with tempfile.TemporaryFile() as original:
            form.rebuild(stream, original)
            original.seek(0)
            found, size = digest_of_stream(original)
            if found != entry.artifact.digest:
                where = f"{archive.where}: {entry.artifact.label}"
                raise IntegrityError(
                    where, "rebuilt to other bytes", expected=entry.artifact.digest, found=found
                )
            original.seek(0)
            yield Member(name="", size=size, mode=0, chunks=chunks_of(original))


class Contents:
    """The files of one artifact, as often as they are asked for. A frame of up to IN_MEMORY bytes of content is
    decompressed once, and its digest is checked before the first file is given; a larger one every time."""

    def __init__(self, archive: Archive, entry: IndexEntry) -> None:
        self._archive, self._entry = archive, entry
        self._content: bytes | None = None

    def __call__(self) -> Iterator[Member]:
        if self._entry.expanded.size > IN_MEMORY:
            return members_of(self._archive, self._entry)
        if self._content is None:
            with _opened(self._archive, self._entry) as (_, stream):
                self._content = b"".join(chunks_of(stream))
        form = form_named(self._entry.expanded.form, f"{self._archive.where}: member {self._entry.frame}")
        return form.members(io.BytesIO(self._content))


@contextmanager
def _opened(archive: Archive, entry: IndexEntry) -> Iterator[tuple[Form, BinaryIO]]:
    where = f"{archive.where}: member {entry.frame}"
    form = form_named(entry.expanded.form, where)
    with (
        archive.open(entry.frame) as frame,
        opened(frame, entry.expanded.digest, entry.expanded.size, where) as stream,
    ):
        yield form, stream
