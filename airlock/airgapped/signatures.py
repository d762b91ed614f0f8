"""`airlock inspect --signatures`: who signed what, and what is missing. Needs no key, and is no verification.

Thresholds are judged by the roots that the file carries itself, which anybody may have put there: only `verify`, against a
root that somebody chose to trust, says whether a file may be installed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from securesystemslib.exceptions import UnverifiedSignatureError
from securesystemslib.signer import Key
from tuf.api.metadata import Metadata, Root, Targets

from airlock.core.canonical_json import MAX_SIZE
from airlock.core.digest import Digest, digest_of, hex_of, parse_digest
from airlock.errors import IntegrityError, UsageError
from airlock.formats.index import INDEX
from airlock.formats.trust import (
    MAX_METADATA,
    TARGETS,
    approver_of,
    parse_root,
    parse_targets,
    signed_index,
    targets_member,
)
from airlock.formats.trust_chain import Quorum, quorum, quorums, taken_out
from airlock.formats.trust_fields import read_particulars
from airlock.storage.archive import Archive
from airlock.storage.root_chain import links_in

MAX_ROOTS = 1000
"""Of one name, that are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    key: str
    state: str
    """`good`, `bad`, or `unknown` where no root that is carried has the key."""
    taken_out: int | None
    """The version of the complete roots that are carried since which the key counts no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RootState:
    version: int
    expires: datetime
    quorums: tuple[Quorum, ...]

    @property
    def complete(self) -> bool:
        return not any(quorum.missing for quorum in self.quorums)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signatures:
    """Those of the release, or of one approver."""

    approver: str
    """Empty for the release."""
    counter: int
    made: datetime | None
    expires: datetime
    signers: tuple[Signer, ...]
    quorum: Quorum | None
    """By the newest complete root that is carried; None where none is."""
    index: Digest | None
    """That they are over; None where the metadata does not say."""
    fault: str
    """What makes them worthless for this file, or empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    index: Digest | None
    """None in a file of approvals, which has no index."""
    release: Signatures | None
    approvals: tuple[Signatures, ...]
    roots: tuple[tuple[str, tuple[RootState, ...]], ...]
    """By the name of the root, "" for the release root; the oldest first."""


def signatures(archive: Archive) -> Report:
    """Raises IntegrityError where metadata cannot be read, UsageError where the file holds none of it."""
    if INDEX not in archive.members and not any(map(approver_of, archive.members)):
        raise UsageError(archive.where, "neither a bundle, a delta nor approvals")
    index = digest_of(archive.read(INDEX, MAX_SIZE)) if INDEX in archive.members else None
    names = sorted(filter(None, map(approver_of, archive.members)))
    release = _read(archive, "", index, None) if TARGETS in archive.members else None
    counter = release.counter if release else None
    approvals = tuple(_read(archive, name, index, counter) for name in names)
    roots = tuple((name, tuple(state for state, _ in _roots(archive, name))) for name in ("", *names))
    return Report(
        index=index, release=release, approvals=approvals, roots=tuple(pair for pair in roots if pair[1])
    )


def _read(archive: Archive, name: str, index: Digest | None, counter: int | None) -> Signatures:
    member = targets_member(name)
    place = f"{archive.where}: {member}"
    metadata = parse_targets(archive.read(member, MAX_METADATA), place)
    roots = list(_roots(archive, name))
    complete = [root for state, root in roots if state.complete]
    particulars = read_particulars(metadata.signed, place)
    return Signatures(
        approver=name,
        counter=metadata.signed.version,
        made=particulars.made,
        expires=metadata.signed.expires,
        signers=tuple(_signers(metadata, [root for _, root in roots], complete)),
        quorum=quorum(metadata, complete[-1], "targets", "keys") if complete else None,
        index=_target(metadata),
        fault=_fault(metadata, place, particulars.approver == name, index, counter),
    )


def _target(metadata: Metadata[Targets]) -> Digest | None:
    found = [target.hashes.get("sha256", "") for target in metadata.signed.targets.values()]
    try:
        return parse_digest(f"sha256:{found[0]}", "") if len(found) == 1 else None
    except IntegrityError:
        return None


def _fault(
    metadata: Metadata[Targets], place: str, own: bool, index: Digest | None, counter: int | None
) -> str:
    if not own:
        return "of another sort"
    if index and signed_index(metadata, place).hashes["sha256"] != hex_of(index):
        return "of another index"
    if counter is not None and metadata.signed.version != counter:
        return f"of another release counter, {metadata.signed.version}"
    return ""


def _roots(archive: Archive, name: str) -> Iterator[tuple[RootState, Root]]:
    links = links_in([archive], name)
    before: Root | None = None
    for version in sorted(links.versions)[:MAX_ROOTS]:
        metadata = parse_root(links.read(version), links.place(version))
        linked = before if before and metadata.signed.version == before.version + 1 else None
        yield (
            RootState(
                version=metadata.signed.version,
                expires=metadata.signed.expires,
                quorums=quorums(metadata, linked),
            ),
            metadata.signed,
        )
        before = metadata.signed


def _signers(metadata: Metadata[Targets], roots: list[Root], complete: list[Root]) -> Iterator[Signer]:
    keys = {identity: key for root in roots for identity, key in root.keys.items()}
    for identity in sorted(metadata.signatures):
        state = _state(metadata, identity, keys)
        yield Signer(key=identity, state=state, taken_out=taken_out(complete, identity))


def _state(metadata: Metadata[Targets], identity: str, keys: Mapping[str, Key]) -> str:
    if identity not in keys:
        return "unknown"
    try:
        keys[identity].verify_signature(metadata.signatures[identity], metadata.signed_bytes)
    except UnverifiedSignatureError:
        return "bad"
    return "good"
