"""What a row of the lock says of a file that an index has: enough to tell later that it is still the same."""

import hashlib

from airlock.core.artifact import Artifact
from airlock.core.digest import Digest
from airlock.errors import IntegrityError
from airlock.kinds import NearSide
from airlock.kinds.wheel.client import IndexClient
from airlock.kinds.wheel.metadata import Metadata, forget
from airlock.kinds.wheel.releases import WheelFile
from airlock.kinds.wheel.remote import metadata_in


def wheel_origin(file: WheelFile, whole: WheelFile, client: IndexClient, near: NearSide) -> dict[str, str]:
    """`whole` is the file with what its own bytes say. Its index, the sha256 of the METADATA that was resolved with, and its publisher. Raises FetchError or
    IntegrityError."""
    outcome = client.metadata(file).result()
    assert isinstance(outcome, Metadata), "it was resolved with"
    check_metadata(whole.digest, file.file, file.index, outcome.sha256, near)
    return {"index": file.index, "metadata": outcome.sha256, **client.publisher(file).result()}


def check_metadata(digest: Digest | None, file: str, index: str, expected: str, near: NearSide) -> None:
    """Compare the METADATA inside a wheel, where the store has it, with what an index served as such. Raises IntegrityError,
    and then neither is kept."""
    if digest is None or digest not in near.store:
        return
    with near.store.open(digest, file) as stream:
        found = hashlib.sha256(metadata_in(stream, file)).hexdigest()
    if found == expected:
        return
    near.store.discard(digest)
    forget(index, digest, near.cache)
    raise IntegrityError(
        f"index {index}: {file}",
        "the index served other metadata than the wheel has, so the lock rests on a lie",
        expected=f"METADATA {expected}",
        found=f"METADATA {found}",
        hint="lock anew, and ask whoever runs the index; nothing of it was kept",
    )


def check_obtained(artifact: Artifact, near: NearSide) -> None:
    """The same, for a wheel that was just fetched. Raises IntegrityError."""
    if expected := artifact.origin.get("metadata"):
        index = artifact.origin.get("index", "")
        check_metadata(artifact.digest, artifact.file, index, expected, near)
