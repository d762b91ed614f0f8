"""The contents that a delta and the site's own frames give: kept, carried whole, or restored by a patch."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path

from airlock.core.digest import Digest
from airlock.core.expanded import Splice
from airlock.formats.delta_index import Full, Keep, Patch
from airlock.formats.index import Expanded, frame_name
from airlock.storage.archive import Archive
from airlock.storage.content import (
    NO_SPLICES,
    Content,
    Job,
    Turns,
    ahead,
    content_of,
    held_back,
    splices_from,
    weight_of,
    with_files,
    with_frame,
)
from airlock.storage.delta_streams import StreamReader, open_streams
from airlock.storage.restore import (
    Base,
    Delta,
    FrameSource,
    check_base_index,
    fetched,
    patched,
    read_delta,
)

LEVEL = 1
"""Of the frames that are kept of what patches restored. A higher one costs more than it saves at a site."""
Streams = Mapping[str, StreamReader]
Turn = Callable[[Callable[[], None]], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeltaSupply:
    """Every content is checked against the index of the delta as it is made: nothing is decompressed twice."""

    base: FrameSource
    delta: Delta

    @property
    def frames(self) -> int:
        """What a patch makes is not known to shrink."""
        fresh = (row.digest for row in self.delta.rows.rows if not isinstance(row, Keep))
        return sum(self.delta.expanded[digest].size for digest in fresh)

    @property
    def held(self) -> frozenset[Digest]:
        return frozenset(row.digest for row in self.delta.rows.rows if isinstance(row, Keep))

    def contents(self, wanted: Sequence[Expanded], scratch: Path | None) -> Iterator[Content]:
        """In the order of the delta's rows, in which patches must be read: while one is, another thread prepares the
        next, or works on what the one before made."""
        digests = {one.digest for one in wanted}
        rows = [row for row in self.delta.rows.rows if row.digest in digests]
        streams = open_streams(self.delta.archive) if any(isinstance(row, Patch) for row in rows) else {}
        turns, number, jobs = Turns(), count(), list[Job]()
        for row in rows:
            weight = weight_of(self.delta.expanded[row.digest])
            if isinstance(row, Patch):
                turn = partial(turns.wait, next(number))
                jobs.append((weight, partial(self._patched, row, streams, turn, scratch)))
            else:
                jobs.append((weight, partial(self._whole, row, scratch)))
        yield from ahead(jobs)
        for stream in streams.values():
            stream.finish()

    def _whole(self, row: Keep | Full, scratch: Path | None) -> Content:
        expanded = self.delta.expanded[row.digest]
        if isinstance(row, Keep):
            source, stream = self.base.where, self.base.open(row.digest)
        else:
            source, stream = self.delta.archive.where, self.delta.archive.open(frame_name(row.digest))
        with stream:
            return content_of(stream, expanded, f"{source}: {frame_name(row.digest)}", scratch)

    def _patched(self, row: Patch, streams: Streams, turn: Turn, scratch: Path | None) -> Content:
        where = f"{self.delta.archive.where}: patch of {frame_name(row.digest)}"
        with ExitStack() as stack:
            bases: list[Base] = []

            def prepare() -> None:
                bases.append(fetched(self.base, row.bases, scratch))
                stack.enter_context(bases[0].content)

            with turn(prepare):
                chunks = patched(self.delta, row, bases[0], streams)
                content = held_back(chunks, self.delta.expanded[row.digest], where, scratch)
            splices = _splices(bases[0], content)
        origin = row.base.digest if row.base and splices else None
        return with_frame(with_files(replace(content, origin=origin), splices), LEVEL)


def _splices(base: Base, content: Content) -> Mapping[str, Splice]:
    """The base is looked into, so what it is must be known for certain; of several, none is. Raises IntegrityError."""
    if len(base.origins) != 1 or not content.expanded.file_codecs:
        return NO_SPLICES
    base.check()
    return splices_from(base.content, content)


def delta_supply(base: FrameSource, archive: Archive) -> DeltaSupply:
    """Raises IntegrityError where the base is not the one that the delta was made for."""
    delta = read_delta(archive)
    check_base_index(base, delta)
    return DeltaSupply(base=base, delta=delta)
