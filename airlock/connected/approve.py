"""`airlock approve`: a countersignature over the very index and release counter that the release keys signed.

It is TUF targets metadata under a root of its own, the approval root, and lies in the bundle or delta, or in a small file
beside it where the media cannot be written.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from securesystemslib.signer import Signer
from tuf.api.metadata import Metadata, TargetFile, Targets

from airlock.connected.key import put_signature
from airlock.core.canonical_json import MAX_SIZE
from airlock.core.digest import Digest, digest_of
from airlock.errors import IntegrityError, UsageError
from airlock.formats.index import INDEX, parse_index
from airlock.formats.trust import (
    MAX_METADATA,
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
from airlock.formats.trust_fields import Particulars, write_particulars
from airlock.storage.archive import Archive
from airlock.storage.root_chain import links_in


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    index: Digest
    counter: int
    """Of the release that is approved."""
    approver: str
    quorum: Quorum
    members: dict[str, bytes]
    """What belongs into the archive, or into a file of its own."""


def approve(
    archives: Sequence[Archive], signer: Signer, roots: Sequence[TrustedRoot], made: int, expires: int
) -> Approval:
    """Approve the first of `archives`; the others are files with earlier approvals of it. `made` and `expires` are in
    seconds since the epoch. Raises IntegrityError or UsageError."""
    archive = archives[0]
    links = links_in(archives, roots[-1].policy.approver)
    chain = complete_chain(roots, links)
    newest, name = chain[-1], _approver(chain, signer)
    index = archive.read(INDEX, MAX_SIZE)
    path = target_path(parse_index(index, f"{archive.where}: {INDEX}"))
    release = _release(archive, {path: TargetFile.from_data(path, index, ["sha256"])})
    for earlier in archives[1:]:
        _check_same_release(earlier, release)
    metadata = _joined(archives, release, newest) or Metadata(
        Targets(
            version=release.version,
            expires=moment(expires),
            targets=release.targets,
            unrecognized_fields=write_particulars(Particulars(made=moment(made), approver=name)),
        )
    )
    put_signature(metadata, signer)
    members = {root_link(root.version, name): root.data for root in roots}
    return Approval(
        index=digest_of(index),
        counter=release.version,
        approver=name,
        quorum=quorum(metadata, newest.signed, "targets", f"keys of {name}"),
        members=members | {targets_member(name): write_metadata(metadata)},
    )


def _approver(chain: Sequence[TrustedRoot], signer: Signer) -> str:
    newest = chain[-1]
    if not (name := newest.policy.approver):
        hint = "make one with `airlock trust init --approver NAME`; `airlock sign` signs releases"
        raise UsageError("--trust", "a release root, not an approval root", hint=hint)
    if newest.policy.retired:
        raise UsageError("--trust", f"the approval root of {name} is retired")
    keys = newest.signed.roles["targets"].keyids
    if (identity := signer.public_key.keyid) not in keys:
        expected = ", ".join(sorted(key[:8] for key in keys))
        version = taken_out([root.signed for root in chain], identity)
        raise UsageError(
            "--key",
            f"not a key that approves for {name}",
            expected=expected,
            found=f"{identity[:8]}, taken out in root version {version}" if version else identity[:8],
        )
    return name


def _release(archive: Archive, targets: dict[str, TargetFile]) -> Targets:
    if TARGETS not in archive.members:
        raise UsageError(
            archive.where, "not signed yet", hint="first `airlock sign`: an approval is of a signed release"
        )
    place = f"{archive.where}: {TARGETS}"
    release = parse_targets(archive.read(TARGETS, MAX_METADATA), place).signed
    if release.targets != targets:
        raise IntegrityError(
            place, "the signatures in it are for another index", hint="build and sign it again"
        )
    return release


def _check_same_release(earlier: Archive, release: Targets) -> None:
    """A file of approvals is of one release, so that none is lost for another's."""
    for member in filter(approver_of, earlier.members):
        found = parse_targets(earlier.read(member, MAX_METADATA), f"{earlier.where}: {member}").signed
        if (found.targets, found.version) != (release.targets, release.version):
            raise UsageError(
                earlier.where,
                f"approves another release: {_named(found)}",
                expected=_named(release),
                hint="give --detached another name",
            )


def _named(release: Targets) -> str:
    names = ", ".join(path.removesuffix("/index.json") for path in release.targets)
    return f"{names}, release {release.version}"


def _joined(archives: Sequence[Archive], release: Targets, newest: TrustedRoot) -> Metadata[Targets] | None:
    """An approval of this very release that other keys of the root began."""
    member = targets_member(newest.policy.approver)
    for archive in reversed(archives):
        if member in archive.members:
            present = parse_targets(archive.read(member, MAX_METADATA), f"{archive.where}: {member}")
            begun = quorum(present, newest.signed, "targets", "").signed
            same = (present.signed.version, present.signed.targets) == (release.version, release.targets)
            if begun and same:
                return present
    return None
