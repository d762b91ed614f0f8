"""Content digests (SHA-256, FIPS 180-4)."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO, NewType

from airlock.errors import IntegrityError

Digest = NewType("Digest", str)
"""`sha256:` and 64 lower-case hex digits; made only by hashing or by `parse_digest`."""

CHUNK = 1 << 18
"""Bytes read at a time wherever a stream is copied or hashed."""

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def digest_of(data: bytes) -> Digest:
    return Digest("sha256:" + hashlib.sha256(data).hexdigest())


def digest_from(raw: bytes) -> Digest:
    """From the 32 bytes that hashing gives."""
    return Digest("sha256:" + raw.hex())


def parse_digest(text: str, where: str = "digest") -> Digest:
    """Accept `sha256:<64 hex>`. Raises IntegrityError that names `where`."""
    if not _DIGEST.fullmatch(text):
        raise IntegrityError(
            where, "not a digest", expected="sha256: and 64 hex digits", found=repr(text[:80])
        )
    return Digest(text)


def hex_of(digest: Digest) -> str:
    return digest.removeprefix("sha256:")


def chunks_of(stream: BinaryIO, size: int = CHUNK) -> Iterator[bytes]:
    while chunk := stream.read(size):
        yield chunk


class Hasher:
    """Count and hash what passes."""

    __slots__ = ("_hash", "size")

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.size = 0

    def update(self, chunk: bytes | memoryview) -> None:
        self._hash.update(chunk)
        self.size += len(chunk)

    @property
    def digest(self) -> Digest:
        return Digest("sha256:" + self._hash.hexdigest())

    def watch(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self.update(chunk)
            yield chunk


def digest_of_stream(stream: BinaryIO) -> tuple[Digest, int]:
    """The digest and the size in bytes of what is left of `stream`."""
    hasher = Hasher()
    for chunk in chunks_of(stream):
        hasher.update(chunk)
    return hasher.digest, hasher.size
