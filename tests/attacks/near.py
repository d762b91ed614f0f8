"""The near side, too, is given files by others: to be signed, approved, split and joined."""

import os
from typing import Any

from tuf.api.metadata import Metadata, Root

from airlock.connected.key import new_key, read_signer
from airlock.connected.trust import Terms, make_root
from airlock.formats.trust import root_link, targets_member, write_metadata
from airlock.formats.trust_fields import FIELD, Policy
from tests.attacks.ground import TARGETS, Command, Ground, attack
from tests.far.bundles import NOW, archive_of, members_in

_FAMILY = "The near side"


def _near(ground: Ground, data: bytes) -> list[Command]:
    """Whatever takes a bundle there."""
    return [*_signing(ground, data), _approving(ground, data), _splitting(ground, data)]


def _key(ground: Ground, name: str) -> tuple[str, Any]:
    private = new_key(None).private
    return ground.put(f"{name}.key", private), read_signer(private, None, name)


def _signing(ground: Ground, data: bytes) -> list[Command]:
    key, signer = _key(ground, "release")
    root = ground.put("release.json", make_root(signer, [signer.public_key], 1, NOW + 10_000))
    return [("sign", ground.put("given.airlock", data), "--key", key, "--trust", root)]


def _approver(ground: Ground) -> tuple[str, ...]:
    key, signer = _key(ground, "approver")
    terms = Terms(policy=Policy(approver="security"))
    root = make_root(signer, [signer.public_key], 1, NOW + 10_000, terms)
    return "--key", key, "--trust", ground.put("security.json", root)


def _approving(ground: Ground, data: bytes) -> Command:
    return ("approve", ground.put("given.airlock", data), *_approver(ground))


def _splitting(ground: Ground, data: bytes) -> Command:
    folder = str(ground.machine / "media" / "volumes")
    return ("split", ground.put("given.airlock", data), "--size", "cd", "-o", folder)


@attack(_FAMILY, "truncated")
def near_side_given_junk(ground: Ground) -> list[Command]:
    """a file that is no bundle is to be signed, approved and split"""
    return _near(ground, b"sign here")


@attack(_FAMILY, "truncated")
def near_side_given_a_bundle_cut_short(ground: Ground) -> list[Command]:
    """the end of a bundle is missing"""
    return _near(ground, ground.next[:-3000])


@attack(_FAMILY, "twice")
def near_side_given_a_key_twice(ground: Ground) -> list[Command]:
    """an index that says two things at once is to be signed and approved"""
    index = members_in(ground.next)["index.json"]
    doubled = index.replace(b'{"', b'{"format":"airlock-bundle/1","', 1)
    data = ground.altered(**{"index.json": doubled})
    return [*_signing(ground, data), _approving(ground, data)]


@attack(_FAMILY, "signatures in it are for another index")
def near_side_given_an_index_swapped(ground: Ground) -> list[Command]:
    """an index was swapped below the signatures of others, of which one more is asked for"""
    other = members_in(ground.base)["index.json"]
    return [_approving(ground, ground.altered(**{"index.json": other}))]


@attack(_FAMILY, "an approval where the release signatures belong")
def near_side_given_an_approval_for_a_release(ground: Ground) -> list[Command]:
    """an approval lies where the release signatures belong, so that one more signature would make a release of it"""
    metadata = ground.keys.targets(members_in(ground.next)["index.json"])
    metadata.signed.unrecognized_fields[FIELD] = {"approver": "security"}
    metadata.sign(ground.keys.release)
    return _signing(ground, ground.altered(**{TARGETS: write_metadata(metadata)}))


@attack(_FAMILY, "not TUF targets metadata")
def near_side_given_nested_signatures(ground: Ground) -> list[Command]:
    """signatures that are a hundred thousand arrays inside each other"""
    data = ground.altered(**{TARGETS: b"[" * 100_000})
    return [*_signing(ground, data), _approving(ground, data)]


@attack(_FAMILY, "too large", confined=True)
def near_side_given_an_endless_index(ground: Ground) -> list[Command]:
    """an index of more than 64 MB is to be signed"""
    members = members_in(ground.next) | {"index.json": b" " * ((64 << 20) + 1)}
    return _signing(ground, archive_of(members))


@attack(_FAMILY, "not TUF targets metadata")
def near_side_given_junk_for_an_approval(ground: Ground) -> list[Command]:
    """what lies in the place of the signer's own approval is something else"""
    data = ground.altered(**{targets_member("security"): b"{}"})
    return [_approving(ground, data), *_signing(ground, data)]


@attack(_FAMILY, "not a file of approvals")
def near_side_given_a_bundle_to_add_an_approval_to(ground: Ground) -> list[Command]:
    """the file that an approval is to be added to is a bundle, which would be taken apart"""
    out = ground.put("out.approval", ground.base)
    return [(*_approving(ground, ground.next), "--detached", out)]


@attack(_FAMILY, "a link, or not a regular file", confined=True)
def near_side_given_a_pipe_to_add_an_approval_to(ground: Ground) -> list[Command]:
    """the file that an approval is to be added to is a named pipe, for which one would wait for ever"""
    os.mkfifo(ground.machine / "media" / "out.approval")
    out = str(ground.machine / "media" / "out.approval")
    return [(*_approving(ground, ground.next), "--detached", out)]


@attack(_FAMILY, "metadata of another role")
def near_side_given_targets_for_a_root(ground: Ground) -> list[Command]:
    """signatures in the place of a root are to be signed by a holder of the root key, and to be carried"""
    key, _ = _key(ground, "root")
    targets = ground.put("root.2.json", members_in(ground.next)[TARGETS])
    file = ground.put("given.airlock", ground.next)
    return [("trust", "sign", targets, "--key", key), ("sign", file, "--key", key, "--trust", targets)]


@attack(_FAMILY, "x-airlock.approver")
def near_side_given_an_approver_whose_name_is_a_path(ground: Ground) -> list[Command]:
    """an approval root whose name leads out of the archive is to be used"""
    key, signer = _key(ground, "approver")
    metadata: Metadata[Root] = Metadata.from_bytes(make_root(signer, [signer.public_key], 1, NOW + 10_000))
    metadata.signed.unrecognized_fields[FIELD] = {"approver": "../../evil"}
    metadata.sign(signer)
    root = ground.put("security.json", write_metadata(metadata))
    return [("approve", ground.put("given.airlock", ground.next), "--key", key, "--trust", root)]


@attack(_FAMILY, "missing")
def near_side_given_members_without_an_index(ground: Ground) -> list[Command]:
    """a bundle whose index is missing"""
    return _near(ground, ground.altered(**{"index.json": None}))


@attack(_FAMILY, "volume.json: set")
def near_side_given_signatures_larger_than_volumes_show(ground: Ground) -> list[Command]:
    """a file below trust/ is larger than any volume's reader takes, so that a set of it could not be read"""
    return [_splitting(ground, ground.altered(**{root_link(2): bytes((1 << 20) + 1)}))]


@attack(_FAMILY, "volume.json: set")
def near_side_given_more_signatures_than_volumes_show(ground: Ground) -> list[Command]:
    """more roots than any volume's reader takes"""
    links = {root_link(version): b"{}" for version in range(2, 90)}
    return [_splitting(ground, ground.altered(**links))]
