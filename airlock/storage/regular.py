"""Read a file that airlock itself wrote, and nothing that somebody put in its place."""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

from airlock.core.canonical_json import MAX_SIZE
from airlock.core.paths import SafePath
from airlock.errors import IntegrityError

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_HINT = "somebody changed the site by hand: put back what was there, or install anew below another root"


def read_regular(path: Path, limit: int = MAX_SIZE) -> bytes | None:
    """Its bytes, at most `limit`; None where there is nothing. Raises IntegrityError as `open_regular` does."""
    try:
        stream = open_regular(path)
    except FileNotFoundError:
        return None
    with stream:
        if (size := os.fstat(stream.fileno()).st_size) > limit:
            raise IntegrityError(
                str(path), "too large", expected=f"at most {limit} bytes", found=f"{size} bytes"
            )
        return stream.read(limit)


def open_regular(path: Path, folder: int | None = None) -> BinaryIO:
    """`folder` is a descriptor that a relative path starts from. Raises FileNotFoundError where there is nothing, and IntegrityError for a link, which is not followed, and for what
    is no file, for which a reader might wait for ever."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENXIO):
            raise
        raise _not_regular(path) from error
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    raise _not_regular(path)


def open_below(root: Path, path: SafePath) -> BinaryIO:
    """A regular file below `root`, walked part by part so that no link is followed. Raises FileNotFoundError,
    IntegrityError as `open_regular` does, and OSError."""
    *folders, name = path.split("/")
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in folders:
            inner = os.open(part, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = inner
        return open_regular(Path(name), folder)
    except NotADirectoryError as error:
        raise _not_regular(root / path) from error
    finally:
        os.close(folder)


def open_own(path: Path, mode: int, more: int = 0) -> int:
    """A descriptor of a file to be read and written, made where it is absent; `more` are flags of open(2). Raises
    IntegrityError for a link and for what is no file; OSError."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags | more, mode)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise
        raise _not_regular(path) from error
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise _not_regular(path)


def _not_regular(path: Path) -> IntegrityError:
    return IntegrityError(
        str(path), "a link, or not a regular file", expected="what airlock wrote", hint=_HINT
    )
