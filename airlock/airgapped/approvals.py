"""Approvals: signatures that a site demands beside those of the release, each under a trust root of its own.

An approval is TUF targets metadata over the very index, name and release counter that the release keys signed, and says
whose approval it is. So neither a release signature nor the approval of another release, or by another approver, can stand
in for it. It lies in the bundle or delta, or in a file beside it.

Here is also how times are judged, for releases and approvals alike.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tuf.api.metadata import Metadata, Targets

from airlock.errors import IntegrityError
from airlock.formats.trust import (
    MAX_METADATA,
    check_signatures,
    is_trust_member,
    moment,
    parse_targets,
    spelled,
    targets_member,
)
from airlock.formats.trust_chain import TrustedRoot, follow, pinned
from airlock.formats.trust_fields import read_particulars
from airlock.storage.archive import Archive
from airlock.storage.root_chain import links_in


@dataclass(frozen=True, slots=True, kw_only=True)
class Approvals:
    """What is demanded, and where it may be found beside the bundle."""

    required: Mapping[str, bytes] = field(default_factory=dict)
    """Approval roots, by the name of the approver."""
    detached: tuple[Archive, ...] = ()
    """Files that `airlock approve --detached` wrote."""


NO_APPROVALS = Approvals()


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    anchor: bytes
    """The approval root that was demanded."""
    root: bytes
    """The newest that it leads to, to be pinned from now on."""
    checked: str
    """Whose approval it is, and the ids of the keys that gave it."""
    warnings: tuple[str, ...]


def release_root(data: bytes) -> TrustedRoot:
    """Raises IntegrityError."""
    root = pinned(data, "trust root")
    if name := root.policy.approver:
        hint = "give the release root with --trust, this one with --require-approval"
        raise IntegrityError("trust root", f"the approval root of {name}, not a release root", hint=hint)
    return root


def approval_root(data: bytes, where: str) -> TrustedRoot:
    """Raises IntegrityError."""
    root = pinned(data, where)
    if not root.policy.approver:
        hint = "give a root that `airlock trust init --approver NAME` made"
        raise IntegrityError(where, "a release root, not an approval root", hint=hint)
    return root


def check_approvals(
    archive: Archive, release: Targets, approvals: Approvals, now: int
) -> Mapping[str, Approved]:
    """Every approval that is demanded, for this release. Raises IntegrityError."""
    for detached in approvals.detached:
        for member in detached.members:
            if not is_trust_member(member):
                raise IntegrityError(f"{detached.where}: member {member}", "not a file of approvals")
    sources = (*approvals.detached, archive)
    anchors = {name: _anchor(name, approvals.required[name]) for name in sorted(approvals.required)}
    return {name: _approved(sources, anchor, release, now) for name, anchor in anchors.items()}


def _anchor(name: str, data: bytes) -> TrustedRoot:
    """A root under the name of another approver would end the demand for that one's approval."""
    where = f"approval root of {name}"
    root = approval_root(data, where)
    if (found := root.policy.approver) != name:
        raise IntegrityError(where, "the approval root of somebody else", expected=name, found=found)
    return root


def _approved(sources: tuple[Archive, ...], anchor: TrustedRoot, release: Targets, now: int) -> Approved:
    name = anchor.policy.approver
    root = follow(anchor, links_in(sources, name))
    if root.policy.retired:
        checked = f"approval by {name}: not asked for any more, says its root, version {root.version}"
        return Approved(anchor=anchor.data, root=root.data, checked=checked, warnings=())
    metadata, place = _metadata(sources, name)
    signers = check_signatures(metadata, root.signed, "targets", place, f"keys of {name}")
    _check_same(metadata.signed, release, name, place)
    keys = root.signed.roles["targets"]
    names = ", ".join(signer[:8] for signer in signers)
    return Approved(
        anchor=anchor.data,
        root=root.data,
        checked=f"approval by {name}: {len(signers)} of {len(keys.keyids)} keys ({names}), {keys.threshold} needed",
        warnings=judged(root, metadata, place, now),
    )


def _metadata(sources: tuple[Archive, ...], name: str) -> tuple[Metadata[Targets], str]:
    member = targets_member(name)
    for archive in sources:
        if member in archive.members:
            place = f"{archive.where}: {member}"
            return parse_targets(archive.read(member, MAX_METADATA), place), place
    raise IntegrityError(
        sources[-1].where,
        f"not approved by {name}",
        expected=f"a member {member}",
        hint=f"ask {name} for `airlock approve`; an approval in a file of its own is given with --approval",
    )


def _check_same(approval: Targets, release: Targets, name: str, place: str) -> None:
    if (found := read_particulars(approval, place).approver) != name:
        raise IntegrityError(
            place, "not an approval by that approver", expected=name, found=found or "a release"
        )
    if approval.targets != release.targets:
        raise IntegrityError(
            place, "an approval of another bundle", hint=f"ask {name} for one of this bundle"
        )
    if approval.version != release.version:
        raise IntegrityError(
            place,
            "an approval of another release of this bundle",
            expected=f"release counter {release.version}",
            found=str(approval.version),
            hint=f"it was signed anew since: ask {name} to approve it again",
        )


def judged(root: TrustedRoot, metadata: Metadata[Targets], where: str, now: int) -> tuple[str, ...]:
    """Warnings about times, by a clock that may be wrong. Raises IntegrityError where something expired and the root
    wants that refused."""
    name = root.policy.approver
    of_root = f"the approval root of {name}" if name else "the trust root"
    of_targets = f"the approval by {name}" if name else "the signature"
    expired = (*_expired(root.metadata, of_root, now), *_expired(metadata, of_targets, now))
    if expired and root.policy.refuse_expired:
        hint = "set the clock if it is wrong; otherwise ask for it to be signed again"
        raise IntegrityError(where, f"{expired[0]}, and {of_root} wants that refused", hint=hint)
    advice = ": check the clock, or ask for a newer one"
    return (*(text + advice for text in expired), *_early(metadata, of_targets, where, now))


def _expired(metadata: Metadata[Any], what: str, now: int) -> Iterator[str]:
    clock = moment(now)
    if metadata.signed.is_expired(clock):
        yield f"{what} expired on {spelled(metadata.signed.expires)}, and this machine's clock says {spelled(clock)}"


def _early(metadata: Metadata[Targets], what: str, where: str, now: int) -> Iterator[str]:
    made, clock = read_particulars(metadata.signed, where).made, moment(now)
    if made and clock < made:
        yield (
            f"{what} was made on {spelled(made)}, and this machine's clock says {spelled(clock)}: set the clock"
        )
