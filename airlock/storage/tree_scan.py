"""Compare what is on a disk with what was recorded."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from airlock.core.digest import digest_of_stream
from airlock.core.tree import Change, Entry, FileEntry, LinkEntry, Tree


def drift(root: Path, tree: Tree) -> Iterator[Change]:
    """What differs from `tree` below `root`, every file hashed anew; paths that the tree does not have are not looked
    for."""
    for path, expected in sorted(tree.items()):
        found = _entry(root / path)
        if found != expected:
            yield Change(path=path, before=expected, after=found)


def _entry(path: Path) -> Entry | None:
    """None for what is absent, or neither a file nor a link."""
    try:
        if path.is_symlink():
            return LinkEntry(target=str(path.readlink()))
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as stream:
        found = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(found):
            return None
        digest, size = digest_of_stream(stream)
    return FileEntry(digest=digest, size=size, mode=stat.S_IMODE(found))
