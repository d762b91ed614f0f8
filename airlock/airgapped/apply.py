"""Restore the new bundle from its base and a delta. Neither needs to be trusted: the result goes through `verify`."""

import io
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from heapq import heappop, heappush
from itertools import count
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from airlock.core.artifact import Encoder
from airlock.core.digest import Digest, chunks_of
from airlock.formats.delta_index import Full, Keep
from airlock.formats.index import INDEX, frame_name
from airlock.storage.archive import Archive, ArchiveWriter
from airlock.storage.frames import compress, this_encoder
from airlock.storage.restore import Delta, FrameSource, check_base_index, check_whole, read_delta, restored

_HELD = 64 << 20
"""Bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyReport:
    index: Digest
    kept: int
    patched: int
    full: int
    identical: bool
    """Whether the file is, to the bit, the one that `build` wrote; if not, only its compression may differ."""


def apply(
    base: FrameSource,
    archive: Archive,
    out: BinaryIO,
    scratch: Path,
    *,
    level: int | None = None,
    jobs: int = 1,
) -> ApplyReport:
    """Write the new bundle to `out`. `scratch` is a folder with room for the new content. With a zstd `level` the frames
    that patches make are compressed at that one: the index and every content are the same, the file is not the one that
    was built. So many frames as `jobs` are compressed at a time. Raises IntegrityError; what was written is then to be
    thrown away."""
    delta = read_delta(archive)
    check_base_index(base, delta)
    encoder = delta.index.encoder if level is None else this_encoder(level, delta.index.encoder.codecs)
    with ExitStack() as stack:
        frames = _frames(base, delta, scratch, encoder, stack, jobs)
        _write(base, delta, frames, out)
    rows = delta.rows.rows
    return ApplyReport(
        index=delta.rows.new,
        kept=sum(isinstance(row, Keep) for row in rows),
        patched=len(frames),
        full=sum(isinstance(row, Full) for row in rows),
        identical=not frames or delta.index.encoder == encoder == this_encoder(encoder.level, encoder.codecs),
    )


def _frames(
    base: FrameSource, delta: Delta, scratch: Path, encoder: Encoder, stack: ExitStack, jobs: int
) -> dict[Digest, BinaryIO]:
    """What patches make, compressed while the next is restored, and every other frame checked meanwhile: zstd releases
    the GIL, and so does decoding."""

    def temporary() -> BinaryIO:
        return stack.enter_context(tempfile.TemporaryFile(dir=scratch))

    waiting = _Waiting(temporary)

    def frame_of(content: BinaryIO, size: int) -> BinaryIO:
        frame = temporary()
        with waiting.taken(content, size):
            compress(content, size, frame, encoder)
        return frame

    with ThreadPoolExecutor(max_workers=jobs) as pool:
        try:
            checked = [pool.submit(check_whole, base, delta, row) for row in delta.rows.rows]
            largest, coming = _LargestFirst(pool), dict[Digest, Future[BinaryIO]]()
            for row, chunks in restored(base, delta, scratch):
                size = delta.expanded[row.digest].size
                content = waiting.put(chunks, size)
                coming[row.digest] = largest.submit(size, partial(frame_of, content, size))
            for done in checked:
                done.result()
            return {digest: frame.result() for digest, frame in coming.items()}
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


class _Waiting:
    """Contents until they are compressed: in memory as long as all of them are at most _HELD bytes, else in files."""

    def __init__(self, temporary: Callable[[], BinaryIO]) -> None:
        self._temporary, self._held, self._lock = temporary, 0, Lock()

    def put(self, chunks: Iterator[bytes], size: int) -> BinaryIO:
        with self._lock:
            in_memory = self._held + size <= _HELD
            self._held += size if in_memory else 0
        if in_memory:
            return io.BytesIO(b"".join(chunks))
        content = self._temporary()
        content.writelines(chunks)
        return content

    @contextmanager
    def taken(self, content: BinaryIO, size: int) -> Iterator[None]:
        """From its start, and closed at the end."""
        with content:
            content.seek(0)
            yield
        if isinstance(content, io.BytesIO):
            with self._lock:
                self._held -= size


class _LargestFirst:
    """Work for the threads of a pool by its size, so that all of them end together."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool, self._lock, self._number = pool, Lock(), count()
        self._waiting: list[tuple[int, int, Callable[[], BinaryIO], Future[BinaryIO]]] = []

    def submit(self, size: int, work: Callable[[], BinaryIO]) -> Future[BinaryIO]:
        done = Future[BinaryIO]()
        with self._lock:
            heappush(self._waiting, (-size, next(self._number), work, done))
        self._pool.submit(self._run)
        return done

    def _run(self) -> None:
        with self._lock:
            _, _, work, done = heappop(self._waiting)
        try:
            done.set_result(work())
        except BaseException as error:
            done.set_exception(error)


def _write(base: FrameSource, delta: Delta, frames: Mapping[Digest, BinaryIO], out: BinaryIO) -> None:
    writer = ArchiveWriter(out)
    writer.add_bytes(INDEX, delta.data)
    for name in (name for name in delta.archive.members if name.startswith("trust/")):
        writer.add(name, delta.archive.members[name].size, chunks_of(delta.archive.open(name)))
    for one in delta.index.documents:
        writer.add(
            one.member, delta.archive.members[one.member].size, chunks_of(delta.archive.open(one.member))
        )
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
