"""What a package may put into a prefix: every entry of its data.tar that could lead elsewhere is refused by its name."""

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import zstandard

from airlock.core.artifact import Artifact
from airlock.core.expanded import Member, expand, form_named
from airlock.errors import IntegrityError
from airlock.kinds.deb.compressed import PIECE, decompressed
from airlock.kinds.deb.contents import Entry, entries
from airlock.kinds.deb.inspect import check_stored, members
from airlock.kinds.deb.place import place
from tests.debs.archive import make_deb
from tests.near_side import Placed, artifact_of, near_side

DATA = b"content\n" * 100


def entry(name: str, kind: bytes = tarfile.REGTYPE, mode: int = 0o644, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.linkname = kind, mode, link
    info.size = len(DATA) if kind == tarfile.REGTYPE else 0
    return info


def tar_of(*infos: tarfile.TarInfo) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for info in infos:
            archive.addfile(info, io.BytesIO(DATA) if info.isreg() else None)
    return out.getvalue()


def deb_of(data: bytes, name: str = "data.tar") -> bytes:
    parts = {"debian-binary": b"2.0\n", "control.tar": tar_of(entry("./control")), name: data}
    out = b"!<arch>\n"
    for member, content in parts.items():
        head = f"{member:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n"
        out += head.encode() + content + b"\n" * (len(content) % 2)
    return out


def unpacked(deb: bytes) -> list[Entry]:
    return [
        each for each in entries(members(io.BytesIO(deb), "x.deb"), "x.deb") if list(each.chunks) is not None
    ]


def artifact(deb: bytes) -> Artifact:
    made = artifact_of(deb, kind="deb", name="x", version="1.0", file="x_1.0_amd64.deb")
    return replace(made, placement={"mode": "prefix", "folder": "debs"})


def placed(deb: bytes) -> Placed:
    """By way of the expanded form, as on the far side."""
    expanded = io.BytesIO()
    form = form_named(expand(io.BytesIO(deb), expanded).form, "test")
    room = Placed()

    def contents() -> Iterator[Member]:
        expanded.seek(0)
        return form.members(expanded)

    place(artifact(deb), contents, room.room)
    return room


def test_files_links_and_hard_links_of_a_package(tmp_path: Path) -> None:
    infos = (
        entry("./", tarfile.DIRTYPE, 0o755),
        entry("./usr/", tarfile.DIRTYPE, 0o755),
        entry("./usr/bin/tool", mode=0o775),
        entry("./usr/bin/same", tarfile.LNKTYPE, link="./usr/bin/tool"),
        entry("./usr/bin/again", tarfile.LNKTYPE, link="./usr/bin/tool"),
        entry("./bin/other", tarfile.SYMTYPE, link="../usr/bin/tool"),
        entry("./usr/share/absolute", tarfile.SYMTYPE, link="/lib/x/y"),
        entry("./etc/secret", mode=0o000),
    )
    room = placed(deb_of(lzma.compress(tar_of(*infos)), "data.tar.xz"))
    assert room.files == {
        "debs/usr/bin/tool": (DATA, 0o755),
        "debs/usr/bin/same": (DATA, 0o755),
        "debs/usr/bin/again": (DATA, 0o755),
        "debs/etc/secret": (DATA, 0o400),
    }
    assert room.links == {"debs/usr/bin/other": "tool", "debs/usr/share/absolute": "../lib/x/y"}


COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "data.tar": bytes,
    "data.tar.xz": lzma.compress,
    "data.tar.gz": gzip.compress,
    "data.tar.bz2": bz2.compress,
    "data.tar.zst": lambda data: zstandard.ZstdCompressor().compress(data),
}


@pytest.mark.parametrize("name", COMPRESSIONS)
def test_every_compression_that_dpkg_knows(name: str) -> None:
    deb = deb_of(COMPRESSIONS[name](tar_of(entry("./usr/bin/tool"))), name)
    assert [(each.path, each.mode) for each in unpacked(deb)] == [("usr/bin/tool", 0o644)]
    assert placed(deb).files == {"debs/usr/bin/tool": (DATA, 0o644)}


def test_what_dpkg_deb_makes_is_placed_without_compressing_it_again(tmp_path: Path) -> None:
    deb = make_deb(tmp_path, "Package: x\nVersion: 1.0", {"usr/bin/x": DATA}).read_bytes()
    expanded = io.BytesIO()
    form = form_named(expand(io.BytesIO(deb), expanded).form, "test")
    expanded.seek(0)
    found = {member.name: member.unpacked is not None for member in form.members(expanded)}
    assert found == {"debian-binary": False, "control.tar.xz": True, "data.tar.xz": True}
    assert placed(deb).files == {"debs/usr/bin/x": (DATA, 0o755)}


REFUSED = {
    "a path that leads out": (entry("./../etc/passwd"), "unsafe path"),
    "an absolute path": (entry("/etc/passwd"), "unsafe path"),
    "a link that leads out": (entry("./usr/x", tarfile.SYMTYPE, link="../../etc"), "a link that leads out"),
    "a link out, by way of a folder": (
        entry("./usr/x", tarfile.SYMTYPE, link="a/../../../etc/passwd"),
        "a link that leads out",
    ),
    "a link to the prefix itself": (
        entry("./usr/x", tarfile.SYMTYPE, link=".."),
        "a link to the prefix itself",
    ),
    "a link with a control character": (entry("./usr/x", tarfile.SYMTYPE, link="a\x1b[2J"), "unsafe path"),
    "a set-user-id bit": (entry("./usr/bin/sudo", mode=0o4755), "has a set-id bit"),
    "a set-group-id bit": (entry("./usr/bin/wall", mode=0o2755), "has a set-id bit"),
    "a device": (entry("./dev/sda", tarfile.BLKTYPE), "a device, a pipe"),
    "a character device": (entry("./dev/null", tarfile.CHRTYPE), "a device, a pipe"),
    "a pipe": (entry("./run/pipe", tarfile.FIFOTYPE), "a device, a pipe"),
    "a hard link that leads out": (entry("./usr/x", tarfile.LNKTYPE, link="../../etc/passwd"), "unsafe path"),
    "a hard link to nothing": (
        entry("./usr/x", tarfile.LNKTYPE, link="./usr/y"),
        "a hard link to no file of the package",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_leads_elsewhere_is_refused_on_both_sides(tmp_path: Path, name: str) -> None:
    info, message = REFUSED[name]
    deb = deb_of(tar_of(entry("./usr/share/doc/x"), info))
    with pytest.raises(IntegrityError, match=message):
        placed(deb)
    near = near_side(tmp_path)
    near.store.put([deb])
    with pytest.raises(IntegrityError, match=message):
        check_stored(artifact(deb), near)


@pytest.mark.parametrize(
    "first", [entry("./usr/y", tarfile.SYMTYPE, link="z"), entry("./usr/y", tarfile.LNKTYPE, link="./usr/z")]
)
def test_a_hard_link_to_what_is_no_file_is_refused_on_both_sides(
    tmp_path: Path, first: tarfile.TarInfo
) -> None:
    deb = deb_of(tar_of(entry("./usr/z"), first, entry("./usr/x", tarfile.LNKTYPE, link="./usr/y")))
    near = near_side(tmp_path)
    near.store.put([deb])
    with pytest.raises(IntegrityError, match="a hard link to no file of the package"):
        placed(deb)
    with pytest.raises(IntegrityError, match="a hard link to no file of the package"):
        check_stored(artifact(deb), near)


def test_a_package_is_read_twice_however_many_hard_links_it_has() -> None:
    links = [entry(f"./usr/{number}", tarfile.LNKTYPE, link="./usr/x") for number in range(40)]
    deb, room = deb_of(tar_of(entry("./usr/x"), *links)), Placed()
    read: list[int] = []

    def contents() -> Iterator[Member]:
        read.append(1)
        return members(io.BytesIO(deb), "x.deb")

    place(artifact(deb), contents, room.room)
    assert len(room.files) == 41
    assert {data for data, _ in room.files.values()} == {DATA}
    assert len(read) == 2


TWO = tar_of(entry("./usr/a"), entry("./usr/b"))
AFTER_A = tarfile.BLOCKSIZE * 3
"""Where the header of `b` begins."""


def long_name() -> bytes:
    info = entry("./usr/a", tarfile.GNUTYPE_LONGNAME)
    info.size = 1 << 30
    return info.tobuf(tarfile.GNU_FORMAT)


DAMAGED = {
    "no ar at all": (b"PK\3\4", "not a Debian package"),
    "a truncated header": (deb_of(b"")[:-30], "a damaged archive"),
    "a truncated member": (deb_of(tar_of(entry("./x")))[:-9000], "truncated|damaged"),
    "no data.tar": (deb_of(b"", "other.tar"), "there is no data.tar in it"),
    "an unknown compression": (deb_of(b"", "data.tar.lz4"), "compressed in an unknown way"),
    "a damaged compression": (deb_of(b"\xfd7zXZ\0nothing", "data.tar.xz"), "damaged"),
    "a data.tar that is none": (deb_of(b"x" * 2048), "data.tar is damaged"),
    "a header that is none, in the middle": (
        deb_of(TWO[:AFTER_A] + b"x" * tarfile.BLOCKSIZE + TWO[AFTER_A:]),
        "data.tar is damaged",
    ),
    "content that ends early": (deb_of(TWO[: AFTER_A - 700]), "data.tar is damaged, unexpected end"),
    "a header that ends early": (deb_of(TWO[: AFTER_A + 100]), "data.tar is damaged, truncated header"),
    "no end": (deb_of(TWO[:AFTER_A]), "data.tar is damaged"),
    "a name of a gigabyte": (deb_of(TWO[:AFTER_A] + long_name()), "names and attributes of 1073741824 bytes"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_package_is_told_as_one(tmp_path: Path, name: str) -> None:
    deb, message = DAMAGED[name]
    near = near_side(tmp_path)
    near.store.put([deb])
    with pytest.raises(IntegrityError, match=message):
        check_stored(artifact(deb), near)
    with pytest.raises(IntegrityError, match=message):
        unpacked(deb)


@pytest.mark.parametrize("suffix", ["xz", "gz", "bz2"])
def test_a_compression_that_ends_early_is_told(suffix: str) -> None:
    whole = COMPRESSIONS[f"data.tar.{suffix}"](TWO)
    with pytest.raises(IntegrityError, match="damaged, it ends early"):
        list(decompressed(iter((whole[:-5],)), suffix, "x.deb"))


@pytest.mark.parametrize("suffix", ["xz", "gz", "bz2", "zst"])
def test_what_was_compressed_to_nearly_nothing_comes_in_small_pieces(suffix: str) -> None:
    """Two streams, in chunks that know nothing of them."""
    half = bytes(12_000_000)
    data = COMPRESSIONS[f"data.tar.{suffix}"](half) * 2
    for size in (len(data), 1000, 7):
        chunks = (data[start : start + size] for start in range(0, len(data), size))
        sizes = [len(piece) for piece in decompressed(chunks, suffix, "x.deb")]
        assert sum(sizes) == 2 * len(half)
        assert max(sizes) <= PIECE


def test_the_same_path_twice_is_for_the_layout_to_refuse() -> None:
    deb = deb_of(tar_of(entry("./usr/bin/x"), entry("./bin/x")))
    assert [each.path for each in unpacked(deb)] == ["usr/bin/x", "usr/bin/x"]


@pytest.mark.parametrize(
    "placement",
    [{}, {"mode": "prefix"}, {"mode": "chroot", "folder": "debs"}, {"mode": "prefix", "folder": "../x"}],
)
def test_a_placement_that_airlock_does_not_write_is_refused(placement: dict[str, str]) -> None:
    odd = replace(artifact(b""), placement=placement)
    with pytest.raises(IntegrityError, match="placement"):
        place(odd, lambda: iter(()), Placed().room)


@pytest.mark.parametrize("suffix", ["xz", "gz", "bz2", "zst"])
@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE])
@pytest.mark.parametrize("step", [7, 1 << 20])
def test_content_comes_whole_however_it_falls_into_pieces(suffix: str, size: int, step: int) -> None:
    """The last of what compresses well is still in the decompressor when the file has ended."""
    data = COMPRESSIONS[f"data.tar.{suffix}"](bytes(size))
    chunks = iter([*(data[at : at + step] for at in range(0, len(data), step)), b""])
    found = list(decompressed(chunks, suffix, "x"))
    assert b"".join(found) == bytes(size)
    assert max(map(len, found), default=0) <= PIECE
