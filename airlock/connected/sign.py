"""`airlock sign`: TUF targets metadata over the index of a bundle or delta, put into its archive.

The frames are copied byte for byte, and Ed25519 is deterministic: same file, key, counter and times, same result.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from securesystemslib.exceptions import UnverifiedSignatureError
from securesystemslib.signer import Signer
from tuf.api.metadata import Metadata, TargetFile, Targets

from airlock.connected.key import put_signature
from airlock.core.canonical_json import MAX_SIZE
from airlock.core.digest import Digest, digest_of
from airlock.errors import IntegrityError, UsageError
from airlock.formats.index import INDEX, parse_index
from airlock.formats.provenance import signed_provenance
from airlock.formats.trust import (
    MAX_METADATA,
    PROVENANCE,
    TARGETS,
    approver_of,
    moment,
    parse_targets,
    root_link,
    target_path,
    targets_member,
    write_metadata,
)
from airlock.formats.trust_chain import Quorum, TrustedRoot, complete_chain, quorum, taken_out
from airlock.formats.trust_fields import Particulars, read_particulars, write_particulars
from airlock.storage.archive import Archive, rewrite
from airlock.storage.root_chain import links_in


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What a signature says besides the index: the release counter, which only grows, and when the signature expires and
    was made (seconds since the epoch). `fixed` counters were asked for by name, and must then hold."""

    counter: int
    fixed: bool
    expires: int
    made: int | None = None
    fixed_expiry: bool = False
    """Whether the expiry was asked for too, and must then hold, to the day."""
    anew: bool = False
    """Whether what others signed is left behind; so it is where that has expired."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    index: Digest
    counter: int
    signers: tuple[str, ...]
    """Key ids, sorted."""
    quorum: Quorum | None
    """How far the signatures are, by the newest complete root of those given and those in the file; None where there is none."""
    void: tuple[str, ...]
    """Whose approvals were taken out, since they speak of another release counter."""
    before: int | None = None
    """The release counter of the statement that was in the file, None where there was none."""
    again: bool = False
    """Whether the key had signed this very statement before."""
    taken_out: int | None = None
    """The version of the root since which the signer's key is no release key any more."""


def sign(
    archive: Archive,
    signer: Signer,
    statement: Statement,
    out: BinaryIO,
    roots: Sequence[TrustedRoot] = (),
) -> Signed:
    """Write `archive`, signed and with `roots` in it, to `out`. A file that other release keys signed gets one more
    signature over the same statement; a file that this key alone signed, or nobody, gets a new one. Raises IntegrityError
    or UsageError."""
    index = archive.read(INDEX, MAX_SIZE)
    chain = complete_chain(roots, links_in([archive], ""))
    newest = chain[-1] if chain else None
    present = _present(archive)
    metadata = _metadata(archive, present, index, signer, statement, newest if roots else None)
    again = metadata is present and _signed_by(metadata, signer)
    put_signature(metadata, signer)
    void = tuple(_void(archive, metadata.signed.version))
    trust = {root_link(root.version): root.data for root in roots}
    trust |= _provenance(archive, index, signer, statement)
    rewrite(
        archive,
        trust | {TARGETS: write_metadata(metadata)},
        out,
        without=[targets_member(name) for name in void],
    )
    return Signed(
        index=digest_of(index),
        counter=metadata.signed.version,
        signers=tuple(sorted(metadata.signatures)),
        quorum=quorum(metadata, newest.signed, "targets", "release keys") if newest else None,
        void=void,
        before=present.signed.version if present else None,
        again=again,
        taken_out=taken_out([root.signed for root in chain], signer.public_key.keyid),
    )


def _provenance(archive: Archive, index: bytes, signer: Signer, statement: Statement) -> dict[str, bytes]:
    """Of bundles that carry documents, for those who read such."""
    parsed = parse_index(index, f"{archive.where}: {INDEX}")
    if not parsed.documents:
        return {}
    present = None
    if PROVENANCE in archive.members and not statement.anew:
        present = archive.read(PROVENANCE, MAX_METADATA)
    return {PROVENANCE: signed_provenance(parsed, present, signer)}


def _metadata(
    archive: Archive,
    present: Metadata[Targets] | None,
    index: bytes,
    signer: Signer,
    statement: Statement,
    trusted: TrustedRoot | None,
) -> Metadata[Targets]:
    path = target_path(parse_index(index, f"{archive.where}: {INDEX}"))
    target = TargetFile.from_data(path, index, ["sha256"])
    if present is None or _begins(present, signer, statement, trusted):
        counter = statement.counter
        if present and not statement.fixed and _signed_by(present, signer):
            counter = max(counter, present.signed.version)
        made = None if statement.made is None else moment(statement.made)
        return Metadata(
            Targets(
                version=counter,
                expires=moment(statement.expires),
                targets={path: target},
                unrecognized_fields=write_particulars(Particulars(made=made)),
            )
        )
    if present.signed.targets != {path: target}:
        raise IntegrityError(
            archive.where, "the signatures in it are for another index", hint="build it again"
        )
    _check_asked(present.signed, statement)
    return present


def _check_asked(present: Targets, statement: Statement) -> None:
    """What was asked for by name must be what others signed. Raises UsageError."""
    hint = "leave it out to sign what they signed, or begin with --anew: they have to sign again"
    if statement.fixed and present.version != statement.counter:
        raise UsageError(
            "--counter",
            "others signed it with another release counter",
            expected=str(present.version),
            found=str(statement.counter),
            hint=hint,
        )
    expires = moment(statement.expires).date()
    if statement.fixed_expiry and present.expires.date() != expires:
        raise UsageError(
            "--expires-days",
            "others signed it with another expiry",
            expected=present.expires.date().isoformat(),
            found=expires.isoformat(),
            hint=hint,
        )


def _present(archive: Archive) -> Metadata[Targets] | None:
    if TARGETS not in archive.members:
        return None
    place = f"{archive.where}: {TARGETS}"
    metadata = parse_targets(archive.read(TARGETS, MAX_METADATA), place)
    if read_particulars(metadata.signed, place).approver:
        raise IntegrityError(place, "an approval where the release signatures belong", hint="build it again")
    return metadata


def _begins(
    present: Metadata[Targets], signer: Signer, statement: Statement, trusted: TrustedRoot | None
) -> bool:
    """Whether a new statement begins, rather than that the present one gets one more signature."""
    expired = statement.made is not None and present.signed.is_expired(moment(statement.made))
    return statement.anew or expired or not _others(present, signer, trusted)


def _others(present: Metadata[Targets], signer: Signer, trusted: TrustedRoot | None) -> bool:
    """Whether somebody else's signature is to be joined. With a root at hand it must be a release key's, and hold: nobody
    shall make a release manager sign a counter or an expiry that no release manager chose."""
    signers = set(present.signatures)
    if trusted:
        signers = set(quorum(present, trusted.signed, "targets", "").signed)
    return bool(signers - {signer.public_key.keyid})


def _signed_by(present: Metadata[Targets], signer: Signer) -> bool:
    signature = present.signatures.get(signer.public_key.keyid)
    try:
        if signature:
            signer.public_key.verify_signature(signature, present.signed_bytes)
    except UnverifiedSignatureError:
        return False
    return signature is not None


def _void(archive: Archive, counter: int) -> Iterator[str]:
    """The approvers whose approvals speak of another release."""
    for member in archive.members:
        if name := approver_of(member):
            approval = parse_targets(archive.read(member, MAX_METADATA), f"{archive.where}: {member}")
            if approval.signed.version != counter:
                yield name
