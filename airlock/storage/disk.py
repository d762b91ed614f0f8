"""Every change of a site's root passes through one interface, so that a test can cut the power after any of them.

`RealDisk` works below one directory that it holds open: a path is walked part by part without following a link, files are
created exclusively, so neither a hostile path nor a link planted beforehand leads outside.
"""

import ctypes
import errno
import os
import shutil
import stat
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

from airlock.core.digest import CHUNK, Digest, Hasher, digest_from, digest_of_stream, hex_of
from airlock.core.native import native
from airlock.errors import IntegrityError
from airlock.storage.atomic import sync_directory
from airlock.storage.journal import append_all

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_MORE = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
_OLD = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_KEPT_OPEN = 64
"""Directories; files come sorted by directory, mostly."""


_THREADS = 2
_FEW = 1 << 20
"""Bytes of files that are not worth a second thread."""

Source = bytes | str
"""Bytes, or the path of a file to read."""


class NewFile(NamedTuple):
    """A file to create from a part of a source. `like` is the path of one that may have the same content, or empty."""

    path: str
    mode: int
    source: Source
    offset: int
    size: int
    like: str = ""


class KeptFile(NamedTuple):
    """A path to become another name of the file `like`, if that is still as it was."""

    path: str
    like: str
    mode: int
    size: int
    digest: Digest


class Disk(Protocol):
    """Paths are relative to the root, with `/`. Every method raises OSError, and IntegrityError where no airlock can have made
    what is there; none follows a link below the root."""

    def make_directory(self, path: str) -> None:
        """With its parents; one that is there already is kept."""

    def write(self, path: str, chunks: Iterable[bytes], mode: int, like: str = "") -> tuple[Digest, int]:
        """Create a file, with its parents, from a stream. Where the file `like` has the very same content and mode, the
        new path becomes another name of it. Returns digest and size in bytes."""

    def write_all(self, files: Sequence[NewFile]) -> list[Digest]:
        """As `write`, for many files and in any order. Returns their digests."""

    def link_all(self, files: Sequence[KeptFile]) -> list[bool]:
        """Make each path another name of a regular file, with its parents, where that has the mode, size and digest.
        Returns which were made."""

    def append(self, path: str, data: bytes) -> None:
        """Add to the end of a file, which is made, with its parents, where it is absent."""

    def symlink(self, target: str, path: str) -> None:
        """Create a link that says `target`."""

    def rename(self, source: str, path: str) -> None:
        """Move a file, link or directory to a path, at once; a file or link there is replaced. Lasting after `sync`."""

    def remove(self, path: str) -> None:
        """A file, a link, or a directory with all that is in it; nothing where there is nothing."""

    def sync(self, path: str = "") -> None:
        """Return when that file or directory, or everything below the root, is on the medium."""


class RealDisk:
    """The directory `root`, which is made with the first change."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._open: OrderedDict[str, int] = OrderedDict()

    def make_directory(self, path: str) -> None:
        self._directory(path)

    def write(self, path: str, chunks: Iterable[bytes], mode: int, like: str = "") -> tuple[Digest, int]:
        folder, name = self._place(path)
        hasher = Hasher()
        stream = hasher.watch(chunks)
        twin = self._twin(like, mode) if like else None
        if twin is None:
            _create(folder, name, stream, mode)
        else:
            with twin:
                self._write_like(twin, like, path, stream, mode)
        return hasher.digest, hasher.size

    def write_all(self, files: Sequence[NewFile]) -> list[Digest]:
        if (fast := native()) is None:
            return [self.write(file.path, part_of(file), file.mode, file.like)[0] for file in files]
        numbers: dict[int, int] = {}
        sources: list[Source] = []
        rows: list[tuple[str, int, int, int, int, str]] = []
        for path, mode, source, offset, size, like in files:
            if (number := numbers.get(id(source))) is None:
                number = numbers[id(source)] = len(sources)
                sources.append(source)
            rows.append((path, mode, number, offset, size, like))
        threads = _THREADS if sum(file.size for file in files) > _FEW else 1
        root = f"/proc/self/fd/{self._directory('')}"
        return [digest_from(data) for data in fast.write_files(root, sources, rows, threads)]

    def link_all(self, files: Sequence[KeptFile]) -> list[bool]:
        if (fast := native()) is None:
            return [self._keep(file) for file in files]
        threads = _THREADS if sum(file.size for file in files) > _FEW else 1
        rows = [(*file[:4], bytes.fromhex(hex_of(file.digest))) for file in files]
        made: list[bool] = fast.link_files(f"/proc/self/fd/{self._directory('')}", rows, threads)
        return made

    def append(self, path: str, data: bytes) -> None:
        folder, name = self._place(path)
        descriptor = os.open(name, _MORE, 0o644, dir_fd=folder)
        try:
            if not (size := os.fstat(descriptor).st_size):
                os.fchmod(descriptor, 0o644)
            append_all(descriptor, data, size)
        finally:
            os.close(descriptor)

    def symlink(self, target: str, path: str) -> None:
        folder, name = self._place(path)
        os.symlink(target, name, dir_fd=folder)

    def rename(self, source: str, path: str) -> None:
        before, old = self._place(source)
        after, new = self._place(path)
        os.rename(old, new, src_dir_fd=before, dst_dir_fd=after)
        self._forget(source)
        self._forget(path)

    def remove(self, path: str) -> None:
        self._forget(path)
        folder, name = self._place(path)
        with suppress(FileNotFoundError):
            if not stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                os.unlink(name, dir_fd=folder)
                return
            try:
                shutil.rmtree(name, dir_fd=folder)
            except RecursionError as error:
                hint = "somebody changed the site by hand: remove it"
                where = str(self.root / path)
                raise IntegrityError(where, "folders too deep to be airlock's", hint=hint) from error

    def sync(self, path: str = "") -> None:
        if path:
            folder, name = self._place(path)
            descriptor = os.open(name, _OLD, dir_fd=folder)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        else:
            _sync_filesystem(self._directory(""))

    def close(self) -> None:
        while self._open:
            os.close(self._open.popitem()[1])

    def __del__(self) -> None:
        self.close()

    def _forget(self, path: str) -> None:
        """What is open of a directory and below it, as it goes or moves."""
        for known in [known for known in self._open if f"{known}/".startswith(f"{path}/")]:
            os.close(self._open.pop(known))

    def _place(self, path: str) -> tuple[int, str]:
        folder, _, name = path.rpartition("/")
        return self._directory(folder), name

    def _directory(self, path: str) -> int:
        """A descriptor of a directory that is made where it is absent; valid until the next call but some."""
        if (known := self._open.get(path)) is not None:
            self._open.move_to_end(path)
            return known
        if path:
            folder, _, name = path.rpartition("/")
            descriptor = _enter(self._directory(folder), name)
        else:
            _make(self.root)
            descriptor = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._open[path] = descriptor
        while len(self._open) > _KEPT_OPEN:
            os.close(self._open.popitem(last=False)[1])
        return descriptor

    def _keep(self, file: KeptFile) -> bool:
        twin = self._twin(file.like, file.mode)
        if twin is None:
            return False
        with twin:
            if os.fstat(twin.fileno()).st_size != file.size or digest_of_stream(twin)[0] != file.digest:
                return False
        return self._link(file.like, file.path)

    def _twin(self, path: str, mode: int) -> BinaryIO | None:
        try:
            folder, name = self._place(path)
            stream = os.fdopen(os.open(name, _OLD, dir_fd=folder), "rb")
        except OSError:
            return None
        found = os.fstat(stream.fileno()).st_mode
        if stat.S_ISREG(found) and stat.S_IMODE(found) == mode:
            return stream
        stream.close()
        return None

    def _write_like(self, twin: BinaryIO, like: str, path: str, stream: Iterator[bytes], mode: int) -> None:
        """Compare while the new content passes; on the first difference write what was equal, then the rest."""
        equal, other = _compare(stream, twin)
        if not other and not twin.read(1) and self._link(like, path):
            return
        folder, name = self._place(path)
        twin.seek(0)
        _create(folder, name, chain(_first(twin, equal), [other], stream), mode)

    def _link(self, like: str, path: str) -> bool:
        folder, name = self._place(path)
        source, old = self._place(like)
        try:
            os.link(old, name, src_dir_fd=source, dst_dir_fd=folder, follow_symlinks=False)
        except OSError:
            return False
        return True


def part_of(file: NewFile) -> Iterator[bytes]:
    """The bytes of a file to create. Raises OSError where its source is too short."""
    if isinstance(file.source, bytes):
        yield file.source[file.offset : file.offset + file.size]
        return
    with Path(file.source).open("rb") as stream:
        stream.seek(file.offset)
        left = file.size
        while left:
            if not (chunk := stream.read(min(left, CHUNK))):
                raise OSError(errno.EIO, "its source is too short", file.path)
            left -= len(chunk)
            yield chunk


def _compare(stream: Iterator[bytes], twin: BinaryIO) -> tuple[int, bytes]:
    """How many bytes are equal, and the first chunk that is not, empty at the end of the stream."""
    equal = 0
    for chunk in stream:
        if twin.read(len(chunk)) != chunk:
            return equal, chunk
        equal += len(chunk)
    return equal, b""


def _first(stream: BinaryIO, size: int) -> Iterator[bytes]:
    while size and (chunk := stream.read(min(size, CHUNK))):
        size -= len(chunk)
        yield chunk


def _create(folder: int, name: str, chunks: Iterable[bytes], mode: int) -> None:
    descriptor = os.open(name, _NEW, 0o600, dir_fd=folder)
    try:
        for chunk in chunks:
            _write_all(descriptor, chunk)
        os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[os.write(descriptor, view) :]


def _make(path: Path) -> None:
    """With its parents; whatever the umask, those who run what is installed below may pass."""
    if not path.exists():
        _make(path.parent)
        path.mkdir(exist_ok=True)
        path.chmod(0o755)
        sync_directory(path.parent)


def _enter(folder: int, name: str) -> int:
    try:
        return os.open(name, _DIRECTORY, dir_fd=folder)
    except FileNotFoundError:
        os.mkdir(name, dir_fd=folder)
    descriptor = os.open(name, _DIRECTORY, dir_fd=folder)
    os.fchmod(descriptor, 0o755)
    return descriptor


def _sync_filesystem(descriptor: int) -> None:
    """syncfs(2), which Python does not have: one barrier instead of one fsync for each of some thousand files."""
    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "syncfs"):
        os.sync()
    elif library.syncfs(descriptor):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
