"""Crash-safe writes of single files: readers see the old content or the new, never a part of it.

The new content lies beside its destination until it is synced, under a hidden name that its writer holds a lock on (flock(2)).
A name of that form that nobody holds was left by a writer that died; the next writer of the same file removes it.
"""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Protocol

_SUFFIX = ".tmp"


class Steps(Protocol):
    """Each way in which a file is replaced touches the disk; a test cuts the power between them. All raise OSError."""

    def create(self, path: Path) -> tuple[BinaryIO, Path]:
        """A new file beside `path`, to be written and read, and its name."""

    def sync(self, stream: BinaryIO, mode: int) -> None:
        """Return when its bytes and permissions are on the medium."""

    def rename(self, temporary: Path, path: Path) -> None: ...
    def sync_directory(self, path: Path) -> None: ...
    def remove(self, temporary: Path) -> None: ...


class RealSteps:
    def create(self, path: Path) -> tuple[BinaryIO, Path]:
        while True:
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=_prefix(path), suffix=_SUFFIX)
            stream = os.fdopen(handle, "w+b")
            with suppress(OSError):  # where there are no locks, nothing is ever taken for left behind
                fcntl.flock(handle, fcntl.LOCK_EX)  # somebody may just be looking whether it is held
            if os.fstat(handle).st_nlink:
                return stream, Path(name)
            stream.close()  # another writer took it for one that was left, before it was locked

    def sync(self, stream: BinaryIO, mode: int) -> None:
        stream.flush()
        os.fchmod(stream.fileno(), mode)
        os.fsync(stream.fileno())

    def rename(self, temporary: Path, path: Path) -> None:
        temporary.replace(path)

    def sync_directory(self, path: Path) -> None:
        sync_directory(path)

    def remove(self, temporary: Path) -> None:
        temporary.unlink(missing_ok=True)


@contextmanager
def replacing(path: Path, mode: int = 0o644, steps: Steps | None = None) -> Iterator[BinaryIO]:
    """A stream beside `path` that takes its place, synced, when the block ends well, and is removed when it does not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    steps = steps or RealSteps()
    for left in left_behind(path):
        steps.remove(left)
    stream, temporary = steps.create(path)
    try:
        with stream:
            yield stream
            steps.sync(stream, mode)
            steps.rename(temporary, path)
        steps.sync_directory(path.parent)
    except BaseException as error:
        steps.remove(temporary)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # a full disk does not say which
        raise


def left_behind(path: Path) -> Iterator[Path]:
    """Unfinished files beside `path` whose writer is gone. Each is held until the next is asked for, so that a writer who
    has just created it waits, and sees that it is gone."""
    names = (one for one in path.parent.iterdir() if one.name.startswith(_prefix(path)))
    for one in sorted(names):
        if one.name.endswith(_SUFFIX) and (handle := _held(one)) is not None:
            try:
                yield one
            finally:
                os.close(handle)


def _held(path: Path) -> int | None:
    """A descriptor that holds the lock on it, None where somebody else does."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def _prefix(path: Path) -> str:
    return f".{path.name[:40]}."


def write_atomically(path: Path, data: bytes, mode: int = 0o644) -> None:
    with replacing(path, mode) as stream:
        stream.write(data)


def sync_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
