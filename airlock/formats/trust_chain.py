"""How one trust root leads to the next, version by version (TUF 5.3), and who has still to sign.

A root counts when the threshold of the root before it, and its own, have signed it. A chain that forks, has a gap, or goes
back is refused.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tuf.api.metadata import Metadata, Root

from airlock.errors import IntegrityError
from airlock.formats.trust import check_signatures, parse_root, verified_root
from airlock.formats.trust_fields import Policy, read_policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Roots that somebody carries, by version; nothing is known of their signatures."""

    versions: frozenset[int]
    read: Callable[[int], bytes]
    place: Callable[[int], str]
    """For messages."""


NO_LINKS = Links(versions=frozenset(), read=lambda version: b"", place=str)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedRoot:
    """A root that counts."""

    metadata: Metadata[Root]
    data: bytes
    policy: Policy

    @property
    def signed(self) -> Root:
        return self.metadata.signed

    @property
    def version(self) -> int:
        return self.metadata.signed.version


def pinned(data: bytes, where: str) -> TrustedRoot:
    """A root that is trusted because somebody chose to. Raises IntegrityError."""
    metadata = verified_root(data, where)
    return TrustedRoot(metadata=metadata, data=data, policy=read_policy(metadata.signed, where))


def follow(root: TrustedRoot, links: Links) -> TrustedRoot:
    """The newest root that `root` leads to. Raises IntegrityError where the chain is not the one that `root` is part
    of."""
    _check_same(root, links)
    highest = max(links.versions, default=0)
    while root.version < highest:
        if (version := root.version + 1) not in links.versions:
            raise IntegrityError(
                links.place(version),
                "missing, so that later trust roots cannot be reached",
                expected=f"every root after version {root.version}",
                found=f"version {min(number for number in links.versions if number > version)}",
                hint=f"bring version {version} as well: all lie beside each other where `airlock sign` runs",
            )
        root = following(root, links.read(version), links.place(version))
    return root


def complete_chain(roots: Sequence[TrustedRoot], links: Links) -> tuple[TrustedRoot, ...]:
    """`roots`, and those after them that somebody carries and that count; where none is given, from the first that is
    carried on. Unlike for `follow`, what lacks signatures, or lies behind a gap, does not count yet. Raises IntegrityError
    for a fork."""
    if not (root := roots[-1] if roots else _first(links)):
        return ()
    _check_same(root, links)
    chain = [*roots] or [root]
    while (version := root.version + 1) in links.versions:
        data, place = links.read(version), links.place(version)
        if any(state.missing for state in quorums(parse_root(data, place), root.signed)):
            break
        root = following(root, data, place)
        chain.append(root)
    return tuple(chain)


def taken_out(chain: Sequence[Root], key: str) -> int | None:
    """The version from which on the key may sign no more, None where it never might or still may."""
    having = [root.version for root in chain if key in root.roles["targets"].keyids]
    return having[-1] + 1 if having and having[-1] != chain[-1].version else None


def vouches_for(older: Metadata[Root], newer: Metadata[Root]) -> bool:
    """Whether the root keys of `older` signed `newer` themselves, a later version of the same root. Where they were replaced
    in between, only the whole chain can tell."""
    names = {read_policy(root.signed, "root").approver for root in (older, newer)}
    later = older.signed.version < newer.signed.version
    return later and len(names) == 1 and not quorum(newer, older.signed, "root", "").missing


def _first(links: Links) -> TrustedRoot | None:
    """The oldest that is carried, where its own keys signed it."""
    if not links.versions:
        return None
    version = min(links.versions)
    data, place = links.read(version), links.place(version)
    if any(state.missing for state in quorums(parse_root(data, place), None)):
        return None
    return pinned(data, place)


def _check_same(root: TrustedRoot, links: Links) -> None:
    """A root of the version that is trusted must be that very root: two of one version are a fork."""
    if root.version not in links.versions:
        return
    place = links.place(root.version)
    other = parse_root(links.read(root.version), place)
    if other.signed_bytes != root.metadata.signed_bytes:
        raise IntegrityError(
            place,
            "another trust root of the version that is trusted here: the chain forks",
            hint="ask whoever keeps the root keys, by another way than the one this file came",
        )


def following(root: TrustedRoot, data: bytes, where: str) -> TrustedRoot:
    """The next version, signed by the threshold of both. Raises IntegrityError."""
    metadata = parse_root(data, where)
    check_signatures(metadata, root.signed, "root", where)
    check_signatures(metadata, metadata.signed, "root", where)
    if (found := metadata.signed.version) != root.version + 1:
        raise IntegrityError(
            where, "root of another version", expected=str(root.version + 1), found=str(found)
        )
    policy = read_policy(metadata.signed, where)
    if policy.approver != root.policy.approver:
        expected, other = (one or "a release root" for one in (root.policy.approver, policy.approver))
        raise IntegrityError(where, "root of another approver", expected=expected, found=other)
    if root.policy.retired:
        raise IntegrityError(where, "follows a root that is retired")
    return TrustedRoot(metadata=metadata, data=data, policy=policy)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quorum:
    """How far the signatures of one role are."""

    role: str
    threshold: int
    signed: tuple[str, ...]
    """Key ids whose signatures hold, sorted."""
    unsigned: tuple[str, ...]

    @property
    def missing(self) -> int:
        return max(0, self.threshold - len(self.signed))


def quorum(metadata: Metadata[Any], signer: Root, role: str, name: str) -> Quorum:
    """How many of the keys of TUF's `role` in `signer` have signed; `name` is what the role is called here."""
    result = signer.get_verification_result(role, metadata.signed_bytes, metadata.signatures)
    return Quorum(
        role=name,
        threshold=result.threshold,
        signed=tuple(sorted(result.signed)),
        unsigned=tuple(sorted(result.unsigned)),
    )


def quorums(metadata: Metadata[Root], before: Root | None) -> tuple[Quorum, ...]:
    """What a root needs to count; `before` is the root of the version before, None for the first."""
    own = quorum(metadata, metadata.signed, "root", f"root keys of version {metadata.signed.version}")
    if before is None:
        return (own,)
    return quorum(metadata, before, "root", f"root keys of version {before.version}"), own
