"""Bring a whole wheel into the store, going on where an earlier attempt broke off."""

from collections.abc import Iterator
from pathlib import Path

from airlock.core.digest import Digest
from airlock.core.reporter import Reporter
from airlock.errors import FetchError, IntegrityError
from airlock.formats.rows import MAX_ARTIFACT
from airlock.kinds import NearSide
from airlock.kinds.wheel.releases import WheelFile

ATTEMPTS = 5
"""Broken downloads in a row, none of which brought a byte, before we give up."""


def download(file: WheelFile, near: NearSide) -> tuple[Digest, int]:
    """The digest and size (bytes) of the file, which is in the store afterwards. Raises FetchError or IntegrityError."""
    near.reporter.start(file.file, file.size)
    try:
        if file.digest is None:
            return _unnamed(file, near)
        resume(file.url, file.digest, file.size, near)
    finally:
        near.reporter.finish(file.file)
    return file.digest, near.store.path(file.digest).stat().st_size


def _unnamed(file: WheelFile, near: NearSide) -> tuple[Digest, int]:
    """A file whose index gives no sha256: what arrives is what gets locked."""
    with near.web.download(file.url) as answer:
        chunks = _counted(answer.chunks, 0, file.size, file.file, near.reporter)
        return near.store.put(chunks, where=file.file)


def resume(url: str, digest: Digest, size: int | None, near: NearSide) -> None:
    """Download into the store's partial file and adopt it. `size` limits what is taken from the server."""
    partial = near.store.partial(digest)
    partial.parent.mkdir(parents=True, exist_ok=True)
    where, left = url.rpartition("/")[2], ATTEMPTS
    if size is not None and partial.exists() and partial.stat().st_size > size:
        partial.unlink()
    while not (partial.exists() and partial.stat().st_size == size):
        before = partial.stat().st_size if partial.exists() else 0
        try:
            _append(url, partial, before, size, near)
            break
        except FetchError:
            left = ATTEMPTS if partial.exists() and partial.stat().st_size > before else left - 1
            if not left:
                raise
    near.store.adopt(digest, where)


def _append(url: str, partial: Path, start: int, size: int | None, near: NearSide) -> None:
    task = url.rpartition("/")[2]
    with near.web.download(url, start) as answer, partial.open("ab") as stream:
        if answer.start != start:
            stream.truncate(0)
        for chunk in _counted(answer.chunks, answer.start, size, task, near.reporter):
            stream.write(chunk)


def _counted(
    chunks: Iterator[bytes], start: int, size: int | None, task: str, reporter: Reporter
) -> Iterator[bytes]:
    limit, position = MAX_ARTIFACT if size is None else size, start
    for chunk in chunks:
        position += len(chunk)
        if position > limit:
            raise IntegrityError(task, "the server sends more than was announced", expected=f"{limit} bytes")
        reporter.advance(task, len(chunk))
        yield chunk
