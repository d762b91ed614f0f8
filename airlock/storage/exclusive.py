"""One process at a time."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from airlock.errors import TargetError
from airlock.storage.regular import open_own


@contextmanager
def exclusive(path: Path, holder: str) -> Iterator[None]:
    """Hold the lock file `path` (flock(2), so a process that dies lets go), which is empty while nobody
    does. Raises TargetError that names who has it, IntegrityError where something else lies there; OSError."""
    descriptor = open_own(path, 0o644)
    try:
        _take(descriptor, path)
        if os.fstat(descriptor).st_nlink > 1:
            yield  # another name of the file may be somebody else's: nothing is written to it
            return
        os.ftruncate(descriptor, 0)
        with suppress(OSError):  # a disk without room for a name is one to work on all the same
            os.pwrite(descriptor, f"{holder}, process {os.getpid()}".encode(), 0)
        try:
            yield
        finally:
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _take(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            raise
        found = os.pread(descriptor, 200, 0).decode(errors="replace") or "another command"
        raise TargetError(
            str(path), "in use", expected="nobody", found=found, hint="wait until it has ended"
        ) from error
