"""Media: sets of volumes that say something else than they hold, and what lies where they are joined."""

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from airlock.core.canonical_json import dumps
from airlock.core.digest import digest_of
from airlock.formats.index import INDEX
from airlock.formats.volume import HEADER, LISTS, PAYLOAD, SetTable
from tests.attacks.ground import TARGETS, Command, Ground, Keys, attack, items
from tests.far.bundles import archive_of, bundle, file_item, members_in
from tests.media.sets import header_of, noise, rewritten, split_into, with_header

_FAMILY = "Volumes"
_CAPACITY = 30_000
"""Bytes of a volume: four for the bundle."""


def _bundle(seed: int = 1) -> bytes:
    return bundle([*items("2.0"), file_item("share/noise", noise(50_000, seed))], version="2.0")


def _set(ground: Ground, parity: int = 0, name: str = "set", data: bytes | None = None) -> list[Path]:
    """The volumes of a bundle that the honest sender signed, in a folder of the media."""
    data = data or archive_of(ground.keys.sign(members_in(_bundle())))
    return split_into(ground.machine / "media" / name, data, _CAPACITY, parity)


def _verified(ground: Ground, place: Path) -> list[Command]:
    return [("verify", str(place), "--trust", ground.put("root.json", ground.keys.root))]


def _used(ground: Ground, place: Path) -> list[Command]:
    """By whatever reads a set as it reads a bundle."""
    return [*_verified(ground, place), ("install", str(place), "--root", str(ground.site))]


def _joined(ground: Ground, place: Path) -> list[Command]:
    return [("join", str(place), "-o", str(ground.machine / "media" / "out.airlock"))]


def _partial(ground: Ground, volume: Path) -> Path:
    """The file in which `join` puts the volumes together."""
    return ground.machine / "media" / f".out.airlock.{header_of(volume).identity[7:15]}.airpart"


def _with_members(paths: Sequence[Path], members: Mapping[str, bytes]) -> None:
    """Other copies of the index or the signatures, of which every table says that they are right."""
    table = header_of(paths[0]).table
    copies = tuple(
        replace(copy, size=len(members[copy.name]), digest=digest_of(members[copy.name]))
        if copy.name in members
        else copy
        for copy in table.members
    )
    for path in paths:
        rewritten(path, lambda found: found | dict(members))
        with_header(path, members=copies)


def _edited_header(path: Path, old: bytes, new: bytes) -> None:
    def change(members: dict[str, bytes]) -> dict[str, bytes]:
        assert old in members[HEADER]
        return members | {HEADER: members[HEADER].replace(old, new)}

    rewritten(path, change)


@attack(_FAMILY, "expected at most 255 volumes")
def volumes_with_a_lying_count(ground: Ground) -> list[Command]:
    """every volume says that there are less of them than the file needs"""
    paths = _set(ground)
    for path in paths:
        _edited_header(path, b'"count":4', b'"count":3')
    return [*_used(ground, paths[0].parent), *_joined(ground, paths[0].parent)]


@attack(_FAMILY, "volumes of several sets")
def volumes_swapped_between_two_sets(ground: Ground) -> list[Command]:
    """one volume each of two sets with the same name, which fit together by their numbers"""
    one, two = _set(ground), _set(ground, name="other", data=_signed_other(ground))
    place = ground.machine / "media" / "mixed"
    place.mkdir()
    for path in (one[0], two[1]):
        shutil.copy(path, place)
    return [*_used(ground, place), *_joined(ground, place)]


def _signed_other(ground: Ground) -> bytes:
    return archive_of(ground.keys.sign(members_in(_bundle(seed=2))))


@attack(_FAMILY, "a volume of another set")
def volume_of_a_foreign_set_among_the_others(ground: Ground) -> list[Command]:
    """the last volume was taken out, and that of another set put in its place"""
    one, two = _set(ground), _set(ground, name="other", data=_signed_other(ground))
    shutil.copy(two[2], one[2])
    return _used(ground, one[0].parent)


@attack(_FAMILY, "blocks 0-")
def volume_with_the_payload_of_another(ground: Ground) -> list[Command]:
    """the header of the first volume, and the share of the second"""
    paths = _set(ground)
    share = members_in(paths[1].read_bytes())[PAYLOAD]
    rewritten(paths[0], lambda found: found | {PAYLOAD: share})
    return _verified(ground, paths[0].parent)


@attack(_FAMILY, "damaged")
def volume_with_the_payload_of_another_installed(ground: Ground) -> list[Command]:
    """the same, which nobody verified before it is installed"""
    paths = _set(ground)
    share = members_in(paths[1].read_bytes())[PAYLOAD]
    rewritten(paths[0], lambda found: found | {PAYLOAD: share})
    return [("install", str(paths[0].parent), "--root", str(ground.site))]


@attack(_FAMILY, "is not the one that its volumes have a copy of")
def volumes_whose_table_names_another_index(ground: Ground) -> list[Command]:
    """every volume shows the index of an honest release, and the joined file has another"""
    paths = _set(ground)
    _with_members(paths, {INDEX: members_in(ground.base)[INDEX]})
    return [*_verified(ground, paths[0].parent), *_joined(ground, paths[0].parent)]


@attack(_FAMILY, "is not the one that its volumes have a copy of")
def volumes_that_show_other_signatures(ground: Ground) -> list[Command]:
    """every volume shows signatures that the joined file does not have"""
    paths = _set(ground)
    _with_members(paths, {TARGETS: members_in(ground.base)[TARGETS]})
    return [*_verified(ground, paths[0].parent), *_joined(ground, paths[0].parent)]


@attack(_FAMILY, "its signatures are not those that its volumes have copies of")
def volumes_that_hide_a_signature(ground: Ground) -> list[Command]:
    """the joined file has signatures that no volume shows"""
    paths = _set(ground)
    table = header_of(paths[0]).table
    copies = tuple(copy for copy in table.members if copy.name != TARGETS)
    for path in paths:
        rewritten(path, lambda found: {name: data for name, data in found.items() if name != TARGETS})
        with_header(path, members=copies)
    return [*_verified(ground, paths[0].parent), *_joined(ground, paths[0].parent)]


@attack(_FAMILY, "missing, and parity does not make up for it")
def parity_that_makes_other_bytes(ground: Ground) -> list[Command]:
    """a volume is missing, and what the parity of the set's maker makes of the others is something else"""
    paths = _set(ground, parity=1)
    _forge_parity(paths)
    paths[0].unlink()
    return [("install", str(paths[0].parent), "--root", str(ground.site))]


def _forge_parity(paths: Sequence[Path]) -> None:
    """Zeros in the place of parity, with every digest as if they belonged there."""
    table = header_of(paths[-1]).table
    start, end = table.list_place(table.count)
    share = bytes(table.share(table.count))
    own = _list_of(table, share)
    for path in paths:
        rewritten(path, lambda found: found | {LISTS: found[LISTS][:start] + own + found[LISTS][end:]})
        with_header(path, lists=(*table.lists[:-1], digest_of(own)))
    rewritten(paths[-1], lambda found: found | {PAYLOAD: share})


def _list_of(table: SetTable, share: bytes) -> bytes:
    blocks = (share[place : place + table.block] for place in range(0, len(share), table.block))
    return b"".join(bytes.fromhex(digest_of(block)[7:]) for block in blocks)


@attack(_FAMILY, "not signed by enough trusted keys")
def volumes_of_a_bundle_that_a_stranger_signed(ground: Ground) -> list[Command]:
    """a set that is sound in itself, of a bundle that somebody else signed"""
    paths = _set(ground, data=archive_of(Keys().sign(members_in(_bundle()))))
    return _used(ground, paths[0].parent)


@attack(_FAMILY, "not signed")
def volumes_of_a_bundle_that_nobody_signed(ground: Ground) -> list[Command]:
    """a set that is sound in itself, of a bundle that nobody signed"""
    paths = _set(ground, data=_bundle())
    return _used(ground, paths[0].parent)


@attack(_FAMILY, "not the file that its volumes name")
def volumes_that_name_another_file(ground: Ground) -> list[Command]:
    """the digest of the file that every volume names is that of another"""
    paths = _set(ground)
    for path in paths:
        with_header(path, digest=digest_of(ground.base))
    return _joined(ground, paths[0].parent)


@attack(_FAMILY, "not the digest of the set")
def volumes_with_the_identity_of_another_set(ground: Ground) -> list[Command]:
    """every volume claims the identity of an honest set"""
    paths, other = _set(ground), _set(ground, name="other", data=_signed_other(ground))
    mine, theirs = (header_of(some[0]).identity.encode() for some in (paths, other))
    for path in paths:
        _edited_header(path, mine, theirs)
    return [*_used(ground, paths[0].parent), *_joined(ground, paths[0].parent)]


def _replaced(ground: Ground, put: Callable[[Path], object]) -> list[Command]:
    """The second volume is something else."""
    paths = _set(ground)
    paths[1].unlink()
    put(paths[1])
    return _used(ground, paths[0].parent)


@attack(_FAMILY, "2of4: missing", confined=True)
def volume_becomes_a_pipe(ground: Ground) -> list[Command]:
    """a named pipe with the name of a volume, for which a reader would wait for ever"""
    paths = _set(ground)
    paths[1].unlink()
    os.mkfifo(paths[1])
    return [("install", str(paths[0].parent), "--root", str(ground.site))]


@attack(_FAMILY, "not a file")
def volume_becomes_a_link_to_a_device(ground: Ground) -> list[Command]:
    """a link to a device that has no end, with the name of a volume"""
    return _replaced(ground, lambda path: path.symlink_to("/dev/zero"))


@attack(_FAMILY, "Too many levels of symbolic links")
def volume_becomes_a_link_to_itself(ground: Ground) -> list[Command]:
    """a link that leads to itself, with the name of a volume"""
    return _replaced(ground, lambda path: path.symlink_to(path.name))


@attack(_FAMILY, "not a file")
def volume_becomes_a_folder(ground: Ground) -> list[Command]:
    """a folder with the name of a volume"""
    return _replaced(ground, lambda path: path.mkdir())


@attack(_FAMILY, "set.file.name")
def volumes_of_a_file_outside(ground: Ground) -> list[Command]:
    """every volume names a file that leads out of the folder"""
    paths = _set(ground)
    for path in paths:
        with_header(path, name="../../outside/precious.airlock")
    return [*_used(ground, paths[0].parent), *_joined(ground, paths[0].parent)]


@attack(_FAMILY, "1of4: missing")
def volume_of_a_name_that_a_terminal_obeys(ground: Ground) -> list[Command]:
    """junk among the volumes under a name that clears the screen where it is told"""
    paths = _set(ground)
    for path in paths[:2]:
        path.write_bytes(b"junk")
        path.rename(path.with_name(f"\x1b[2J{path.name}"))
    return [("install", str(paths[0].parent), "--root", str(ground.site))]


@attack(_FAMILY, "does not hold what its header says")
def volumes_of_sparse_petabytes(ground: Ground) -> list[Command]:
    """a header that announces a file of a terabyte, so that room and lists for it might be made"""
    paths = _set(ground)
    for path in paths:
        with_header(path, size=1 << 40, stride=1 << 39, block=1 << 20, lists=(digest_of(b""),) * 2)
    return [*_used(ground, paths[0].parent), *_joined(ground, paths[0].parent)]


@attack(_FAMILY, "too large", confined=True)
def volume_with_a_huge_header(ground: Ground) -> list[Command]:
    """a header of thirty megabytes"""
    paths = _set(ground)
    rewritten(paths[0], lambda found: found | {HEADER: dumps({"format": "x" * (30 << 20)})})
    return [("install", str(paths[0].parent), "--root", str(ground.site))]


@attack(_FAMILY, "not a trust root")
def trust_root_too_large_for_a_set(ground: Ground) -> list[Command]:
    """a trust root of two megabytes is given for a set"""
    paths = _set(ground)
    root = Path(ground.put("endless.json", b""))
    with root.open("r+b") as stream:
        stream.truncate(2 << 20)
    return [("verify", str(paths[0].parent), "--trust", str(root))]


@attack(_FAMILY, "a link, a pipe, or a file of somebody else")
def partial_file_planted_as_a_link(ground: Ground) -> list[Command]:
    """a link to what belongs to others, where `join` puts a file together"""
    paths = _set(ground)
    _partial(ground, paths[0]).symlink_to(ground.outside / "precious")
    return _joined(ground, paths[0].parent)


@attack(_FAMILY, "a link, a pipe, or a file of somebody else")
def partial_file_planted_as_a_second_name(ground: Ground) -> list[Command]:
    """a second name of what belongs to others, where `join` puts a file together"""
    paths = _set(ground)
    os.link(ground.outside / "precious", _partial(ground, paths[0]))
    return _joined(ground, paths[0].parent)


@attack(_FAMILY, "a link, a pipe, or a file of somebody else")
def partial_file_planted_as_a_pipe(ground: Ground) -> list[Command]:
    """a named pipe where `join` puts a file together"""
    paths = _set(ground)
    os.mkfifo(_partial(ground, paths[0]))
    return _joined(ground, paths[0].parent)


@attack(_FAMILY, "a link, a pipe, or a file of somebody else")
def partial_file_planted_as_a_folder(ground: Ground) -> list[Command]:
    """a folder where `join` puts a file together"""
    paths = _set(ground)
    _partial(ground, paths[0]).mkdir()
    return _joined(ground, paths[0].parent)
