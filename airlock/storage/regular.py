"""Read a small file that airlock itself wrote, and nothing that somebody put in its place."""

import errno
import os
import stat
from pathlib import Path

from airlock.core.canonical_json import MAX_SIZE
from airlock.errors import IntegrityError

_HINT = "somebody changed the site by hand: put back what was there, or install anew below another root"


def read_regular(path: Path, limit: int = MAX_SIZE) -> bytes | None:
    """Its bytes, at most `limit`; None where there is nothing. Raises IntegrityError for a link, which is not followed, and
    for what is no file, for which a reader might wait for ever."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENXIO):
            raise
        raise _not_regular(path) from error
    with os.fdopen(descriptor, "rb") as stream:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise _not_regular(path)
        if found.st_size > limit:
            expected = f"at most {limit} bytes"
            raise IntegrityError(str(path), "too large", expected=expected, found=f"{found.st_size} bytes")
        return stream.read(limit)


def _not_regular(path: Path) -> IntegrityError:
    return IntegrityError(str(path), "a link, or not a regular file", expected="what airlock wrote", hint=_HINT)
