"""Index and contents that disagree, and valid parts of something else."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from airlock.core.canonical_json import dumps
from airlock.core.digest import digest_of
from airlock.formats.index import frame_name
from airlock.formats.trust import root_link
from tests.attacks.ground import TARGETS, Command, Ground, Keys, attack, demo, edited, items
from tests.far.bundles import Item, archive_of, bundle, file_item, members_in, wheel, wheel_item

_DISAGREE = "Index and contents that disagree"
_MIXED = "Valid parts of something else"


def _document(ground: Ground, edit: Callable[[dict[str, Any]], object]) -> list[Command]:
    """The next bundle with its index changed and signed again."""

    def change(data: bytes) -> bytes:
        document = json.loads(data)
        edit(document)
        return dumps(document)

    return ground.everywhere(ground.resigned(change))


def _entry(document: dict[str, Any], name: str = "share/banner.txt") -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in document["artifacts"] if one["name"] == name)
    return found


def _expanded(ground: Ground, **values: object) -> list[Command]:
    return _document(ground, lambda document: _entry(document, "demo")["expanded"].update(values))


@attack(_DISAGREE, "not of the size that the index says")
def index_with_a_smaller_size(ground: Ground) -> list[Command]:
    """the index says fewer bytes than a frame holds"""
    return _expanded(ground, size=5)


@attack(_DISAGREE, "not of the size that the index says")
def index_with_a_larger_size(ground: Ground) -> list[Command]:
    """the index says more bytes than a frame holds"""
    return _expanded(ground, size=100_000)


@attack(_DISAGREE, "the index does not name it")
def index_with_another_digest(ground: Ground) -> list[Command]:
    """the index names a content that is not there"""
    return _expanded(ground, sha256="0" * 64)


@attack(_DISAGREE, "has another digest or size")
def index_that_lies_about_an_original(ground: Ground) -> list[Command]:
    """a file that is its own expanded form, with another digest"""
    return _document(ground, lambda document: _entry(document).update(sha256="0" * 64))


@attack(_DISAGREE, "unknown expanded form")
def index_with_an_unknown_form(ground: Ground) -> list[Command]:
    """an expanded form that does not exist"""
    members = members_in(ground.next)
    document = json.loads(members["index.json"])
    _entry(document, "demo")["expanded"]["form"] = "tree/9"
    members["index.json"] = dumps(document)
    return ground.install(archive_of(ground.keys.sign(members)))


@attack(_DISAGREE, "names what codecs does not")
def index_with_codecs_that_disagree(ground: Ground) -> list[Command]:
    """the files need a codec that the artifact does not"""
    return _expanded(ground, file_codecs=["zip/1", "zzz/1"])


@attack(_DISAGREE, "not sorted by kind and name")
def index_in_the_wrong_order(ground: Ground) -> list[Command]:
    """artifacts that are not sorted"""
    return _document(ground, lambda document: document["artifacts"].reverse())


@attack(_DISAGREE, "one stands twice")
def index_with_an_artifact_twice(ground: Ground) -> list[Command]:
    """an artifact stands twice"""
    return _document(ground, lambda document: document["artifacts"].insert(0, document["artifacts"][0]))


@attack(_DISAGREE, "unknown kind")
def index_with_an_unknown_kind(ground: Ground) -> list[Command]:
    """a kind of artifact that does not exist"""
    members = members_in(ground.next)
    document = json.loads(members["index.json"])
    document["artifacts"][0]["kind"] = "ascript"
    members["index.json"] = dumps(document)
    return ground.install(archive_of(ground.keys.sign(members)))


@attack(_DISAGREE, "does not cross the gap")
def index_with_an_origin(ground: Ground) -> list[Command]:
    """an artifact says where on the network it came from"""
    origin = {"url": "http://127.0.0.1/"}
    return _document(ground, lambda document: _entry(document).update(origin=origin))


@attack(_DISAGREE, "exactly destination and mode")
def index_with_a_placement_more(ground: Ground) -> list[Command]:
    """a file is placed in a way that this version does not know"""
    item = file_item("share/a", b"a")
    placement = dict(item.artifact.placement) | {"owner": "root"}
    return ground.install(
        ground.signed([replace(item, artifact=replace(item.artifact, placement=placement))])
    )


@attack(_DISAGREE, "missing, though the index names it")
def bundle_without_a_frame(ground: Ground) -> list[Command]:
    """a frame is missing"""
    frame = next(name for name in members_in(ground.next) if name.startswith("frames/"))
    return ground.everywhere(ground.altered(**{frame: None}))


@attack(_DISAGREE, "the index does not name it")
def bundle_with_a_frame_more(ground: Ground) -> list[Command]:
    """a frame that the index does not name"""
    return ground.everywhere(ground.altered(**{"frames/" + "0" * 64 + ".zst": b"hidden"}))


@attack(_DISAGREE, "not a member of a signed archive")
def bundle_with_a_member_in_trust(ground: Ground) -> list[Command]:
    """a file hides among the signatures"""
    return ground.everywhere(ground.altered(**{"trust/evil.json": b"{}"}))


@attack(_DISAGREE, "not a member of a signed archive")
def delta_with_a_member_in_trust(ground: Ground) -> list[Command]:
    """a file hides among the signatures of a delta"""
    return ground.update(archive_of(edited(members_in(ground.delta), {"trust/evil.json": b"{}"})))


@attack(_DISAGREE, "in another order")
def bundle_in_the_wrong_order(ground: Ground) -> list[Command]:
    """members in another order than airlock writes them: the same bundle with another digest"""
    members = members_in(ground.next)
    return ground.everywhere(archive_of(dict(reversed(members.items()))))


@attack(_MIXED, "not the index that was signed")
def index_of_another_bundle(ground: Ground) -> list[Command]:
    """the index of an older release under the signatures of the next"""
    older = members_in(ground.base)
    newer = members_in(ground.next)
    return ground.everywhere(archive_of(older | {TARGETS: newer[TARGETS]}))


@attack(_MIXED, "not the index that was signed")
def signatures_of_another_bundle(ground: Ground) -> list[Command]:
    """the next release under the signatures of an older one"""
    return ground.everywhere(ground.altered(**{TARGETS: members_in(ground.base)[TARGETS]}))


@attack(_MIXED, "does not match its digest")
def frames_of_another_artifact(ground: Ground) -> list[Command]:
    """two frames of the same size change places"""
    one, two = file_item("share/a", b"allow = no \n"), file_item("share/b", b"allow = yes\n")
    members = members_in(ground.signed([one, two]))
    names = [frame_name(item.artifact.digest) for item in (one, two)]
    first, second = (members[name] for name in names)
    return ground.everywhere(archive_of(members | {names[0]: second, names[1]: first}))


@attack(_MIXED, "does not match its digest")
def frames_of_another_bundle(ground: Ground) -> list[Command]:
    """a frame of an older release under the name of a new one"""
    older, newer = members_in(ground.base), members_in(ground.next)
    old = next(name for name in older if name.startswith("frames/") and name not in newer)
    new = next(name for name in newer if name.startswith("frames/") and name not in older)
    return ground.everywhere(archive_of(newer | {new: older[old]}))


@attack(_MIXED, "not signed by enough trusted keys")
def root_of_another_sender(ground: Ground) -> list[Command]:
    """a bundle of somebody else that brings its own trust root along"""
    other = Keys()
    members = other.sign(members_in(ground.next)) | {root_link(2): other.root}
    return ground.everywhere(archive_of(members))


@attack(_MIXED, "not the trust root that this site pinned")
def root_of_another_sender_given(ground: Ground) -> list[Command]:
    """a bundle of somebody else, with their trust root named at the command line"""
    other = Keys()
    (command,) = ground.install(archive_of(other.sign(members_in(ground.next))))
    return [(*command, "--trust", ground.put("other.json", other.root))]


@attack(_MIXED, "expected one folder demo-2.0.dist-info")
def wheel_of_another_project(ground: Ground) -> list[Command]:
    """a wheel that is another distribution than the index says"""
    data = wheel("evil", "2.0", {"evil.py": b"evil\n"})
    return ground.install(ground.signed([wheel_item("demo", "2.0", data)]))


@attack(_MIXED, "expected one folder demo-2.0.dist-info")
def wheel_of_another_version(ground: Ground) -> list[Command]:
    """an older, vulnerable version of a wheel under a newer number"""
    old = demo("1.0")
    artifact = replace(demo("2.0").artifact, size=len(old.data), digest=digest_of(old.data))
    return ground.install(ground.signed([Item(artifact, old.data)]))


@attack(_MIXED, "signed under another name")
def index_signed_under_another_name(ground: Ground) -> list[Command]:
    """an index signed as that of another target"""
    members = members_in(bundle(items("2.0"), version="2.0"))
    return ground.everywhere(archive_of(ground.keys.sign(members, path="gateway-2.0-laboratory/index.json")))


@attack(_MIXED, "member index.json: missing")
def delta_in_the_place_of_a_bundle(ground: Ground) -> list[Command]:
    """a bundle without an index"""
    return ground.everywhere(ground.altered(**{"index.json": None}))


@attack(_MIXED, "a delta, not a bundle")
def delta_installed_as_a_bundle(ground: Ground) -> list[Command]:
    """a delta, signed as it is, given to `install`"""
    return ground.install(ground.delta)


@attack(_MIXED, "delta")
def bundle_applied_as_a_delta(ground: Ground) -> list[Command]:
    """a bundle, signed as it is, given to `update` and `apply`"""
    return ground.restore(ground.next)
