"""Trust: signatures that are not those that a site demands."""

from collections.abc import Callable

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, Root, TargetFile, Targets

from airlock.connected.trust import make_root
from airlock.formats.trust import root_link, write_metadata
from tests.attacks.ground import (
    COUNTER,
    TARGETS,
    Command,
    Ground,
    Keys,
    attack,
    edited,
    with_targets,
)
from tests.far.bundles import NOW, archive_of, members_in, signer

_FAMILY = "Signatures"


def _stated(
    ground: Ground, change: Callable[[Metadata[Targets]], object], *keys: CryptoSigner
) -> list[Command]:
    """The next bundle under a statement that was changed before it was signed."""
    members = members_in(ground.next)
    metadata = ground.keys.targets(members["index.json"])
    change(metadata)
    for key in keys or (ground.keys.release,):
        metadata.sign(key, append=True)
    return ground.everywhere(archive_of(with_targets(members, write_metadata(metadata))))


def _target(metadata: Metadata[Targets]) -> TargetFile:
    (target,) = metadata.signed.targets.values()
    return target


@attack(_FAMILY, "not signed")
def signatures_stripped(ground: Ground) -> list[Command]:
    """the signatures were taken out"""
    return ground.everywhere(archive_of(edited(members_in(ground.next), {TARGETS: None})))


@attack(_FAMILY, "not signed by enough trusted keys")
def signature_of_a_stranger(ground: Ground) -> list[Command]:
    """signed by a key that the site does not know"""
    return _stated(ground, lambda metadata: None, signer())


@attack(_FAMILY, "not signed by enough trusted keys")
def signature_of_the_root_key(ground: Ground) -> list[Command]:
    """signed by the root key, which is trusted for roots alone"""
    return _stated(ground, lambda metadata: None, ground.keys.root_key)


@attack(_FAMILY, "not signed by enough trusted keys")
def signature_under_the_id_of_another(ground: Ground) -> list[Command]:
    """a stranger's signature under the id of a release key"""
    members = members_in(ground.next)
    metadata = ground.keys.targets(members["index.json"])
    stranger = signer()
    metadata.sign(stranger)
    made = metadata.signatures.pop(stranger.public_key.keyid)
    made.keyid = ground.keys.release.public_key.keyid
    metadata.signatures[made.keyid] = made
    return ground.everywhere(archive_of(with_targets(members, write_metadata(metadata))))


@attack(_FAMILY, "not signed by enough trusted keys", threshold=2)
def threshold_unmet(ground: Ground) -> list[Command]:
    """one of two signatures that the site demands"""
    return _stated(ground, lambda metadata: None, ground.keys.release)


@attack(_FAMILY, "not signed by enough trusted keys", threshold=2)
def one_of_two_signatures_stripped(ground: Ground) -> list[Command]:
    """of two signatures, one was taken out on the way"""
    members = members_in(ground.next)
    metadata: Metadata[Targets] = Metadata.from_bytes(members[TARGETS])
    metadata.signatures.pop(ground.keys.second.public_key.keyid)
    return ground.everywhere(archive_of(members | {TARGETS: write_metadata(metadata)}))


@attack(_FAMILY, "not signed by enough trusted keys", threshold=2)
def one_key_signs_twice(ground: Ground) -> list[Command]:
    """the signature of one key stands under both ids"""
    members = members_in(ground.next)
    metadata: Metadata[Targets] = Metadata.from_bytes(members[TARGETS])
    one, two = (key.public_key.keyid for key in (ground.keys.release, ground.keys.second))
    metadata.signatures[two].signature = metadata.signatures[one].signature
    return ground.everywhere(archive_of(members | {TARGETS: write_metadata(metadata)}))


@attack(_FAMILY, "one target")
def statement_of_two_targets(ground: Ground) -> list[Command]:
    """a statement over two bundles, of which either might be meant"""

    def change(metadata: Metadata[Targets]) -> None:
        other = TargetFile.from_data("gateway-9.0-plant/index.json", b"{}", ["sha256"])
        metadata.signed.targets[other.path] = other

    return _stated(ground, change)


@attack(_FAMILY, "sha256 alone")
def statement_over_another_digest(ground: Ground) -> list[Command]:
    """a statement with sha512 alone"""

    def change(metadata: Metadata[Targets]) -> None:
        _target(metadata).hashes = {"sha512": "0" * 128}

    return _stated(ground, change)


@attack(_FAMILY, "sha256 alone")
def statement_over_a_weak_digest(ground: Ground) -> list[Command]:
    """a statement with md5 beside sha256"""

    def change(metadata: Metadata[Targets]) -> None:
        _target(metadata).hashes["md5"] = "0" * 32

    return _stated(ground, change)


@attack(_FAMILY, "not the index that was signed")
def statement_over_another_length(ground: Ground) -> list[Command]:
    """a statement whose length is not that of the index"""

    def change(metadata: Metadata[Targets]) -> None:
        _target(metadata).length += 1

    return _stated(ground, change)


@attack(_FAMILY, "metadata of another role")
def statement_of_another_role(ground: Ground) -> list[Command]:
    """root metadata in the place of the signatures"""
    return ground.everywhere(ground.altered(**{TARGETS: ground.keys.root}))


@attack(_FAMILY, "not spelled as airlock writes it")
def statement_in_another_spelling(ground: Ground) -> list[Command]:
    """a good signature in other bytes"""
    targets = members_in(ground.next)[TARGETS]
    return ground.everywhere(ground.altered(**{TARGETS: b" " + targets}))


@attack(_FAMILY, "not TUF targets metadata")
def statement_nested_deeply(ground: Ground) -> list[Command]:
    """signatures that are a hundred thousand arrays inside each other"""
    return ground.everywhere(ground.altered(**{TARGETS: b"[" * 100_000}))


@attack(_FAMILY, "too large")
def statement_too_large(ground: Ground) -> list[Command]:
    """signatures of more than a megabyte"""
    return ground.everywhere(ground.altered(**{TARGETS: b" " * (2 << 20)}))


@attack(_FAMILY, "release counter")
def replay_of_an_older_release(ground: Ground) -> list[Command]:
    """a release that was signed before the one that is installed"""
    members = members_in(ground.next)
    return ground.install(archive_of(ground.keys.sign(members, COUNTER - 1)))


@attack(_FAMILY, "release counter")
def replay_by_a_delta(ground: Ground) -> list[Command]:
    """a delta to a release that was signed before the one that is installed"""
    members = members_in(ground.delta)
    return ground.update(archive_of({**members, TARGETS: ground.keys.sign(members, COUNTER - 1)[TARGETS]}))


@attack(_FAMILY, "expected a whole number up to")
def release_counter_beyond_counting(ground: Ground) -> list[Command]:
    """a counter that the site's own records could not hold"""
    members = members_in(ground.next)
    return ground.everywhere(archive_of(ground.keys.sign(members, 1 << 60)))


def _with_root(ground: Ground, version: int, data: bytes, keys: Keys) -> list[Command]:
    """The next bundle, signed by `keys`, with a root that should lead to them."""
    members = keys.sign(members_in(ground.next))
    return ground.everywhere(archive_of({**members, root_link(version): data}))


def _root(keys: Keys, version: int, *signers: CryptoSigner) -> bytes:
    metadata: Metadata[Root] = Metadata.from_bytes(
        make_root(keys.root_key, [keys.release.public_key], 1, NOW + 10_000)
    )
    metadata.signed.version = version
    metadata.signatures.clear()
    for key in signers:
        metadata.sign(key, append=True)
    return write_metadata(metadata)


@attack(_FAMILY, "not signed by enough trusted keys")
def root_that_is_forked(ground: Ground) -> list[Command]:
    """a next root that the old root's keys did not sign"""
    other = Keys()
    return _with_root(ground, 2, _root(other, 2, other.root_key), other)


@attack(_FAMILY, "not signed by enough trusted keys")
def root_that_did_not_sign_itself(ground: Ground) -> list[Command]:
    """a next root that its own keys did not sign"""
    other = Keys()
    return _with_root(ground, 2, _root(other, 2, ground.keys.root_key), other)


@attack(_FAMILY, "root of another version")
def root_of_another_version(ground: Ground) -> list[Command]:
    """a root of version 7 under the name of version 2"""
    other = Keys()
    return _with_root(ground, 2, _root(other, 7, ground.keys.root_key, other.root_key), other)


@attack(_FAMILY, "cannot be reached")
def root_that_skips_one(ground: Ground) -> list[Command]:
    """a root of version 3 without the one between"""
    other = Keys()
    return _with_root(ground, 3, _root(other, 3, ground.keys.root_key, other.root_key), other)


@attack(_FAMILY, "not signed by enough trusted keys")
def root_signed_by_a_release_key(ground: Ground) -> list[Command]:
    """a next root signed by a release key, which is trusted for releases alone"""
    other = Keys()
    return _with_root(ground, 2, _root(other, 2, ground.keys.release, other.root_key), other)
