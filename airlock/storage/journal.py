"""A journal in a file of its own, as the near side keeps one. A site writes its own through its disk."""

import fcntl
import os
from pathlib import Path

from airlock.errors import IntegrityError
from airlock.formats.journal import (
    MAX_JOURNAL,
    Act,
    Journal,
    Line,
    next_line,
    parse_journal,
    parse_line,
    sound_part,
)
from airlock.storage.atomic import sync_directory
from airlock.storage.regular import open_own


def read_journal(path: Path) -> Journal:
    """Nothing where there is none. Raises IntegrityError that names the first broken line, and OSError."""
    try:
        with path.open("rb") as stream:
            return parse_journal(stream.read(MAX_JOURNAL + 1), str(path))
    except FileNotFoundError:
        return Journal()


def read_sound(path: Path) -> tuple[Journal, IntegrityError | None]:
    """The lines before the first that is broken, and what is wrong with that one. Raises OSError."""
    with path.open("rb") as stream:
        return sound_part(stream.read(MAX_JOURNAL + 1), str(path))


def append(path: Path, act: Act) -> Line:
    """Write one more line, synced when this returns; processes that do so at once wait for each other. What a power cut
    left of a line is cut off first. Raises IntegrityError where the journal is broken, a link or no file, and OSError."""
    with os.fdopen(open_own(path, 0o644, os.O_APPEND), "rb", buffering=0) as stream:
        descriptor = stream.fileno()
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        journal = parse_journal(_read(descriptor), str(path))
        if journal.torn:
            os.ftruncate(descriptor, journal.size)
        data = next_line(journal, act)
        append_all(descriptor, data, journal.size)
        os.fsync(descriptor)
    if not journal.lines:
        sync_directory(path.parent)
    return parse_line(data, str(path))


def _read(descriptor: int) -> bytes:
    """Never more than a byte too much."""
    parts: list[bytes] = []
    size = 0
    while size <= MAX_JOURNAL and (part := os.pread(descriptor, MAX_JOURNAL + 1 - size, size)):
        parts.append(part)
        size += len(part)
    return b"".join(parts)


def append_all(descriptor: int, data: bytes, size: int) -> None:
    """Write at the end of a file of `size` bytes; where the disk takes only a part, that is cut off again."""
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(descriptor, view) :]
    except OSError:
        os.ftruncate(descriptor, size)
        raise
