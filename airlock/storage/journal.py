"""A journal in a file of its own, as the near side keeps one. A site writes its own through its disk."""

import fcntl
import os
from pathlib import Path

from airlock.formats.journal import Act, Journal, Line, next_line, parse_journal, parse_line
from airlock.storage.atomic import sync_directory


def read_journal(path: Path) -> Journal:
    """Nothing where there is none. Raises IntegrityError that names the first broken line, and OSError."""
    try:
        return parse_journal(path.read_bytes(), str(path))
    except FileNotFoundError:
        return Journal()


def append(path: Path, act: Act) -> Line:
    """Write one more line, synced when this returns; processes that do so at once wait for each other. What a power cut
    left of a line is cut off first. Raises IntegrityError where the journal is broken, and OSError."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        journal = parse_journal(path.read_bytes(), str(path))
        if journal.torn:
            os.ftruncate(descriptor, journal.size)
        data = next_line(journal, act)
        append_all(descriptor, data, journal.size)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if not journal.lines:
        sync_directory(path.parent)
    return parse_line(data, str(path))


def append_all(descriptor: int, data: bytes, size: int) -> None:
    """Write at the end of a file of `size` bytes; where the disk takes only a part, that is cut off again."""
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(descriptor, view) :]
    except OSError:
        os.ftruncate(descriptor, size)
        raise
