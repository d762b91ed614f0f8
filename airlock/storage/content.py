"""Expanded forms, each read once: decompressed, its digest compared, and only then given to anybody.

A frame of up to IN_MEMORY bytes of content is held in memory, a larger one in a temporary file. While one is used, those that
come next are decompressed by another thread, as long as all of them together hold no more than BUDGET bytes.
"""

import io
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import IO, BinaryIO, Protocol, cast

from airlock.core.codecs import PORTABLE
from airlock.core.digest import Digest, chunks_of, digest_of_stream
from airlock.core.expanded import GzipJob, Member, Splice, form_named, rebuild_whole
from airlock.core.native import native
from airlock.errors import IntegrityError
from airlock.formats.index import Expanded, IndexEntry, frame_name
from airlock.storage.archive import Archive
from airlock.storage.disk import NewFile, Source, part_of
from airlock.storage.frames import compress, decompress, decompress_whole, this_encoder

IN_MEMORY = 48 << 20
"""Bytes."""
BUDGET = 96 << 20
"""Bytes."""
_MAX_FRAME = IN_MEMORY
MADE = 32 << 20
"""Bytes of files that do not stand in an expanded form as they are and are made ahead."""
NO_SPLICES: Mapping[str, Splice] = MappingProxyType({})
_THREADS = 2
_MANY = 16
"""Such files that are worth a second thread."""
Files = Sequence[tuple[Member, bytes | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """`data` is the whole of it where it is held in memory."""

    size: int
    open: Callable[[], BinaryIO]
    data: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """An expanded form that has the digest it should have."""

    expanded: Expanded
    where: str
    """For messages."""
    held: bytes | IO[bytes]
    """In memory, or in a file that has no name."""
    files: "Files | None" = None
    """The files inside, if they are at hand: those that stand in the expanded form, and the bytes of the others, where they
    do not follow from an `earlier` one."""
    origin: Digest | None = None
    """The expanded form that has what files are `Member.earlier`; None where there are none."""
    frame: "Frame | None" = None
    """A zstd frame of it, for the site's store; None where that has it."""

    @property
    def source(self) -> Source:
        return self.held if isinstance(self.held, bytes) else f"/proc/self/fd/{self.held.fileno()}"

    def open(self) -> BinaryIO:
        return io.BytesIO(self.source) if isinstance(self.source, bytes) else Path(self.source).open("rb")

    def close(self) -> None:
        if not isinstance(self.held, bytes):
            self.held.close()

    def members(self) -> Iterator[Member]:
        """The files inside, as often as they are asked for. Raises IntegrityError."""
        if self.files is None:
            with self.open() as stream:
                yield from form_named(self.expanded.form, self.where).members(stream)
            return
        with closing(self._from_the_form()) as fresh:
            for number, (member, data) in enumerate(self.files):
                part = iter((data,)) if data is not None else self._part(number, member, fresh)
                unpacked = member.unpacked and self._unpacked(number, fresh)
                yield member._replace(chunks=part, unpacked=unpacked)

    def _part(self, number: int, member: Member, fresh: Iterator[tuple[int, Member]]) -> Iterator[bytes]:
        """`fresh` are the members that it is not behind, by number."""
        if member.offset is not None:
            yield from part_of(NewFile(member.name, 0, self.source, member.offset, member.size))
            return
        for found, again in fresh:
            if found == number:
                yield from again.chunks
                return

    def _unpacked(self, number: int, fresh: Iterator[tuple[int, Member]]) -> Iterator[bytes]:
        for found, again in fresh:
            if found == number:
                yield from again.unpacked or ()
                return

    def _from_the_form(self) -> Generator[tuple[int, Member]]:
        with self.open() as stream:
            yield from enumerate(form_named(self.expanded.form, self.where).members(stream))

    def original(self, entry: IndexEntry) -> Iterator[Member]:
        """The artifact as it was locked, as one member without a name; against its own digest before its first byte is
        given, where it had to be rebuilt. Raises IntegrityError."""
        form = form_named(self.expanded.form, self.where)
        if form.name == "raw/1":
            yield from self.members()
            return
        with self.open() as stream, tempfile.TemporaryFile() as original:
            where = f"{self.where}: {entry.artifact.label}"
            rebuild_whole(form, stream, cast("BinaryIO", original), entry.artifact.size, where)
            original.seek(0)
            found, size = digest_of_stream(original)
            if found != entry.artifact.digest:
                raise IntegrityError(
                    where, "rebuilt to other bytes", expected=entry.artifact.digest, found=found
                )
            original.seek(0)
            yield Member(name="", size=size, mode=0, chunks=chunks_of(original))


class Supply(Protocol):
    """Where the expanded forms of an index come from."""

    def contents(self, wanted: Sequence[Expanded], scratch: Path | None) -> Iterator[Content]:
        """Each of `wanted` once, checked, in an order that is always the same. Large ones lie in the folder `scratch`,
        None for the system's own temporary folder, until the next is asked for. Raises IntegrityError."""

    @property
    def frames(self) -> int:
        """Bytes that the frames for the site's store take, at most."""

    @property
    def held(self) -> frozenset[Digest]:
        """Contents whose frames come out of the site's store."""


class BundleSupply:
    """The frames of a bundle."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    @property
    def frames(self) -> int:
        return sum(span.size for span in self._archive.members.values())

    @property
    def held(self) -> frozenset[Digest]:
        return frozenset()

    def contents(self, wanted: Sequence[Expanded], scratch: Path | None) -> Iterator[Content]:
        """The largest first: a thread that begins with the last of them would be the only one at work."""
        ordered = sorted(wanted, key=lambda one: (-one.size, one.digest))
        return ahead([(weight_of(one), partial(self._content, one, scratch)) for one in ordered])

    def _content(self, expanded: Expanded, scratch: Path | None) -> Content:
        name = frame_name(expanded.digest)
        with self._archive.open(name) as stream:
            content = content_of(stream, expanded, f"{self._archive.where}: member {name}", scratch)
        frame = Frame(size=self._archive.members[name].size, open=partial(self._archive.open, name))
        return content if content.frame else replace(content, frame=frame)


def frames_of(files: Mapping[Expanded, Path], where: str) -> Iterator[Content]:
    """The contents of frames that lie in files of their own, as a cache has them. Raises IntegrityError."""

    def content(expanded: Expanded, path: Path) -> Content:
        with path.open("rb") as stream:
            return content_of(stream, expanded, f"{where}: {path.name}", None)

    ordered = sorted(files.items(), key=lambda item: (-item[0].size, item[0].digest))
    return ahead([(weight_of(one), partial(content, one, path)) for one, path in ordered])


def weight_of(expanded: Expanded) -> int:
    """Bytes of memory that it will be held in, its frame aside. What lies in a file counts as much as the largest that does
    not: for the files made of it, and so that few wait on the disk at a time."""
    return min(expanded.size, IN_MEMORY)


def content_of(stream: BinaryIO, expanded: Expanded, where: str, scratch: Path | None) -> Content:
    """Decompress a frame and compare its digest. Raises IntegrityError."""
    size = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    if expanded.size <= IN_MEMORY and size <= _MAX_FRAME:
        data = stream.read()
        held = decompress_whole(data, expanded.digest, expanded.size, where)
        return with_files(Content(expanded=expanded, where=where, held=held, frame=_frame_of(data)))
    return with_files(
        held_back(decompress(stream, expanded.digest, expanded.size, where), expanded, where, scratch)
    )


def _frame_of(data: bytes) -> Frame:
    return Frame(size=len(data), open=partial(io.BytesIO, data), data=data)


def held_back(chunks: Iterator[bytes], expanded: Expanded, where: str, scratch: Path | None) -> Content:
    """What passes, once the last chunk was taken: `chunks` ends with an IntegrityError where its digest is wrong."""
    if expanded.size <= IN_MEMORY:
        return Content(expanded=expanded, where=where, held=b"".join(chunks))
    file = tempfile.TemporaryFile(dir=scratch, buffering=0)  # noqa: SIM115
    try:
        for chunk in chunks:
            file.write(chunk)
        return Content(expanded=expanded, where=where, held=file)
    except BaseException:
        file.close()
        raise


def with_files(content: Content, splices: Mapping[str, Splice] = NO_SPLICES) -> Content:
    """With all that can be known before it is used, as this is done ahead by another thread."""
    return content if content.expanded.form == "raw/1" else replace(content, files=_files(content, splices))


def splices_from(before: BinaryIO, content: Content) -> Mapping[str, Splice]:
    """Of the files inside that must be made, how they follow from those of `before`, another expanded form."""
    form = form_named(content.expanded.form, content.where)
    with content.open() as stream, suppress(IntegrityError):
        before.seek(0)
        return form.splices(before, stream)
    return NO_SPLICES


def _files(content: Content, splices: Mapping[str, Splice]) -> "Files | None":
    """None where those that have to be made are more than MADE bytes."""
    files: list[tuple[Member, bytes | None]] = []
    making, helping = _Making(splices.keys()), list[Future[None]]()
    with ThreadPoolExecutor(1, thread_name_prefix="members") as other:
        for number, member in enumerate(content.members()):
            bare = member._replace(
                chunks=iter(()),
                unpacked=member.unpacked and iter(()),
                earlier=splices.get(member.name),
            )
            files.append((bare, None))
            if _must_be_made(member) and not making.leave(number, member):
                if len(making.begun) >= _MANY and not helping:
                    helping.append(other.submit(_help, content, making))
                making.take(number, member.chunks)
            if making.too_much:
                return None
        for done in helping:
            done.result()
    making.make_left(content)
    if making.too_much:
        return None
    for number, data in making.made.items():
        files[number] = (files[number][0]._replace(size=len(data)), data)
    return files


def _must_be_made(member: Member) -> bool:
    """What also stands there unpacked is wanted so, as a rule, and its encoder is slow."""
    return member.offset is None and member.record is None and member.unpacked is None


def _help(content: Content, making: "_Making") -> None:
    """Make what the other thread has not begun."""
    for number, member in enumerate(content.members()):
        if _must_be_made(member) and not making.leave(number, member):
            making.take(number, member.chunks)
        if making.too_much:
            return


class _Making:
    """Members that threads make, each by the first that comes to it."""

    def __init__(self, earlier: AbstractSet[str]) -> None:
        self.begun: set[int] = set()
        self.made: dict[int, bytes] = {}
        self.too_much = False
        self._earlier = earlier
        self._jobs: dict[int, GzipJob] = {}
        self._left, self._lock = MADE, threading.Lock()

    def leave(self, number: int, member: Member) -> bool:
        """Whether `make_left` will make it, or nobody need."""
        if member.name in self._earlier:
            return True
        if member.gzip is None or member.gzip.size > MADE:
            return False
        self._jobs[number] = member.gzip
        return True

    def make_left(self, content: Content) -> None:
        """What the native crate makes, in threads of its own."""
        if not self._jobs or (crate := native()) is None or self.too_much:
            return
        try:
            made = crate.make_gzip(content.source, list(self._jobs.values()), self._left, _THREADS)
        except ValueError as error:
            raise IntegrityError(content.where, f"a gzip file that cannot be made, {error}") from error
        self.too_much = made is None
        self.made.update(zip(self._jobs, made or (), strict=made is not None))

    def take(self, number: int, chunks: Iterator[bytes]) -> None:
        with self._lock:
            if number in self.begun:
                return
            self.begun.add(number)
        kept: list[bytes] = []
        for chunk in chunks:
            with self._lock:
                self._left -= len(chunk)
                self.too_much |= self._left < 0
            if self.too_much:
                return
            kept.append(chunk)
        self.made[number] = b"".join(kept)


def with_frame(content: Content, level: int) -> Content:
    """The same with a frame of its own, compressed now."""
    out = tempfile.SpooledTemporaryFile(_MAX_FRAME)  # noqa: SIM115
    with content.open() as stream:
        compress(stream, content.expanded.size, cast("BinaryIO", out), this_encoder(level, PORTABLE))
    size = out.tell()
    out.seek(0)
    if size <= _MAX_FRAME:
        with out:
            return replace(content, frame=_frame_of(out.read()))
    return replace(content, frame=Frame(size=size, open=lambda: cast("BinaryIO", out)))


Job = tuple[int, Callable[[], Content]]
"""Bytes of memory that it will hold, and what makes it."""


class Turns:
    """Parts of jobs that must be done one after the other, by their numbers from 0. The jobs must begin in that order."""

    def __init__(self) -> None:
        self._turn, self._changed = 0, threading.Condition()

    @contextmanager
    def wait(self, number: int, prepare: Callable[[], None] = lambda: None) -> Iterator[None]:
        """The turn passes on though `prepare`, which needs none, fails."""
        try:
            try:
                prepare()
            finally:
                with self._changed:
                    self._changed.wait_for(lambda: self._turn == number)
            yield
        finally:
            with self._changed:
                self._turn += 1
                self._changed.notify_all()


def ahead(jobs: Sequence[Job], threads: int = 2) -> Iterator[Content]:
    """What the jobs make, in their order, which is also that in which they begin; each is closed when the next is asked
    for."""
    left, making = deque(jobs), deque[tuple[int, Future[Content]]]()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="content")
    held = 0
    try:
        while left or making:
            while left and (not making or held + left[0][0] <= BUDGET):
                size, job = left.popleft()
                making.append((size, pool.submit(job)))
                held += size
            size, future = making[0]
            content = future.result()
            making.popleft()
            try:
                yield content
            finally:
                content.close()
            held -= size
            del content, future
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        for _, future in making:
            if not future.cancelled() and future.exception() is None:
                future.result().close()
