"""The container has one spelling: what `tar` reads is what airlock reads, and nothing else is taken."""

import io
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airlock.errors import IntegrityError
from airlock.storage.archive import Archive, ArchiveWriter

NAMES = st.from_regex(r"[a-z0-9][a-zA-Z0-9._-]{0,20}(/[a-zA-Z0-9][a-zA-Z0-9._-]{0,20}){0,3}", fullmatch=True)


def archive_of(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    writer = ArchiveWriter(out)
    for name, data in members.items():
        writer.add_bytes(name, data)
    writer.close()
    return out.getvalue()


def opened(data: bytes) -> Archive:
    return Archive(io.BytesIO(data), "test.airlock")


SAMPLE = archive_of({"index.json": b"{}\n", "frames/ab.zst": bytes(range(256)) * 3, "empty": b""})


@given(st.dictionaries(NAMES, st.binary(max_size=1100), max_size=6))
def test_what_was_written_is_read_back_and_tarfile_agrees(members: dict[str, bytes]) -> None:
    data = archive_of(members)
    archive = opened(data)
    assert list(archive.members) == list(members)
    assert {name: archive.open(name).read() for name in members} == members
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert [(info.name, info.size, info.mode, info.mtime) for info in tar] == [
            (name, len(body), 0o644, 0) for name, body in members.items()
        ]


def test_plain_tar_extracts_it(tmp_path: Path) -> None:
    (tmp_path / "x.airlock").write_bytes(SAMPLE)
    subprocess.run(["tar", "xf", "x.airlock"], cwd=tmp_path, check=True)
    assert (tmp_path / "frames/ab.zst").read_bytes() == bytes(range(256)) * 3


def test_any_flipped_bit_in_a_header_padding_or_end_is_refused() -> None:
    spans = [range(span.offset, span.offset + span.size) for span in opened(SAMPLE).members.values()]
    for at in range(len(SAMPLE)):
        if any(at in span for span in spans):
            continue
        damaged = bytearray(SAMPLE)
        damaged[at] ^= 1 << at % 8
        with pytest.raises(IntegrityError, match=r"test\.airlock: "):
            opened(bytes(damaged))


def test_a_cut_archive_is_refused_wherever_it_is_cut() -> None:
    for size in range(0, len(SAMPLE), 61):
        with pytest.raises(IntegrityError):
            opened(SAMPLE[:size])


@pytest.mark.parametrize("tail", [b"\0", bytes(512), b"x", SAMPLE])
def test_bytes_behind_the_end_are_refused(tail: bytes) -> None:
    with pytest.raises(IntegrityError):
        opened(SAMPLE + tail)


def changed(change: Callable[[tarfile.TarInfo], None], form: Literal[0, 1, 2] = 1) -> bytes:
    info = tarfile.TarInfo("index.json")
    info.size, info.mode = 3, 0o644
    change(info)
    body = b"{}\n".ljust(512, b"\0") if info.size else b""
    return info.tobuf(form, "utf-8", "surrogateescape") + body + bytes(1024)


def attribute(name: str, value: object) -> Callable[[tarfile.TarInfo], None]:
    return lambda info: setattr(info, name, value)


def link(kind: bytes, target: str) -> Callable[[tarfile.TarInfo], None]:
    def change(info: tarfile.TarInfo) -> None:
        info.type, info.linkname, info.size = kind, target, 0

    return change


ATTACKS = {
    "a symbolic link": link(tarfile.SYMTYPE, "/etc/passwd"),
    "a hard link": link(tarfile.LNKTYPE, "index.json"),
    "a device": link(tarfile.CHRTYPE, ""),
    "a fifo": link(tarfile.FIFOTYPE, ""),
    "a directory": link(tarfile.DIRTYPE, ""),
    "a sparse file": link(tarfile.GNUTYPE_SPARSE, ""),
    "an absolute name": attribute("name", "/index.json"),
    "a name that climbs": attribute("name", "../index.json"),
    "a name that climbs in its middle": attribute("name", "frames/../../x"),
    "a name with a part that is empty": attribute("name", "frames//x"),
    "a hidden name": attribute("name", ".index.json"),
    "a long name": attribute("name", "a" * 150),
    "a name that is not ascii": attribute("name", "ü"),
    "an owner": attribute("uid", 1),
    "an owner's name": attribute("uname", "root"),
    "a time": attribute("mtime", 1),
    "a mode": attribute("mode", 0o755),
}


def test_the_header_that_the_attacks_change_is_otherwise_accepted() -> None:
    assert opened(changed(lambda info: None)).read("index.json", 10) == b"{}\n"


@pytest.mark.parametrize("attack", list(ATTACKS))
def test_tar_oddities_are_refused(attack: str) -> None:
    with pytest.raises(IntegrityError):
        opened(changed(ATTACKS[attack]))


@pytest.mark.parametrize("form", [0, 2], ids=["ustar", "pax"])
def test_other_spellings_of_the_same_header_are_refused(form: Literal[0, 1, 2]) -> None:
    with pytest.raises(IntegrityError):
        opened(changed(lambda info: None, form))


def test_a_member_that_stands_twice_is_refused() -> None:
    body = SAMPLE[:1024]
    with pytest.raises(IntegrityError):
        opened(body + body + bytes(1024))


def test_a_size_beyond_the_file_is_refused_before_it_is_read() -> None:
    info = tarfile.TarInfo("index.json")
    info.size, info.mode = 1 << 60, 0o644
    with pytest.raises(IntegrityError):
        opened(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024))


def test_a_member_larger_than_its_limit_is_not_read() -> None:
    with pytest.raises(IntegrityError, match="too large"):
        opened(SAMPLE).read("frames/ab.zst", 700)
    with pytest.raises(IntegrityError, match="missing"):
        opened(SAMPLE).read("frames/cd.zst", 700)


@pytest.mark.parametrize(
    "name", ["", "/a", "../a", "a/../b", "a/", "a//b", "a/.b", "a" * 100, "ü", "a b", "A"]
)
def test_the_writer_refuses_names_that_the_reader_would(name: str) -> None:
    with pytest.raises(ValueError, match="not a member name"):
        archive_of({name: b""})


def test_the_writer_refuses_a_size_that_was_not_kept() -> None:
    with pytest.raises(ValueError, match="announced 3 bytes, wrote 2"):
        ArchiveWriter(io.BytesIO()).add("a", 3, [b"ab"])


@pytest.mark.parametrize(
    ("path", "what", "way_on"),
    [
        ("v1.lock", "a lockfile, not a bundle", "`airlock build` makes bundles"),
        ("trust_root/valid/rotated.json", "a trust root, not a bundle", "--trust"),
        ("journal/valid/far.jsonl", "a journal, not a bundle", "airlock history"),
    ],
)
def test_another_file_of_airlock_s_is_told_by_its_name(path: str, what: str, way_on: str) -> None:
    data = (Path(__file__).parents[2] / "fixtures" / path).read_bytes()
    with pytest.raises(IntegrityError, match=what) as caught:
        opened(data)
    assert way_on in str(caught.value.hint)
