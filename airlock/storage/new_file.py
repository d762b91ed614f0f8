"""Files that must not exist yet, such as private keys."""

import os
from pathlib import Path

from airlock.errors import UsageError


def create_new(path: Path, data: bytes, mode: int) -> None:
    """Create `path` with its final permissions from the first moment on. Raises UsageError where it exists."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    except FileExistsError as error:
        raise UsageError(str(path), "exists already", hint="choose another name, or move it away") from error
    with os.fdopen(handle, "wb") as stream:
        os.fchmod(handle, mode)
        stream.write(data)
        stream.flush()
        os.fsync(handle)
