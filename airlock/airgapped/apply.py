"""Restore the new bundle from its base and a delta. Neither needs to be trusted: the result goes through `verify`."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from airlock.core.digest import Digest, chunks_of
from airlock.formats.delta_index import Full, Keep
from airlock.formats.index import Expanded, frame_name
from airlock.storage.archive import Archive, ArchiveWriter
from airlock.storage.frames import compress, this_encoder
from airlock.storage.restore import Delta, FrameSource, check_base, read_delta, restored


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyReport:
    index: Digest
    kept: int
    patched: int
    full: int
    identical: bool
    """Whether the file is, to the bit, the one that `build` wrote; if not, only its compression may differ."""


def apply(base: FrameSource, archive: Archive, out: BinaryIO, scratch: Path) -> ApplyReport:
    """Write the new bundle to `out`. `scratch` is a folder with room for the new content. Raises IntegrityError; what was
    written is then to be thrown away."""
    delta = read_delta(archive)
    check_base(base, delta)
    with ExitStack() as stack:
        frames: dict[Digest, BinaryIO] = {}
        for row, chunks in restored(base, delta, scratch):
            stream = stack.enter_context(tempfile.TemporaryFile(dir=scratch))
            _compress(chunks, delta, delta.expanded[row.digest], stream, scratch)
            frames[row.digest] = stream
        _write(base, delta, frames, out)
    rows = delta.rows.rows
    return ApplyReport(
        index=delta.rows.new,
        kept=sum(isinstance(row, Keep) for row in rows),
        patched=len(frames),
        full=sum(isinstance(row, Full) for row in rows),
        identical=not frames or this_encoder(delta.index.encoder.level) == delta.index.encoder,
    )


def _compress(
    chunks: Iterator[bytes], delta: Delta, expanded: Expanded, out: BinaryIO, scratch: Path
) -> None:
    with tempfile.TemporaryFile(dir=scratch) as content:
        for chunk in chunks:
            content.write(chunk)
        content.seek(0)
        compress(content, expanded.size, out, delta.index.encoder)


def _write(base: FrameSource, delta: Delta, frames: Mapping[Digest, BinaryIO], out: BinaryIO) -> None:
    writer = ArchiveWriter(out)
    writer.add_bytes("index.json", delta.data)
    for name in (name for name in delta.archive.members if name.startswith("trust/")):
        writer.add(name, delta.archive.members[name].size, chunks_of(delta.archive.open(name)))
    kept = {row.digest for row in delta.rows.rows if isinstance(row, Keep)}
    for digest in sorted(delta.expanded):
        if digest in frames:
            stream = frames[digest]
        else:
            stream = base.open(digest) if digest in kept else delta.archive.open(frame_name(digest))
        with stream:
            size = stream.seek(0, 2)
            stream.seek(0)
            writer.add(frame_name(digest), size, chunks_of(stream))
    writer.close()
