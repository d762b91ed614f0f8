"""The contents that a delta and the site's own frames give: kept, carried whole, or restored by a patch."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path

from airlock.core.digest import Digest
from airlock.errors import IntegrityError
from airlock.formats.delta_index import Full, Keep, Patch
from airlock.formats.index import Expanded, frame_name
from airlock.storage.archive import Archive
from airlock.storage.content import (
    Content,
    Job,
    Turns,
    ahead,
    content_of,
    held_back,
    weight_of,
    with_files,
    with_frame,
)
from airlock.storage.restore import Delta, FrameSource, check_base_index, read_delta, restored

LEVEL = 1
"""Of the frames that are kept of what patches restored. A higher one costs more than it saves at a site."""
Patches = Iterator[tuple[Patch, Iterator[bytes]]]


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
        """In the order of the delta's rows, in which patches must be read: while one is, another thread works on what
        the one before made."""
        patches = restored(self.base, self.delta, scratch or Path(tempfile.gettempdir()))
        digests = {one.digest for one in wanted}
        rows = [row for row in self.delta.rows.rows if row.digest in digests]
        turns, number, jobs = Turns(), count(), list[Job]()
        for row in rows:
            expanded = self.delta.expanded[row.digest]
            if isinstance(row, Patch):
                turn = partial(turns.wait, next(number))
                jobs.append((weight_of(expanded), partial(self._patched, patches, turn, expanded, scratch)))
            else:
                jobs.append((weight_of(expanded), partial(self._whole, row, expanded, scratch)))
        yield from ahead(jobs)
        for row, _ in patches:
            raise IntegrityError(self.delta.archive.where, f"a patch that no row has, of {row.digest}")

    def _whole(self, row: Keep | Full, expanded: Expanded, scratch: Path | None) -> Content:
        if isinstance(row, Keep):
            source, stream = self.base.where, self.base.open(row.digest)
        else:
            source, stream = self.delta.archive.where, self.delta.archive.open(frame_name(row.digest))
        with stream:
            return content_of(stream, expanded, f"{source}: {frame_name(row.digest)}", scratch)

    def _patched(
        self,
        patches: Patches,
        turn: Callable[[], AbstractContextManager[None]],
        expanded: Expanded,
        scratch: Path | None,
    ) -> Content:
        with turn():
            row, chunks = next(patches)
            assert row.digest == expanded.digest, "patches come in the order of the rows"
            where = f"{self.delta.archive.where}: patch of {frame_name(row.digest)}"
            content = held_back(chunks, expanded, where, scratch)
        return with_frame(with_files(content), LEVEL)


def delta_supply(base: FrameSource, archive: Archive) -> DeltaSupply:
    """Raises IntegrityError where the base is not the one that the delta was made for."""
    delta = read_delta(archive)
    check_base_index(base, delta)
    return DeltaSupply(base=base, delta=delta)
