"""`airlock trust init`, `rotate` and `sign`: the trust root that a site pins, and its next versions (TUF root metadata)."""

from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace

from securesystemslib.signer import Key, Signer
from tuf.api.metadata import Metadata, Root

from airlock.connected.key import put_signature
from airlock.errors import UsageError
from airlock.formats.trust import moment, spelled, write_metadata
from airlock.formats.trust_chain import TrustedRoot
from airlock.formats.trust_fields import FIELD, Policy, read_policy, write_policy

_RELEASE_ROLES = ("targets", "snapshot", "timestamp")
"""TUF demands all four top-level roles. A bundle is one consistent snapshot, so `snapshot` and `timestamp` have no
metadata here; they belong to the release keys, so that no key is trusted for more than releases."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a first root says beside its first holder and the release keys."""

    holders: tuple[Key, ...] = ()
    """Of root keys, beside the one that signs first."""
    threshold: int = 1
    """How many root keys must sign each root."""
    policy: Policy = field(default_factory=Policy)


def make_root(
    root: Signer, release: Sequence[Key], threshold: int, expires: int, terms: Terms | None = None
) -> bytes:
    """A root signed by `root`, which trusts a release that `threshold` of the `release` keys signed, until `expires`
    (seconds since the epoch). Raises UsageError."""
    terms = terms or Terms()
    signed = Root(
        expires=moment(expires), consistent_snapshot=False, unrecognized_fields=write_policy(terms.policy)
    )
    _add(signed, "root", [root.public_key, *terms.holders])
    _add(signed, "release", release)
    _set_threshold(signed, "root", terms.threshold)
    _set_threshold(signed, "release", threshold)
    metadata = Metadata(signed)
    put_signature(metadata, root)
    return write_metadata(metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleChange:
    """What becomes of the root keys, or of the release keys."""

    add: tuple[Key, ...] = ()
    remove: tuple[str, ...] = ()
    """Key ids, or the first 8 digits or more of them."""
    threshold: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """What the next root changes, and until when it holds (seconds since the epoch)."""

    root: RoleChange
    release: RoleChange
    expires: int
    refuse_expired: bool | None = None
    retire: bool = False


def next_root(current: TrustedRoot, rotation: Rotation) -> Metadata[Root]:
    """The root after `current`, which nobody has signed yet. Raises UsageError."""
    signed = deepcopy(current.signed)
    signed.version += 1
    signed.expires = moment(rotation.expires)
    for name, change in (("root", rotation.root), ("release", rotation.release)):
        _add(signed, name, change.add)
        for text in change.remove:
            _remove(signed, name, text)
        _set_threshold(signed, name, change.threshold)
    signed.unrecognized_fields.pop(FIELD, None)
    signed.unrecognized_fields.update(write_policy(_policy(current.policy, rotation)))
    return Metadata(signed)


def _policy(policy: Policy, rotation: Rotation) -> Policy:
    if policy.retired:
        raise UsageError(
            "trust rotate", "this root is retired", hint="make a new one with `airlock trust init`"
        )
    if rotation.retire and not policy.approver:
        raise UsageError("--retire", "only an approval root can retire")
    refuse = policy.refuse_expired if rotation.refuse_expired is None else rotation.refuse_expired
    return replace(policy, refuse_expired=refuse, retired=rotation.retire)


def add_signature(metadata: Metadata[Root], signer: Signer, before: Root | None) -> None:
    """One holder's signature on a root; `before` is the root before it, where it is at hand. Raises UsageError where the
    key is none of either's."""
    roles = [one.roles["root"] for one in (before, metadata.signed) if one]
    if not any(signer.public_key.keyid in role.keyids for role in roles):
        known = ", ".join(sorted({identity[:8] for role in roles for identity in role.keyids}))
        raise UsageError(
            "--key", "not a root key of this root or the one before", expected=known, found=_short(signer)
        )
    put_signature(metadata, signer)


def changes(before: Root, after: Root) -> Iterator[str]:
    """What a root changes, for those who are asked to sign it, a line for each sort of keys."""
    for name, role in (("root", "root"), ("release", "targets")):
        old, new = before.roles[role], after.roles[role]
        added, removed = set(new.keyids) - set(old.keyids), set(old.keyids) - set(new.keyids)
        signs = [f"+ {key[:8]}" for key in sorted(added)] + [f"- {key[:8]}" for key in sorted(removed)]
        if signs or old.threshold != new.threshold:
            yield f"{name} keys: {', '.join([*signs, f'{new.threshold} of {len(new.keyids)} must sign'])}"
    if before.unrecognized_fields != after.unrecognized_fields:
        policies = read_policy(before, "root"), read_policy(after, "root")
        yield from _policy_changes(*policies)
    yield f"expires {spelled(after.expires)}"


def _policy_changes(before: Policy, after: Policy) -> Iterator[str]:
    if before.refuse_expired != after.refuse_expired:
        yield "expired metadata: " + ("refused" if after.refuse_expired else "a warning")
    if before.approver != after.approver:
        yield f"approver: {after.approver or 'none'}, before: {before.approver or 'none'}"
    if after.retired:
        yield "retired: sites ask for this approval no more"


def _short(signer: Signer) -> str:
    return str(signer.public_key.keyid)[:8]


def _roles(name: str) -> tuple[str, ...]:
    return _RELEASE_ROLES if name == "release" else ("root",)


def _add(root: Root, name: str, keys: Iterable[Key]) -> None:
    for role in _roles(name):
        for key in keys:
            root.add_key(key, role)


def _remove(root: Root, name: str, text: str) -> None:
    found = [key for key in root.roles[_roles(name)[0]].keyids if key.startswith(text)]
    if len(found) != 1 or len(text) < 8:
        known = ", ".join(key[:8] for key in root.roles[_roles(name)[0]].keyids)
        raise UsageError(
            f"--remove-{name}", "not the id of one key", expected=f"one of {known}", found=text[:8]
        )
    for role in _roles(name):
        root.revoke_key(found[0], role)


def _set_threshold(root: Root, name: str, threshold: int | None) -> None:
    for role in (root.roles[role] for role in _roles(name)):
        role.threshold = role.threshold if threshold is None else threshold
        if not 1 <= role.threshold <= len(role.keyids):
            raise UsageError(
                "--root-threshold" if name == "root" else "--threshold",
                "cannot be met",
                expected=f"from 1 to {len(role.keyids)}, the number of different {name} keys",
                found=str(role.threshold),
            )
