"""The content-addressed store of the near side: `sha256/ab/abcd…`, one file a blob, immutable."""

import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from airlock.core.digest import Digest, Hasher, chunks_of, hex_of
from airlock.errors import FetchError, IntegrityError


@dataclass(frozen=True, slots=True)
class Store:
    root: Path

    def path(self, digest: Digest) -> Path:
        name = hex_of(digest)
        return self.root / "sha256" / name[:2] / name

    def partial(self, digest: Digest) -> Path:
        """Where a download that can be resumed grows; `adopt` takes it in."""
        return self.root / "partial" / hex_of(digest)

    def __contains__(self, digest: Digest) -> bool:
        return self.path(digest).is_file()

    def put(
        self, chunks: Iterable[bytes], expected: Digest | None = None, where: str = "store"
    ) -> tuple[Digest, int]:
        """Take bytes in; returns their digest and size. Raises IntegrityError where they are not `expected`."""
        hasher = Hasher()
        staging = self.root / "staging"
        staging.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=staging)
        try:
            with os.fdopen(handle, "wb") as stream:
                for chunk in hasher.watch(chunks):
                    stream.write(chunk)
            self._check(expected, hasher.digest, where)
            self._commit(Path(name), hasher.digest)
        finally:
            Path(name).unlink(missing_ok=True)
        return hasher.digest, hasher.size

    def adopt(self, digest: Digest, where: str) -> None:
        """Take in the finished partial download of `digest`. One that is not what it should be is removed; raises
        IntegrityError."""
        partial = self.partial(digest)
        hasher = Hasher()
        with partial.open("rb") as stream:
            for chunk in chunks_of(stream):
                hasher.update(chunk)
        if hasher.digest != digest:
            partial.unlink()
        self._check(digest, hasher.digest, where)
        self._commit(partial, digest)

    def discard(self, digest: Digest) -> None:
        """Forget a blob that turned out to be not what it should be."""
        self.path(digest).unlink(missing_ok=True)

    def open(self, digest: Digest, where: str = "store") -> BinaryIO:
        """The blob, its bytes trusted as they were checked on the way in. Raises FetchError where it is absent."""
        try:
            return self.path(digest).open("rb")
        except FileNotFoundError as error:
            raise FetchError(
                where, "not in the store", expected=digest, hint="run `airlock fetch`"
            ) from error

    def _commit(self, temporary: Path, digest: Digest) -> None:
        final = self.path(digest)
        final.parent.mkdir(parents=True, exist_ok=True)
        temporary.chmod(0o444)
        temporary.replace(final)

    @staticmethod
    def _check(expected: Digest | None, found: Digest, where: str) -> None:
        if expected is not None and found != expected:
            raise IntegrityError(where, "content does not match its digest", expected=expected, found=found)
