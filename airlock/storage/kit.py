"""Kits on a disk: the script, and the archive behind it. Of one that brings a bundle, the bundle is read where it lies."""

import io
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from airlock.core.canonical_json import MAX_SIZE
from airlock.core.digest import Hasher, chunks_of, hex_of
from airlock.errors import IntegrityError, UsageError
from airlock.formats.kit import BUNDLE, FIRST, HEAD, TABLE, KitTable, parse_kit_table
from airlock.storage.archive import Archive, ArchiveWriter, Span, part_of

_DIGEST = re.compile(rb"^digest=[0-9a-f]{64}", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kit:
    head: bytes
    table: KitTable
    archive: Archive


def is_kit(stream: BinaryIO) -> bool:
    """By its first bytes; the stream is at its start again."""
    stream.seek(0)
    start = stream.read(len(FIRST))
    stream.seek(0)
    return start == FIRST


def open_kit(stream: BinaryIO, where: str) -> Kit:
    """Raises IntegrityError."""
    size = stream.seek(0, io.SEEK_END)
    if size < HEAD or not is_kit(stream):
        raise IntegrityError(where, "not a kit, or truncated")
    head = stream.read(HEAD)
    archive = Archive(part_of(stream, Span(offset=HEAD, size=size - HEAD)), where)
    table = parse_kit_table(archive.read(TABLE, MAX_SIZE), f"{where}: {TABLE}")
    if bool(table.bundle) is not (BUNDLE in archive.members):
        raise IntegrityError(
            f"{where}: {TABLE}", "speaks of a bundle that is not there, or not of one that is"
        )
    return Kit(head=head, table=table, archive=archive)


def open_carried(path: Path) -> BinaryIO:
    """As `bundle_in`. Raises IntegrityError, or UsageError for a kit that brings nothing along."""
    stream = path.open("rb")
    try:
        return bundle_in(stream, str(path))
    except BaseException:
        stream.close()
        raise


def bundle_in(stream: BinaryIO, where: str) -> BinaryIO:
    """The stream itself, or what a kit brings along, as a stream that closes the kit's."""
    if not is_kit(stream):
        return stream
    kit = open_kit(stream, where)
    if not kit.table.bundle:
        raise UsageError(where, "a kit without a bundle", hint="run it with `sh` to put airlock in place")
    span = kit.archive.members[BUNDLE]
    return part_of(stream, Span(offset=HEAD + span.offset, size=span.size), owned=True)


@contextmanager
def rewriting(
    stream: BinaryIO, where: str, out: BinaryIO, scratch: Path
) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """Streams to read a bundle from and to write the changed one to. What a kit brings along lies in the folder `scratch` until
    the same kit with it is in `out`."""
    if not is_kit(stream):
        yield stream, out
        return
    kit = open_kit(stream, where)
    with tempfile.TemporaryFile(dir=scratch) as changed, bundle_in(stream, where) as bundle:
        yield bundle, cast("BinaryIO", changed)
        _rewrite(kit, cast("BinaryIO", changed), out)


def finish(head: bytes, out: BinaryIO) -> None:
    """Put the script in front of the archive that was written behind its place, with the archive's digest in it."""
    out.seek(HEAD)
    hasher = Hasher()
    for chunk in chunks_of(out):
        hasher.update(chunk)
    out.seek(0)
    out.write(_DIGEST.sub(b"digest=" + hex_of(hasher.digest).encode(), head, count=1))


def _rewrite(kit: Kit, bundle: BinaryIO, out: BinaryIO) -> None:
    """The same kit with another bundle, as that gets signatures."""
    out.seek(HEAD)
    writer = ArchiveWriter(out)
    for name, span in kit.archive.members.items():
        if name != BUNDLE:
            with kit.archive.open(name) as stream:
                writer.add(name, span.size, chunks_of(stream))
    size = bundle.seek(0, io.SEEK_END)
    bundle.seek(0)
    writer.add(BUNDLE, size, chunks_of(bundle))
    writer.close()
    finish(kit.head, out)
