"""Make the update between two locked versions of one target: per artifact keep, patch or full."""

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from airlock.connected.build import Workshop, bundle_index, make_frames
from airlock.connected.documents import Packed, pack_documents
from airlock.connected.relatives import Relatives
from airlock.core.binary_delta import STREAMS
from airlock.core.binary_diff import Streams, make_patch
from airlock.core.canonical_json import MAX_SIZE
from airlock.core.digest import Digest, chunks_of, digest_of
from airlock.core.pieces import Base, Piece, pieces_of
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
    documents: tuple[Packed, ...] = ()

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
    packed = pack_documents(lockfile, target, workshop.store)
    index = bundle_index(lockfile, target, frames, packed)
    return Side(index=index, frames={frame.expanded.digest: frame for frame in frames}, documents=packed)


def delta(old: Side, new: Side, workshop: Workshop, path: Path, trust: Mapping[str, bytes]) -> DeltaReport:
    """Write the delta to `path`, atomically, with the `trust/` members of the signed new bundle, if any. Raises
    IntegrityError where a cached frame is damaged."""
    data = write_index(new.index)
    with ExitStack() as stack:
        rows, streams = _described(old, new, tuple(_rows(old, new)), workshop, stack)
        index = DeltaIndex(base_project=old.index.project, base=old.digest, new=digest_of(data), rows=rows)
        with replacing(path) as out:
            writer = ArchiveWriter(out)
            writer.add_bytes(MEMBER, write_delta_index(index))
            writer.add_bytes(INDEX, data)
            for name in sorted(trust):
                writer.add_bytes(name, trust[name])
            for one in new.documents:
                writer.add_bytes(one.document.member, one.frame)
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
        return Patch(digest=digest, base=_origin(before))
    return Patch(digest=digest, base=None)


def _origin(entry: IndexEntry) -> Origin:
    return Origin(digest=entry.expanded.digest, size=entry.expanded.size, label=entry.artifact.label)


def _described(
    old: Side, new: Side, rows: Sequence[Row], workshop: Workshop, stack: ExitStack
) -> tuple[tuple[Row, ...], dict[str, BinaryIO]]:
    """The rows as they turned out, and the compressed streams. Threads pay: bsdiff4, lzma and zstd release the GIL."""
    if not any(isinstance(row, Patch) for row in rows):
        return tuple(rows), {}
    scratch = workshop.cache / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    task = "Comparing versions"
    workshop.reporter.start(task, sum(_size_of(new, row) for row in rows))

    def temporary() -> BinaryIO:
        return stack.enter_context(tempfile.TemporaryFile(dir=scratch))

    files = {row.digest: {name: temporary() for name in STREAMS} for row in rows if isinstance(row, Patch)}
    describer = _Describer(old, new, scratch)

    def describe(row: Patch) -> tuple[Digest, Patch | Full]:
        found = describer.describe(row, Streams(files[row.digest]))
        workshop.reporter.advance(task, _size_of(new, row))
        return row.digest, found

    def size_of(name: str) -> int:
        return sum(streams[name].seek(0, 2) for streams in files.values())

    def join(name: str) -> tuple[str, BinaryIO]:
        out = temporary()
        for chunk in packed(_joined(streams[name] for streams in files.values()), size_of(name)):
            out.write(chunk)
        return name, out

    patches = [row for row in rows if isinstance(row, Patch)]
    largest = sorted(patches, key=lambda row: (-_size_of(new, row), row.digest))
    with ThreadPoolExecutor(max_workers=workshop.jobs) as pool:
        described = dict(pool.map(describe, largest))
        streams = dict(pool.map(join, sorted(filter(size_of, STREAMS), key=size_of, reverse=True)))
    workshop.reporter.finish(task)
    return (
        tuple(described.get(row.digest, row) for row in rows),
        {name: streams[name] for name in STREAMS if name in streams},
    )


def _size_of(side: Side, row: Row) -> int:
    return side.frames[row.digest].expanded.size if isinstance(row, Patch) else 0


class _Describer:
    """Writes how one expanded form follows from those of the old version."""

    def __init__(self, old: Side, new: Side, scratch: Path) -> None:
        self._old, self._new, self._scratch = old, new, scratch
        self._origins = {entry.expanded.digest: _origin(entry) for entry in reversed(old.index.entries)}
        self._relatives = Relatives(sorted(self._origins), self._opened)

    @contextmanager
    def _opened(self, form: Digest) -> Iterator[tuple[BinaryIO, int]]:
        with tempfile.TemporaryFile(dir=self._scratch) as stream:
            yield stream, _unpack(self._old.frames[form], stream)

    def describe(self, row: Patch, streams: Streams) -> Patch | Full:
        """Full where it is large and there is nothing like it."""
        with (
            tempfile.TemporaryFile(dir=self._scratch) as stream,
            tempfile.TemporaryFile(dir=self._scratch) as content,
        ):
            size = _unpack(self._new.frames[row.digest], content)
            row, base = self._based(row, stream, content, size)
            if not row.bases and size > MAX_LITERAL:
                return Full(digest=row.digest)
            make_patch(base, content, size, streams)
        return row

    def _based(self, row: Patch, stream: BinaryIO, content: BinaryIO, size: int) -> tuple[Patch, Base]:
        """The row with all that it starts from, which is written to `stream`."""
        base = self._unpacked(row.bases, stream)
        pieces = pieces_of(content, 0, size)
        strangers = base.strangers(content, pieces)
        more = [
            form for form in self._relatives.of(content, strangers) if form != (row.base and row.base.digest)
        ]
        if not more:
            return row, base
        first = row.bases if _useful(pieces, strangers) else ()
        bases = (*first, *(self._origins[form] for form in more))
        return Patch(digest=row.digest, base=bases[0], more=bases[1:]), self._unpacked(bases, stream)

    def _unpacked(self, bases: Sequence[Origin], stream: BinaryIO) -> Base:
        stream.seek(0)
        stream.truncate()
        for origin in bases:
            _unpack(self._old.frames[origin.digest], stream)
        return Base(stream, [origin.size for origin in bases])


def _useful(pieces: Sequence[Piece], strangers: Sequence[Piece]) -> bool:
    """Whether a base knows more of the pieces than those that every form has."""
    known = {piece.name for piece in pieces if not piece.is_header} - {piece.name for piece in strangers}
    return not known <= {"recipe.json", "structure", "corrections"}


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
