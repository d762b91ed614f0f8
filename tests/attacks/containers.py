"""Tar's oddities in the container itself: on the way, anybody may put them there."""

import io
import tarfile
from collections.abc import Callable

from tests.attacks.ground import Command, Ground, attack
from tests.far.bundles import archive_of, members_in

_FAMILY = "Tar headers of a bundle"
BLOCK = 512


def _with_header(ground: Ground, change: Callable[[tarfile.TarInfo], bytes]) -> list[Command]:
    """The next bundle with one more member behind its index, of which `change` gives the header and content."""
    out = io.BytesIO()
    for number, (name, data) in enumerate(members_in(ground.next).items()):
        out.write(_plain(name, len(data)) + data + bytes(-len(data) % BLOCK))
        if not number:
            info = tarfile.TarInfo("frames/" + "0" * 64 + ".zst")
            info.mtime = 0
            out.write(change(info))
    return ground.everywhere(out.getvalue() + bytes(2 * BLOCK))


def _plain(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = size, 0o644, 0
    return info.tobuf(tarfile.GNU_FORMAT)


def _of_type(ground: Ground, kind: bytes, link: str = "") -> list[Command]:
    def change(info: tarfile.TarInfo) -> bytes:
        info.type, info.linkname = kind, link
        return info.tobuf(tarfile.GNU_FORMAT)

    return _with_header(ground, change)


@attack(_FAMILY, "not a header that airlock writes")
def archive_with_a_symlink(ground: Ground) -> list[Command]:
    """a member is a symbolic link to a file outside"""
    return _of_type(ground, tarfile.SYMTYPE, str(ground.outside / "precious"))


@attack(_FAMILY, "not a header that airlock writes")
def archive_with_a_hard_link(ground: Ground) -> list[Command]:
    """a member is a hard link"""
    return _of_type(ground, tarfile.LNKTYPE, "index.json")


@attack(_FAMILY, "not a header that airlock writes")
def archive_with_a_character_device(ground: Ground) -> list[Command]:
    """a member is a character device"""
    return _of_type(ground, tarfile.CHRTYPE)


@attack(_FAMILY, "not a header that airlock writes")
def archive_with_a_block_device(ground: Ground) -> list[Command]:
    """a member is a block device"""
    return _of_type(ground, tarfile.BLKTYPE)


@attack(_FAMILY, "not a header that airlock writes")
def archive_with_a_fifo(ground: Ground) -> list[Command]:
    """a member is a named pipe"""
    return _of_type(ground, tarfile.FIFOTYPE)


@attack(_FAMILY, "not a header that airlock writes")
def archive_with_a_folder(ground: Ground) -> list[Command]:
    """a member is a folder"""
    return _of_type(ground, tarfile.DIRTYPE)


@attack(_FAMILY, "not a header that airlock writes")
def archive_with_a_sparse_file(ground: Ground) -> list[Command]:
    """a member is sparse, and says that it is a terabyte long"""

    def change(info: tarfile.TarInfo) -> bytes:
        info.type = tarfile.GNUTYPE_SPARSE
        block = bytearray(info.tobuf(tarfile.GNU_FORMAT))
        block[483:495] = b"10000000000000"[:12]
        return _summed(block)

    return _with_header(ground, change)


def _summed(block: bytearray) -> bytes:
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


@attack(_FAMILY, "not a header that airlock writes")
def archive_with_a_pax_header(ground: Ground) -> list[Command]:
    """a pax header gives the next member another name and size"""

    def change(info: tarfile.TarInfo) -> bytes:
        info.pax_headers = {"path": "../../outside/precious", "size": "99999999"}
        return info.tobuf(tarfile.PAX_FORMAT)

    return _with_header(ground, change)


@attack(_FAMILY, "not a header that airlock writes")
def archive_with_a_global_pax_header(ground: Ground) -> list[Command]:
    """a pax header gives all that follow another name"""
    return _with_header(ground, lambda info: tarfile.TarInfo.create_pax_global_header({"path": "evil"}))


@attack(_FAMILY, "not a header that airlock writes")
def archive_with_a_gnu_long_name(ground: Ground) -> list[Command]:
    """a GNU long name of 64 kB stands before a member"""

    def change(info: tarfile.TarInfo) -> bytes:
        info.name = "frames/" + "a" * 65_000
        return info.tobuf(tarfile.GNU_FORMAT)

    return _with_header(ground, change)


@attack(_FAMILY, "truncated")
def archive_with_a_size_in_base_256(ground: Ground) -> list[Command]:
    """a member's size is spelled in base 256, and is 8 exabytes"""

    def change(info: tarfile.TarInfo) -> bytes:
        info.size = 1 << 63
        return info.tobuf(tarfile.GNU_FORMAT)

    return _with_header(ground, change)


@attack(_FAMILY, "not a header that airlock writes")
def archive_with_a_negative_size(ground: Ground) -> list[Command]:
    """a member's size is below zero, so that the next header would be the one before"""

    def change(info: tarfile.TarInfo) -> bytes:
        block = bytearray(info.tobuf(tarfile.GNU_FORMAT))
        block[124:136] = b"\xff" * 11 + b"\x00"
        return _summed(block)

    return _with_header(ground, change)


@attack(_FAMILY, "not a header that airlock writes")
def archive_with_another_spelling_of_a_size(ground: Ground) -> list[Command]:
    """a member's size is spelled with spaces, which readers take for different numbers"""

    def change(info: tarfile.TarInfo) -> bytes:
        block = bytearray(info.tobuf(tarfile.GNU_FORMAT))
        block[124:136] = b"          0\0"
        return _summed(block)

    return _with_header(ground, change)


@attack(_FAMILY, "not a header that airlock writes")
def archive_with_a_prefix(ground: Ground) -> list[Command]:
    """a ustar prefix puts a folder before a member's name"""

    def change(info: tarfile.TarInfo) -> bytes:
        block = bytearray(info.tobuf(tarfile.USTAR_FORMAT))
        block[345:350] = b"/etc\0"
        return _summed(block)

    return _with_header(ground, change)


@attack(_FAMILY, "not a header that airlock writes")
def archive_with_set_id_bits(ground: Ground) -> list[Command]:
    """a member's mode has set-id bits"""

    def change(info: tarfile.TarInfo) -> bytes:
        info.mode = 0o6755
        return info.tobuf(tarfile.GNU_FORMAT)

    return _with_header(ground, change)


@attack(_FAMILY, "not a header that airlock writes")
def archive_with_a_name_outside(ground: Ground) -> list[Command]:
    """a member's name climbs out"""

    def change(info: tarfile.TarInfo) -> bytes:
        info.name = "frames/../../outside/precious"
        return info.tobuf(tarfile.GNU_FORMAT)

    return _with_header(ground, change)


@attack(_FAMILY, "stands twice")
def archive_with_a_member_twice(ground: Ground) -> list[Command]:
    """the index stands twice, so that readers may take one or the other"""
    data = members_in(ground.next)["index.json"]
    again = _plain("index.json", len(data)) + data + bytes(-len(data) % BLOCK)
    return _with_header(ground, lambda info: again)


@attack(_FAMILY, "bad end of archive")
def archive_with_a_second_archive_behind(ground: Ground) -> list[Command]:
    """another bundle follows the end of the first"""
    return ground.everywhere(ground.next + ground.base)


@attack(_FAMILY, "padding is not zero")
def archive_with_data_in_the_padding(ground: Ground) -> list[Command]:
    """bytes hide between two members"""
    data = bytearray(ground.next)
    size = len(members_in(ground.next)["index.json"])
    assert size % BLOCK
    data[BLOCK + size] = 1
    return ground.everywhere(bytes(data))


@attack(_FAMILY, "truncated")
def archive_cut_short(ground: Ground) -> list[Command]:
    """the copy broke off"""
    return ground.everywhere(ground.next[: len(ground.next) // 2])


@attack(_FAMILY, "truncated")
def archive_of_nothing(ground: Ground) -> list[Command]:
    """an empty file"""
    return ground.everywhere(b"")


@attack(_FAMILY, "missing")
def archive_without_members(ground: Ground) -> list[Command]:
    """an archive that is only its end"""
    return ground.everywhere(archive_of({}))
