"""Make the update between two locked versions of one target: per artifact keep, patch or full."""

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from airlock.connected.build import Workshop, bundle_index, make_frames
from airlock.core.binary_delta import STREAMS
from airlock.core.binary_diff import Streams, make_patch
from airlock.core.canonical_json import MAX_SIZE
from airlock.core.digest import Digest, chunks_of, digest_of
from airlock.errors import IntegrityError
from airlock.formats.delta_index import MEMBER, DeltaIndex, Full, Keep, Origin, Patch, Row, write_delta_index
from airlock.formats.index import INDEX, BundleIndex, IndexEntry, frame_name, index_digest, write_index
from airlock.formats.lockfile import Lockfile
from airlock.formats.trust import TARGETS
from airlock.storage.archive import Archive, ArchiveWriter
from airlock.storage.atomic import replacing
from airlock.storage.delta_streams import member_name, packed
from airlock.storage.frame_cache import Frame
from airlock.storage.frames import decompress
from airlock.storage.restore import check_base, read_delta, restored

MAX_LITERAL = 16 << 20
"""Bytes; the expanded form of a new artifact that is larger comes as its frame, for xz takes a second for each 2 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two versions: its index and the frames it consists of."""

    index: BundleIndex
    frames: Mapping[Digest, Frame]

    @property
    def digest(self) -> Digest:
        """Of the index, which is what signatures are over."""
        return index_digest(self.index)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeltaReport:
    """Sizes are in bytes."""

    path: Path
    target: str
    size: int
    base: Digest
    """Of the base bundle's index."""
    index: Digest
    """Of the new bundle's index."""
    kept: int
    patched: int
    full: int
    signed: bool
    """Whether it carries the signatures of the new bundle."""
    bundle: int
    """What the frames of the whole new bundle take."""


def side_of(lockfile: Lockfile, target: str, workshop: Workshop) -> Side:
    frames = make_frames(lockfile.artifacts_for(target), lockfile.encoder, workshop)
    index = bundle_index(lockfile, target, frames)
    return Side(index=index, frames={frame.expanded.digest: frame for frame in frames})


def delta(old: Side, new: Side, workshop: Workshop, path: Path, trust: Mapping[str, bytes]) -> DeltaReport:
    """Write the delta to `path`, atomically, with the `trust/` members of the signed new bundle, if any. Raises
    IntegrityError where a cached frame is damaged."""
    data = write_index(new.index)
    rows = tuple(_rows(old, new))
    index = DeltaIndex(base_project=old.index.project, base=old.digest, new=digest_of(data), rows=rows)
    with ExitStack() as stack:
        streams = _patches(old, new, [row for row in rows if isinstance(row, Patch)], workshop, stack)
        with replacing(path) as out:
            writer = ArchiveWriter(out)
            writer.add_bytes(MEMBER, write_delta_index(index))
            writer.add_bytes(INDEX, data)
            for name in sorted(trust):
                writer.add_bytes(name, trust[name])
            for row in rows:
                if isinstance(row, Full):
                    frame = new.frames[row.digest]
                    with frame.path.open("rb") as whole:
                        writer.add(frame_name(row.digest), frame.size, chunks_of(whole))
            for name, stream in streams.items():
                writer.add(member_name(name), stream.seek(0, 2), _from_start(stream))
            writer.close()
            size = out.tell()
            _prove(old, out, path, workshop)
    counts = [sum(isinstance(row, kind) for row in rows) for kind in (Keep, Patch, Full)]
    return DeltaReport(
        path=path,
        target=new.index.target.name,
        size=size,
        base=index.base,
        index=index.new,
        kept=counts[0],
        patched=counts[1],
        full=counts[2],
        signed=TARGETS in trust,
        bundle=sum(frame.size for frame in new.frames.values()),
    )


def _prove(old: Side, out: BinaryIO, path: Path, workshop: Workshop) -> None:
    """Run the decoder over what was written, which compares every digest."""
    made = read_delta(Archive(out, path.name))
    base = CachedFrames(old)
    check_base(base, made)
    for _, chunks in restored(base, made, workshop.cache / "scratch"):
        for _ in chunks:
            pass


def _from_start(stream: BinaryIO) -> Iterator[bytes]:
    stream.seek(0)
    return chunks_of(stream)


def _rows(old: Side, new: Side) -> Iterator[Row]:
    """How each expanded form comes, in the order of the index, each form once."""
    before = {entry.artifact.key: entry for entry in old.index.entries}
    seen: set[Digest] = set()
    for entry in new.index.entries:
        if entry.expanded.digest not in seen:
            seen.add(entry.expanded.digest)
            yield _row(entry, before.get(entry.artifact.key), old)


def _row(entry: IndexEntry, before: IndexEntry | None, old: Side) -> Row:
    digest = entry.expanded.digest
    if digest in old.frames:
        return Keep(digest=digest)
    if before:
        base = before.expanded
        origin = Origin(digest=base.digest, size=base.size, label=before.artifact.label)
        return Patch(digest=digest, base=origin)
    return Patch(digest=digest, base=None) if entry.expanded.size <= MAX_LITERAL else Full(digest=digest)


def _patches(
    old: Side, new: Side, rows: Sequence[Patch], workshop: Workshop, stack: ExitStack
) -> dict[str, BinaryIO]:
    """The compressed streams. Threads pay: bsdiff4, lzma and zstd release the GIL."""
    if not rows:
        return {}
    scratch = workshop.cache / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    task = "Comparing versions"
    workshop.reporter.start(task, sum(new.frames[row.digest].expanded.size for row in rows))

    def temporary() -> BinaryIO:
        return stack.enter_context(tempfile.TemporaryFile(dir=scratch))

    files = {row.digest: {name: temporary() for name in STREAMS} for row in rows}

    def describe(row: Patch) -> None:
        with tempfile.TemporaryFile(dir=scratch) as base, tempfile.TemporaryFile(dir=scratch) as content:
            size = _unpack(old.frames[row.base.digest], base) if row.base else 0
            expanded = _unpack(new.frames[row.digest], content)
            make_patch(base if row.base else None, size, content, expanded, Streams(files[row.digest]))
        workshop.reporter.advance(task, expanded)

    def size_of(name: str) -> int:
        return sum(files[row.digest][name].seek(0, 2) for row in rows)

    def join(name: str) -> tuple[str, BinaryIO]:
        out = temporary()
        for chunk in packed(_joined(files[row.digest][name] for row in rows), size_of(name)):
            out.write(chunk)
        return name, out

    largest = sorted(rows, key=lambda row: (-new.frames[row.digest].expanded.size, row.digest))
    with ThreadPoolExecutor(max_workers=workshop.jobs) as pool:
        list(pool.map(describe, largest))
        streams = dict(pool.map(join, sorted(filter(size_of, STREAMS), key=size_of, reverse=True)))
    workshop.reporter.finish(task)
    return {name: streams[name] for name in STREAMS if name in streams}


def _joined(files: Iterable[BinaryIO]) -> Iterator[bytes]:
    for file in files:
        yield from _from_start(file)


def _unpack(frame: Frame, out: BinaryIO) -> int:
    expanded = frame.expanded
    with frame.path.open("rb") as stream:
        for chunk in decompress(stream, expanded.digest, expanded.size, f"frame cache: {frame.path.name}"):
            out.write(chunk)
    return expanded.size


class CachedFrames:
    """The base as the far side will have it: a `FrameSource` over cached frames, for proving a delta."""

    def __init__(self, side: Side) -> None:
        self._frames = side.frames
        self.where = "base"
        self.index = side.digest

    def open(self, expanded: Digest) -> BinaryIO:
        if expanded not in self._frames:
            raise IntegrityError(self.where, "has no such frame", expected=expanded)
        return self._frames[expanded].path.open("rb")


def read_trust(bundle: Archive, index: Digest) -> dict[str, bytes]:
    """The signatures of a signed bundle, which must be of this very index. Raises IntegrityError."""
    found = digest_of(bundle.read(INDEX, MAX_SIZE))
    if found != index:
        raise IntegrityError(
            bundle.where, "signed another index than the new lock makes", expected=index, found=found
        )
    return {name: bundle.read(name, 1 << 24) for name in bundle.members if name.startswith("trust/")}
