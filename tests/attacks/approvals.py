"""Approvals: signatures that stand in the place of those that a site demands beside the release's."""

from dataclasses import replace

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, Root, Targets

from airlock.connected.trust import RoleChange
from airlock.formats.trust import root_link, targets_member, write_metadata
from airlock.formats.trust_chain import following
from airlock.formats.trust_fields import FIELD
from tests.attacks.ground import COUNTER, TARGETS, Command, Ground, attack, items
from tests.far.bundles import archive_of, members_in, signer
from tests.far.years import Approver, rotated

_FAMILY = "Approvals"


def _demanding(ground: Ground) -> Approver:
    """The site asks for the approval of somebody."""
    approver = Approver()
    (ground.site / "state" / "trust" / f"{approver.name}.approval-root.json").write_bytes(approver.root.data)
    return approver


def _given(ground: Ground, data: bytes, approver: Approver, *detached: bytes) -> list[Command]:
    """A bundle, and files with approvals beside it."""
    options = [
        option
        for number, one in enumerate(detached)
        for option in ("--approval", ground.put(f"{number}.approval", one))
    ]
    demand = ("--require-approval", ground.put("approval-root.json", approver.root.data))
    verify, install = ground.everywhere(data)
    return [(*verify, *demand, *options), (*install, *options)]


def _inside(ground: Ground, members: dict[str, bytes], approver: Approver) -> list[Command]:
    return _given(ground, archive_of({**members_in(ground.next), **members}), approver)


def _stated(ground: Ground, approver: str, key: CryptoSigner, name: str) -> dict[str, bytes]:
    """An approval over the right index and counter, as the file of `name`."""
    metadata: Metadata[Targets] = ground.keys.targets(members_in(ground.next)["index.json"])
    metadata.signed.unrecognized_fields[FIELD] = {"approver": approver}
    metadata.sign(key)
    return {targets_member(name): write_metadata(metadata)}


@attack(_FAMILY, "not approved by site-security")
def approval_missing(ground: Ground) -> list[Command]:
    """a release without the approval that the site demands"""
    return _given(ground, ground.next, _demanding(ground))


@attack(_FAMILY, "not approved by site-security")
def approval_missing_in_a_delta(ground: Ground) -> list[Command]:
    """a delta without the approval that the site demands"""
    _demanding(ground)
    return ground.update(ground.delta)


@attack(_FAMILY, "an approval of another bundle")
def approval_of_another_index(ground: Ground) -> list[Command]:
    """the approval of an honest release beside another with the same counter"""
    approver = _demanding(ground)
    other = ground.signed([*items("2.0")[:2]])
    return _given(ground, ground.next, approver, approver.file(other, approver.keys[0]))


@attack(_FAMILY, "an approval of another bundle")
def approval_of_another_project(ground: Ground) -> list[Command]:
    """the approval of a release of another project, with the same artifacts"""
    approver = _demanding(ground)
    members = members_in(ground.next)
    members["index.json"] = members["index.json"].replace(b'"gateway"', b'"getaway"')
    other = archive_of(ground.keys.sign(members, path="getaway-2.0-plant/index.json"))
    return _given(ground, ground.next, approver, approver.file(other, approver.keys[0]))


@attack(_FAMILY, "an approval of another release of this bundle")
def approval_of_another_counter(ground: Ground) -> list[Command]:
    """an approval of the very same bundle, as it was signed before"""
    approver = _demanding(ground)
    before = archive_of(ground.keys.sign(members_in(ground.next), COUNTER + 1))
    return _given(ground, ground.next, approver, approver.file(before, approver.keys[0]))


@attack(_FAMILY, "not signed by enough trusted keys")
def approval_by_the_release_key(ground: Ground) -> list[Command]:
    """the release key signs in the name of the approver"""
    approver = _demanding(ground)
    name = approver.name
    return _inside(ground, _stated(ground, name, ground.keys.release, name), approver)


@attack(_FAMILY, "not signed by enough trusted keys")
def approval_by_the_root_key(ground: Ground) -> list[Command]:
    """the approver's root key, which is for roots alone, approves"""
    approver = _demanding(ground)
    name = approver.name
    return _inside(ground, _stated(ground, name, approver.root_key, name), approver)


@attack(_FAMILY, "not signed by enough trusted keys")
def release_signature_in_the_place_of_an_approval(ground: Ground) -> list[Command]:
    """the signatures of the release under the name of an approval"""
    approver = _demanding(ground)
    return _inside(ground, {targets_member(approver.name): members_in(ground.next)[TARGETS]}, approver)


@attack(_FAMILY, "not an approval by that approver")
def approval_in_the_name_of_another(ground: Ground) -> list[Command]:
    """one who may approve as one person signs as another"""
    approver = _demanding(ground)
    return _inside(ground, _stated(ground, "somebody", approver.keys[0], approver.name), approver)


@attack(_FAMILY, "not signed by enough trusted keys")
def approval_by_a_stranger(ground: Ground) -> list[Command]:
    """a stranger approves, under a root of the same name that comes along as version 2"""
    approver, stranger = _demanding(ground), Approver()
    made = members_in(stranger.file(ground.next, stranger.keys[0]))
    return _inside(ground, {targets_member(approver.name): made[targets_member(approver.name)]}, approver)


@attack(_FAMILY, "the chain forks")
def approval_root_swapped_in_the_bundle(ground: Ground) -> list[Command]:
    """a stranger approves, and carries a root of the same name and version along"""
    approver, stranger = _demanding(ground), Approver()
    return _given(ground, stranger.inside(ground.next, stranger.keys[0]), approver)


@attack(_FAMILY, "that this site pinned")
def approval_root_swapped_at_the_command_line(ground: Ground) -> list[Command]:
    """another approval root of the same name is given to a site that has pinned one"""
    _demanding(ground)
    stranger = Approver()
    root = ground.put("approval-root.json", stranger.root.data)
    (install,) = ground.install(stranger.inside(ground.next, stranger.keys[0]))
    accept = ("trust", "accept", "--require-approval", root, "--root", str(ground.site))
    return [(*install, "--require-approval", root), accept]


@attack(_FAMILY, "not signed by enough trusted keys")
def approval_by_a_revoked_key(ground: Ground) -> list[Command]:
    """an approver's key that was stolen and taken out of the root, of which the site knows"""
    approver = _demanding(ground)
    gone = RoleChange(remove=(approver.keys[0].public_key.keyid,))
    second = rotated(approver.root, [approver.root_key], gone)
    newer = following(approver.root, second, "root")
    (ground.site / "state" / "trust" / f"{approver.name}.approval-root.json").write_bytes(newer.data)
    data = archive_of(
        {**members_in(ground.next), **_stated(ground, approver.name, approver.keys[0], approver.name)}
    )
    return ground.install(data)


@attack(_FAMILY, "not signed by enough trusted keys")
def retirement_that_the_approver_did_not_sign(ground: Ground) -> list[Command]:
    """a root that ends the demand for an approval, signed by others"""
    approver, stranger = _demanding(ground), signer()
    second = rotated(approver.root, [], retire=True)
    metadata: Metadata[Root] = Metadata.from_bytes(second)
    metadata.sign(stranger, append=True)
    link = {root_link(2, approver.name): write_metadata(metadata)}
    return _inside(ground, link, approver)


@attack(_FAMILY, "missing, so that later trust roots cannot be reached")
def approval_root_that_skips_one(ground: Ground) -> list[Command]:
    """the third version of an approval root, without the second"""
    approver = _demanding(ground)
    second = following(approver.root, rotated(approver.root, [approver.root_key]), "2")
    third = rotated(second, [approver.root_key], retire=True)
    return _inside(ground, {root_link(3, approver.name): third}, approver)


@attack(_FAMILY, "root of another approver")
def approval_root_of_another_as_the_next(ground: Ground) -> list[Command]:
    """the next version of the root is for another approver, signed by all who must"""
    approver = _demanding(ground)
    metadata: Metadata[Root] = Metadata.from_bytes(rotated(approver.root, [approver.root_key]))
    metadata.signed.unrecognized_fields[FIELD] = {"approver": "somebody"}
    metadata.sign(approver.root_key)
    return _inside(ground, {root_link(2, approver.name): write_metadata(metadata)}, approver)


@attack(_FAMILY, "a release root, not an approval root")
def release_root_given_as_an_approval_root(ground: Ground) -> list[Command]:
    """the release root, whose keys signed already, is given for the approval root"""
    root = ground.put("root.json", ground.keys.root)
    verify, install = ground.everywhere(ground.next)
    accept = ("trust", "accept", "--root", str(ground.site))
    return [(*command, "--require-approval", root) for command in (verify, install, accept)]


@attack(_FAMILY, "not a release root")
def approval_root_given_as_a_release_root(ground: Ground) -> list[Command]:
    """an approver's root is given for that of the releases, which he then signs alone"""
    approver = Approver()
    root = ground.put("approval-root.json", approver.root.data)
    keys = replace(ground.keys, root_key=approver.root_key, release=approver.keys[0])
    data = ground.put("own.airlock", archive_of(keys.sign(members_in(ground.next))))
    fresh = str(ground.machine / "fresh")
    return [("verify", data, "--trust", root), ("install", data, "--root", fresh, "--trust", root)]


@attack(_FAMILY, "approver")
def approver_whose_name_is_a_path(ground: Ground) -> list[Command]:
    """an approver's name leads out of the folder in which the site pins its root"""
    metadata: Metadata[Root] = Metadata.from_bytes(Approver().root.data)
    metadata.signed.unrecognized_fields[FIELD] = {"approver": "../../../outside/evil"}
    key = signer()
    metadata.signed.keys[key.public_key.keyid] = key.public_key
    metadata.signed.roles["root"].keyids = [key.public_key.keyid]
    metadata.signatures.clear()
    metadata.sign(key)
    root = ground.put("approval-root.json", write_metadata(metadata))
    verify, install = ground.everywhere(ground.next)
    accept = ("trust", "accept", "--root", str(ground.site))
    return [(*command, "--require-approval", root) for command in (verify, install, accept)]


@attack(_FAMILY, "not a member of a signed archive")
def approval_below_a_folder_of_trust(ground: Ground) -> list[Command]:
    """an approval under a name with a folder more"""
    return ground.everywhere(ground.altered(**{"trust/a/b.targets.json": members_in(ground.next)[TARGETS]}))


@attack(_FAMILY, "not a file of approvals")
def bundle_given_as_a_detached_approval(ground: Ground) -> list[Command]:
    """a whole bundle is given for a file of approvals"""
    approver = _demanding(ground)
    return _given(ground, ground.next, approver, approver.inside(ground.next, approver.keys[0]))


@attack(_FAMILY, "truncated")
def detached_approval_of_junk(ground: Ground) -> list[Command]:
    """a file of approvals that is something else"""
    return _given(ground, ground.next, _demanding(ground), b"approved!")


@attack(_FAMILY, "an approval of another bundle")
def approval_of_two_bundles(ground: Ground) -> list[Command]:
    """an approval that speaks of two bundles, one of them this"""
    approver = _demanding(ground)
    metadata: Metadata[Targets] = Metadata.from_bytes(
        _stated(ground, approver.name, approver.keys[0], approver.name)[targets_member(approver.name)]
    )
    (target,) = metadata.signed.targets.values()
    metadata.signed.targets["gateway-9.0-plant/index.json"] = target
    metadata.sign(approver.keys[0])
    return _inside(ground, {targets_member(approver.name): write_metadata(metadata)}, approver)


@attack(_FAMILY, "a link, or not a regular file")
def approval_root_becomes_a_link(ground: Ground) -> list[Command]:
    """the pinned approval root became a link"""
    approver = _demanding(ground)
    path = ground.site / "state" / "trust" / f"{approver.name}.approval-root.json"
    path.rename(ground.outside / "root.json")
    path.symlink_to(ground.outside / "root.json")
    return ground.install(approver.inside(ground.next, approver.keys[0]))


@attack(_FAMILY, "the approval root of somebody else")
def pinned_approval_root_under_the_name_of_another(ground: Ground) -> list[Command]:
    """the pinned root of an approver was replaced by that of another"""
    approver, other = _demanding(ground), Approver("other")
    (ground.site / "state" / "trust" / f"{approver.name}.approval-root.json").write_bytes(other.root.data)
    return ground.install(other.inside(ground.next, other.keys[0]))
