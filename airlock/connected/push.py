"""`airlock push`: a bundle or delta into a registry, of which only what that lacks is sent."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from airlock.core.digest import CHUNK, Digest, digest_of, digest_of_stream
from airlock.core.reporter import Reporter
from airlock.formats.delta_index import MEMBER as DELTA_INDEX
from airlock.oci.carried import BUNDLE, DELTA, NOTHING, Carried, Member, write_carried
from airlock.oci.documents import OCI_MANIFEST
from airlock.oci.upload import Blob, Uploads
from airlock.storage.archive import Archive

_TASK = "Pushing"
_JOBS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    digest: Digest
    """Of the manifest: what pins exactly this."""
    sent: int
    """Bytes."""
    present: int
    """Bytes that the registry had."""


def push(archive: Archive, file: str, tag: str, uploads: Uploads, reporter: Reporter) -> Pushed:
    """`file` is the name that `pull` will give it. The manifest goes last: whoever pulls finds all of it, or nothing new. Raises
    FetchError, IntegrityError for what no registry takes."""
    members = [_member(archive, name) for name in archive.members]
    kind = DELTA if DELTA_INDEX in archive.members else BUNDLE
    manifest = write_carried(Carried(kind=kind, file=file, members=tuple(members)), archive.where)
    blobs = {member.digest: _blob(archive, member) for member in members}
    blobs[digest_of(NOTHING)] = Blob(digest=digest_of(NOTHING), size=len(NOTHING), read=_nothing)
    reporter.start(_TASK, sum(blob.size for blob in blobs.values()))
    try:
        sent = sum(_all(list(blobs.values()), uploads, reporter))
        uploads.put_manifest(tag, manifest, OCI_MANIFEST)
    finally:
        reporter.finish(_TASK)
    total = sum(blob.size for blob in blobs.values())
    return Pushed(digest=digest_of(manifest), sent=sent, present=total - sent)


def _all(blobs: list[Blob], uploads: Uploads, reporter: Reporter) -> Iterator[int]:
    """The bytes that were sent of each."""

    def bring(blob: Blob) -> int:
        if uploads.has(blob.digest):
            reporter.advance(_TASK, blob.size)
            return 0
        uploads.put(blob, partial(reporter.advance, _TASK))
        return blob.size

    pool = ThreadPoolExecutor(max_workers=_JOBS)
    try:
        yield from pool.map(bring, blobs)
    finally:
        pool.shutdown(cancel_futures=True)


def _member(archive: Archive, name: str) -> Member:
    with archive.open(name) as stream:
        digest, size = digest_of_stream(stream)
    return Member(name=name, digest=digest, size=size)


def _blob(archive: Archive, member: Member) -> Blob:
    return Blob(digest=member.digest, size=member.size, read=partial(_read, archive, member.name))


def _read(archive: Archive, name: str, offset: int, size: int) -> Iterator[bytes]:
    with archive.open(name) as stream:
        stream.seek(offset)
        while size and (chunk := stream.read(min(CHUNK, size))):
            size -= len(chunk)
            yield chunk


def _nothing(offset: int, size: int) -> Iterator[bytes]:
    yield NOTHING[offset : offset + size]
