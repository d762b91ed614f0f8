"""`airlock sign`: TUF targets metadata over the index of a bundle or delta, put into its archive.

The frames are copied byte for byte, and Ed25519 is deterministic: same file, key, counter and expiry, same result.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, TargetFile, Targets

from airlock.core.canonical_json import MAX_SIZE
from airlock.core.digest import Digest, chunks_of, digest_of
from airlock.errors import UsageError
from airlock.formats.index import parse_index
from airlock.formats.trust import MAX_METADATA, TARGETS, moment, parse_targets, target_path, write_metadata
from airlock.storage.archive import Archive, ArchiveWriter

_INDEX = "index.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What a signature says besides the index: the release counter, which only grows, and when the signature expires
    (seconds since the epoch). `fixed` counters were asked for by name, and must then hold."""

    counter: int
    fixed: bool
    expires: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    index: Digest
    counter: int
    signers: tuple[str, ...]
    """Key ids, sorted."""


def sign(archive: Archive, signer: CryptoSigner, statement: Statement, out: BinaryIO) -> Signed:
    """Write `archive`, signed, to `out`. A file that others signed gets one more signature over the same statement; a
    file that this key alone signed, or nobody, gets a new one. Raises IntegrityError or UsageError."""
    index = archive.read(_INDEX, MAX_SIZE)
    metadata = _metadata(archive, index, signer.public_key.keyid, statement)
    metadata.sign(signer, append=True)
    _rewrite(archive, write_metadata(metadata), out)
    return Signed(
        index=digest_of(index),
        counter=metadata.signed.version,
        signers=tuple(sorted(metadata.signatures)),
    )


def _metadata(archive: Archive, index: bytes, key: str, statement: Statement) -> Metadata[Targets]:
    path = target_path(parse_index(index, f"{archive.where}: {_INDEX}"))
    target = TargetFile.from_data(path, index, ["sha256"])
    present = _present(archive)
    others = present is not None and set(present.signatures) - {key}
    if present is None or not others:
        return Metadata(
            Targets(version=statement.counter, expires=moment(statement.expires), targets={path: target})
        )
    if present.signed.targets != {path: target}:
        raise UsageError(archive.where, "the signatures in it are for another index", hint="build it again")
    if statement.fixed and present.signed.version != statement.counter:
        raise UsageError(
            "--counter",
            "others signed it with another release counter",
            expected=str(present.signed.version),
            found=str(statement.counter),
        )
    return present


def _present(archive: Archive) -> Metadata[Targets] | None:
    if TARGETS not in archive.members:
        return None
    return parse_targets(archive.read(TARGETS, MAX_METADATA), f"{archive.where}: {TARGETS}")


def _rewrite(archive: Archive, targets: bytes, out: BinaryIO) -> None:
    writer = ArchiveWriter(out)
    for name in _order(archive):
        if name == TARGETS:
            writer.add_bytes(name, targets)
        else:
            with archive.open(name) as stream:
                writer.add(name, archive.members[name].size, chunks_of(stream))
    writer.close()


def _order(archive: Archive) -> Iterator[str]:
    """The members as they were, the signatures last among those of `trust/`, which follow the index."""
    names = [name for name in archive.members if name != TARGETS]
    last = max(place for place, name in enumerate(names) if name == _INDEX or name.startswith("trust/"))
    yield from names[: last + 1]
    yield TARGETS
    yield from names[last + 1 :]
