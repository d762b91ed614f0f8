"""Bring one large file into the store: resumed where an earlier try broke off, and never more bytes than were locked."""

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from airlock.core.artifact import Artifact
from airlock.core.digest import Digest
from airlock.errors import FetchError, IntegrityError
from airlock.formats.rows import MAX_ARTIFACT
from airlock.kinds import NearSide

ATTEMPTS = 5
"""How often a transfer that broke off is taken up again before the user is told."""


def download(url: str, artifact: Artifact, near: NearSide) -> None:
    """Bring the artifact's bytes from `url` into the store. Nothing is asked where the store has them. What an
    interrupted run left is continued with a range request. Reports one task, named by the artifact's label, in bytes.
    Raises FetchError where the transfer ends early, IntegrityError where the bytes are not the locked ones."""
    partial = near.store.partial(artifact.digest)
    partial.parent.mkdir(parents=True, exist_ok=True)
    near.reporter.start(artifact.label, artifact.size)
    try:
        with _alone(partial) as stream:
            if artifact.digest in near.store:
                partial.unlink()
                return
            _Transfer(url, artifact, near, stream).run()
            stream.flush()
            near.store.adopt(artifact.digest, artifact.label)
    finally:
        near.reporter.finish(artifact.label)


def download_unmeasured(
    url: str, digest: Digest | None, label: str, near: NearSide, size: int | None = None
) -> tuple[Digest, int]:
    """Bring a file into the store of which not everything is known yet; returns its digest and size (bytes). Raises
    FetchError, or IntegrityError where the bytes have another digest, or are more than `size`."""
    if digest is not None and digest in near.store:
        return digest, near.store.path(digest).stat().st_size
    near.reporter.start(label, size)
    try:
        with near.web.download(url) as reply:
            return near.store.put(_limited(reply.chunks, label, near, size), digest, label)
    finally:
        near.reporter.finish(label)


def _limited(chunks: Iterable[bytes], label: str, near: NearSide, size: int | None) -> Iterator[bytes]:
    limit, taken = MAX_ARTIFACT if size is None else size, 0
    for chunk in chunks:
        taken += len(chunk)
        if taken > limit:
            raise IntegrityError(label, "the server sends more than was announced", expected=f"{limit} bytes")
        near.reporter.advance(label, len(chunk))
        yield chunk


@contextmanager
def _alone(partial: Path) -> Iterator[BinaryIO]:
    """The partial file, locked, so that two airlocks that want the same bytes do not write into each other's. While one
    waits, the other may have moved the file into the store, so the name is looked up again once the lock is had."""
    while True:
        with partial.open("a+b") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            if _names(partial, stream):
                yield stream
                return


def _names(partial: Path, stream: BinaryIO) -> bool:
    try:
        return os.path.samestat(os.fstat(stream.fileno()), partial.stat())
    except FileNotFoundError:
        return False


class _Transfer:
    """One file on its way. `_told` is what was reported, so that progress never goes backwards where a server starts
    over."""

    def __init__(self, url: str, artifact: Artifact, near: NearSide, stream: BinaryIO) -> None:
        self._url, self._artifact, self._near, self._stream = url, artifact, near, stream
        self._size = stream.seek(0, os.SEEK_END)
        self._told = 0

    def run(self) -> None:
        if self._size > self._artifact.size:
            self._cut(0)
        self._tell()
        for attempt in range(1, ATTEMPTS + 1):
            before = self._size
            if before == self._artifact.size:
                return
            try:
                self._continue()
            except FetchError:
                if attempt == ATTEMPTS:
                    raise
                continue
            if self._size == before:
                break
        if self._size != self._artifact.size:
            raise FetchError(
                self._artifact.label,
                "the transfer ended early",
                expected=f"{self._artifact.size} bytes",
                found=f"{self._size} bytes",
                hint="run the command again; it continues where this one stopped",
            )

    def _continue(self) -> None:
        with self._near.web.download(self._url, self._size) as reply:
            if reply.start > self._size:
                raise FetchError(
                    self._artifact.label,
                    "the server answered with another range",
                    expected=f"from byte {self._size}",
                    found=f"from byte {reply.start}",
                )
            self._cut(reply.start)
            for chunk in reply.chunks:
                self._take(chunk)

    def _take(self, chunk: bytes) -> None:
        if self._size + len(chunk) > self._artifact.size:
            self._cut(0)
            raise IntegrityError(
                self._artifact.label, "longer than the lock says", expected=f"{self._artifact.size} bytes"
            )
        self._stream.write(chunk)
        self._size += len(chunk)
        self._tell()

    def _cut(self, size: int) -> None:
        self._stream.truncate(size)
        self._size = size

    def _tell(self) -> None:
        if self._size > self._told:
            self._near.reporter.advance(self._artifact.label, self._size - self._told)
            self._told = self._size
