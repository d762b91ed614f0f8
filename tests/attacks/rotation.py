"""Rotation: chains of roots that fork, have gaps or go back, carried in bundles or alone."""

from tuf.api.metadata import Metadata, Root

from airlock.connected.trust import RoleChange, Terms, make_root
from airlock.formats.trust import root_link, write_metadata
from airlock.formats.trust_chain import TrustedRoot, following, pinned
from airlock.formats.trust_fields import FIELD, Policy
from tests.attacks.ground import Command, Ground, Keys, attack
from tests.far.bundles import NOW, archive_of, members_in, signer
from tests.far.years import rotated

_FAMILY = "Rotation"


def _first(ground: Ground) -> TrustedRoot:
    return pinned(ground.keys.root, "root")


def _next(
    ground: Ground, before: TrustedRoot | None = None, release: RoleChange | None = None
) -> TrustedRoot:
    """The root after that of the site, signed by all who must."""
    before = before or _first(ground)
    data = rotated(before, [ground.keys.root_key], release or RoleChange(add=(signer().public_key,)))
    return following(before, data, "root")


def _accept(ground: Ground, *roots: bytes) -> list[Command]:
    files = [ground.put(f"root.{number}.json", data) for number, data in enumerate(roots)]
    return [("trust", "accept", *files, "--root", str(ground.site))]


def _carried(ground: Ground, **links: bytes) -> bytes:
    return archive_of(
        {**members_in(ground.next), **{root_link(int(name[1:])): data for name, data in links.items()}}
    )


def _has_followed(ground: Ground, root: TrustedRoot) -> None:
    (ground.site / "state" / "trust" / "root.json").write_bytes(root.data)


@attack(_FAMILY, "missing, so that later trust roots cannot be reached")
def root_3_without_root_2(ground: Ground) -> list[Command]:
    """the third root, honestly made, without the second, in a bundle and alone"""
    third = _next(ground, _next(ground)).data
    return [*ground.everywhere(_carried(ground, v3=third)), *_accept(ground, third)]


@attack(_FAMILY, "not signed by enough trusted keys")
def root_2_signed_by_its_own_keys_alone(ground: Ground) -> list[Command]:
    """a second root that its own keys signed, and those of the first did not"""
    other = Keys()
    metadata: Metadata[Root] = Metadata.from_bytes(other.root)
    metadata.signed.version = 2
    metadata.sign(other.root_key)
    data = write_metadata(metadata)
    return [*ground.everywhere(_carried(ground, v2=data)), *_accept(ground, data)]


@attack(_FAMILY, "a second root of one version")
def two_roots_of_one_version(ground: Ground) -> list[Command]:
    """two different second roots, both signed by all who must, given at once"""
    return _accept(ground, _next(ground).data, _next(ground).data)


@attack(_FAMILY, "the chain forks")
def root_2_that_is_not_the_one_followed(ground: Ground) -> list[Command]:
    """another second root, signed by all who must, for a site that has followed the first of both"""
    _has_followed(ground, _next(ground))
    other = _next(ground).data
    return [*ground.install(_carried(ground, v2=other)), *_accept(ground, other)]


@attack(_FAMILY, "the chain forks")
def root_1_that_is_not_the_one_pinned(ground: Ground) -> list[Command]:
    """a first root of the same keys that is not the one which the site pinned"""
    keys = ground.keys
    other = make_root(keys.root_key, [keys.release.public_key], 1, NOW + 20_000)
    return [*ground.everywhere(_carried(ground, v1=other)), *_accept(ground, other)]


@attack(_FAMILY, "not signed by enough trusted keys")
def release_by_a_key_that_a_later_root_revoked(ground: Ground) -> list[Command]:
    """the release key was stolen and revoked, which the site knows; its bundle brings no root"""
    gone = RoleChange(add=(signer().public_key,), remove=(ground.keys.release.public_key.keyid,))
    _has_followed(ground, _next(ground, release=gone))
    return [*ground.install(ground.next), *ground.update(ground.delta)]


@attack(_FAMILY, "not signed by enough trusted keys")
def release_by_a_key_that_its_own_root_revokes(ground: Ground) -> list[Command]:
    """the same, with the root that revokes the key in the bundle itself"""
    gone = RoleChange(add=(signer().public_key,), remove=(ground.keys.release.public_key.keyid,))
    return ground.everywhere(_carried(ground, v2=_next(ground, release=gone).data))


@attack(_FAMILY, "not signed by enough trusted keys")
def older_root_given_by_hand(ground: Ground) -> list[Command]:
    """the first root, whose release key was revoked since, is given with --trust"""
    gone = RoleChange(add=(signer().public_key,), remove=(ground.keys.release.public_key.keyid,))
    _has_followed(ground, _next(ground, release=gone))
    root = ground.put("root.json", ground.keys.root)
    commands = [*ground.install(ground.next), *ground.update(ground.delta)]
    return [(*command, "--trust", root) for command in commands]


@attack(_FAMILY, "and the trust root wants that refused")
def root_that_expired_under_a_strict_policy(ground: Ground) -> list[Command]:
    """an expired root that wants what has expired refused"""
    keys = ground.keys
    strict = Terms(policy=Policy(refuse_expired=True))
    root = make_root(keys.root_key, [keys.release.public_key], 1, NOW - 10, strict)
    _has_followed(ground, pinned(root, "root"))
    verify = ("verify", ground.put("next.airlock", ground.next), "--trust", ground.put("strict.json", root))
    return [verify, *ground.install(ground.next), *ground.update(ground.delta)]


@attack(_FAMILY, "unknown")
def root_with_a_policy_that_is_not_known(ground: Ground) -> list[Command]:
    """a root, signed by all who must, with a policy that this version would pass over"""
    metadata: Metadata[Root] = Metadata.from_bytes(_next(ground).data)
    metadata.signed.unrecognized_fields[FIELD] = {"only-on": "sundays"}
    metadata.sign(ground.keys.root_key)
    data = write_metadata(metadata)
    return [*ground.everywhere(_carried(ground, v2=data)), *_accept(ground, data)]


@attack(_FAMILY, "a release root cannot retire")
def release_root_that_retires(ground: Ground) -> list[Command]:
    """a release root that says that no release has to be signed any more"""
    metadata: Metadata[Root] = Metadata.from_bytes(_next(ground).data)
    metadata.signed.unrecognized_fields[FIELD] = {"retired": True}
    metadata.sign(ground.keys.root_key)
    data = write_metadata(metadata)
    return [*ground.everywhere(_carried(ground, v2=data)), *_accept(ground, data)]


@attack(_FAMILY, "root of another approver")
def approval_root_as_the_next_release_root(ground: Ground) -> list[Command]:
    """the next root, signed by all who must, is one of approvals"""
    metadata: Metadata[Root] = Metadata.from_bytes(_next(ground).data)
    metadata.signed.unrecognized_fields[FIELD] = {"approver": "security"}
    metadata.sign(ground.keys.root_key)
    return ground.everywhere(_carried(ground, v2=write_metadata(metadata)))


@attack(_FAMILY, "a key under the id of another")
def root_with_one_key_under_two_ids(ground: Ground) -> list[Command]:
    """one key stands twice, so that it alone would be two of two"""
    metadata: Metadata[Root] = Metadata.from_bytes(_next(ground).data)
    key = ground.keys.release.public_key
    twin = type(key)("0" * 64, key.keytype, key.scheme, key.keyval)
    metadata.signed.keys[twin.keyid] = twin
    metadata.signed.roles["targets"].keyids = [key.keyid, twin.keyid]
    metadata.signed.roles["targets"].threshold = 2
    metadata.sign(ground.keys.root_key)
    data = write_metadata(metadata)
    return [*ground.everywhere(_carried(ground, v2=data)), *_accept(ground, data)]


@attack(_FAMILY, "not a trust root")
def roots_of_junk(ground: Ground) -> list[Command]:
    """what is given for roots is a bundle, nothing, or an endless number of arrays"""
    junk = (ground.next[:4000], b"", b"[" * 100_000)
    files = [ground.put(f"{number}.json", data) for number, data in enumerate(junk)]
    return [("trust", "accept", file, "--root", str(ground.site)) for file in files]


@attack(_FAMILY, "missing, so that later trust roots cannot be reached")
def root_of_the_highest_version(ground: Ground) -> list[Command]:
    """a root of version 999999, up to which a site might count"""
    metadata: Metadata[Root] = Metadata.from_bytes(_next(ground).data)
    metadata.signed.version = 999_999
    metadata.sign(ground.keys.root_key)
    data = write_metadata(metadata)
    return [*ground.everywhere(_carried(ground, v999999=data)), *_accept(ground, data)]


@attack(_FAMILY, "root of another version")
def root_of_the_trusted_version_as_the_next(ground: Ground) -> list[Command]:
    """the root that is trusted, carried under the name of the next"""
    return ground.everywhere(_carried(ground, v2=ground.keys.root))
