"""What is sent, opened: an original as a file that was restored once, and a file of a generation that was compared with its
digest and has not been touched since. Nothing is written below the site's root.
"""

import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from airlock.airgapped.site import Site
from airlock.core.digest import Digest, digest_of_stream, hex_of
from airlock.errors import IntegrityError
from airlock.formats.index import IndexEntry
from airlock.kinds.serving import Placed
from airlock.storage.atomic import replacing
from airlock.storage.content import content_of
from airlock.storage.regular import open_below, open_regular

_Seen = tuple[int, int, int, int]
"""Device, inode, time of the last change in nanoseconds, size in bytes."""
MAX_SEEN = 100_000
_LOCKS = 64


@dataclass(slots=True, kw_only=True)
class Shelf:
    """`folder` takes the restored originals; together they are as large as what was locked. Every method may be called
    from any thread."""

    site: Site
    folder: Path
    _locks: list[threading.Lock] = field(default_factory=lambda: [threading.Lock() for _ in range(_LOCKS)])
    _seen: dict[_Seen, Digest] = field(default_factory=dict)

    def original(self, entry: IndexEntry) -> BinaryIO:
        """Raises IntegrityError where it cannot be restored, and OSError."""
        digest = entry.artifact.digest
        path = self.folder / hex_of(digest)
        with self._lock(digest):
            if not path.exists():
                self._restore(entry, path)
            return open_regular(path)

    def _restore(self, entry: IndexEntry, path: Path) -> None:
        where = f"store: {entry.artifact.label}"
        with self.site.open_frame(entry.expanded.digest) as frame:
            content = content_of(frame, entry.expanded, where, self.folder)
        try:
            with replacing(path) as out:
                for member in content.original(entry):
                    for chunk in member.chunks:
                        out.write(chunk)
        finally:
            content.close()

    def placed(self, placed: Placed) -> BinaryIO:
        """Raises IntegrityError where it is not what was installed, and OSError."""
        stream = open_below(self.site.root, placed.path)
        try:
            self._compare(stream, placed)
        except BaseException:
            stream.close()
            raise
        return stream

    def _compare(self, stream: BinaryIO, placed: Placed) -> None:
        seen = _seen(stream)
        if self._seen.get(seen) == placed.entry.digest:
            return
        with self._lock(placed.entry.digest):
            found, _ = digest_of_stream(stream)
        if found != placed.entry.digest:
            where = str(self.site.path(placed.path))
            hint = "see `airlock audit`, and install the bundle anew"
            raise IntegrityError(
                where, "not what was installed", expected=placed.entry.digest, found=found, hint=hint
            )
        if len(self._seen) == MAX_SEEN:
            self._seen.clear()
        self._seen[seen] = found

    def _lock(self, digest: Digest) -> threading.Lock:
        return self._locks[int(hex_of(digest)[:8], 16) % _LOCKS]


def _seen(stream: BinaryIO) -> _Seen:
    found = os.fstat(stream.fileno())
    return found.st_dev, found.st_ino, found.st_ctime_ns, found.st_size
