"""Files of a cache that may vanish or break at any time: written without waiting for the disk, and checked when read."""

import hashlib
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from airlock.core.native import native

_DIGEST = 32


def write_checked(path: Path, data: bytes) -> None:
    """Readers see the old content or the new. What cannot be written is not kept."""
    digest = hashlib.sha256(data).digest()
    if crate := native():
        with suppress(OSError):
            crate.keep_file(path.parent, path.name, [digest, data])
        return
    try:
        handle, name = _partial(path.parent)
    except OSError:
        return
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(digest + data)
        Path(name).replace(path)
    except OSError:
        with suppress(OSError):
            Path(name).unlink()


def _partial(folder: Path) -> tuple[int, str]:
    """A folder is looked after only where it is not there: many small files are written into few."""
    try:
        return tempfile.mkstemp(dir=folder, prefix=".", suffix=".tmp")
    except FileNotFoundError:
        folder.mkdir(parents=True, exist_ok=True)
        return tempfile.mkstemp(dir=folder, prefix=".", suffix=".tmp")


def read_checked(path: Path, limit: int) -> bytes | None:
    """None where the file is missing, larger than `limit` bytes, or not what was written."""
    try:
        with path.open("rb") as stream:
            found = stream.read(limit + _DIGEST + 1)
    except OSError:
        return None
    digest, data = found[:_DIGEST], found[_DIGEST:]
    if len(data) > limit or hashlib.sha256(data).digest() != digest:
        return None
    return data
