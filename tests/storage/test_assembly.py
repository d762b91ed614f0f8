"""An archive that is put together of its members is the one that was written in one go, however it came."""

import io
import os
from contextlib import closing
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airlock.core.digest import Hasher, digest_of
from airlock.errors import IntegrityError, TargetError
from airlock.storage.archive import ArchiveWriter
from airlock.storage.assembly import Assembly

MEMBERS = {
    "index.json": b"{}",
    "frames/a.zst": os.urandom(300_000),
    "frames/b.zst": b"",
    "frames/c.zst": b"c" * 512,
}


def written(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    writer = ArchiveWriter(out)
    for name, data in members.items():
        writer.add_bytes(name, data)
    writer.close()
    return out.getvalue()


def assembly(path: Path, members: dict[str, bytes] = MEMBERS) -> Assembly:
    return Assembly(path, {name: len(data) for name, data in members.items()})


def bring(one: Assembly, name: str, data: bytes, left: Hasher | None = None) -> None:
    left = left or Hasher()
    rest = data[left.size :]
    one.write(
        name, digest_of(data), left, [rest[start : start + 1000] for start in range(0, len(rest), 1000)]
    )


@given(st.lists(st.binary(max_size=1500), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_members_in_any_order_make_the_same_archive(
    tmp_path_factory: pytest.TempPathFactory, contents: list[bytes], random: Random
) -> None:
    path = tmp_path_factory.mktemp("assembly") / "a.airlock"
    members = {f"m/{number}": data for number, data in enumerate(contents)}
    with closing(assembly(path, members)) as one:
        one.reserve()
        for name in random.sample(sorted(members), len(members)):
            bring(one, name, members[name])
        one.finish()
    assert path.read_bytes() == written(members)
    assert [file.name for file in path.parent.iterdir()] == ["a.airlock"]


def test_the_destination_is_not_there_before_all_of_it_is(tmp_path: Path) -> None:
    with closing(assembly(tmp_path / "a.airlock")) as one:
        one.reserve()
        bring(one, "frames/a.zst", MEMBERS["frames/a.zst"])
    assert not (tmp_path / "a.airlock").exists()


def test_what_an_earlier_run_wrote_of_a_member_is_taken_up(tmp_path: Path) -> None:
    data = MEMBERS["frames/a.zst"]
    with closing(assembly(tmp_path / "a.airlock")) as one:
        one.reserve()
        with pytest.raises(IntegrityError):  # it broke off
            one.write("frames/a.zst", digest_of(data), Hasher(), [data[:200_000]])
    with closing(assembly(tmp_path / "a.airlock")) as one:
        left = {name: one.left_of(name, digest_of(data)) for name, data in MEMBERS.items()}
        assert 180_000 < left["frames/a.zst"].size <= 200_000
        one.reserve()
        bring(one, "frames/a.zst", data, left["frames/a.zst"])
        for name in ("index.json", "frames/b.zst", "frames/c.zst"):
            bring(one, name, MEMBERS[name])
        one.finish()
    assert (tmp_path / "a.airlock").read_bytes() == written(MEMBERS)


def test_a_member_of_other_bytes_is_refused(tmp_path: Path) -> None:
    with closing(assembly(tmp_path / "a.airlock")) as one:
        one.reserve()
        with pytest.raises(IntegrityError, match="other bytes"):
            one.write("index.json", digest_of(b"{}"), Hasher(), [b"[]"])


def test_a_member_that_does_not_end_is_refused_before_it_reaches_the_next(tmp_path: Path) -> None:
    with closing(assembly(tmp_path / "a.airlock")) as one:
        one.reserve()
        bring(one, "frames/a.zst", MEMBERS["frames/a.zst"])
        with pytest.raises(IntegrityError, match="longer than was said"):
            one.write("index.json", digest_of(b"{}"), Hasher(), [b"{}", b"x" * 5000])
        assert one.left_of("frames/a.zst", digest_of(MEMBERS["frames/a.zst"])).digest == digest_of(
            MEMBERS["frames/a.zst"]
        )


@pytest.mark.parametrize("name", ["../out", "/etc/passwd", "a//b", "", "x" * 100, "a\nb"])
def test_a_name_that_no_archive_has_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(IntegrityError, match="no archive has such a member"):
        Assembly(tmp_path / "a.airlock", {name: 1})
    assert list(tmp_path.iterdir()) == []


def test_a_link_in_the_place_of_the_partial_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / ".a.airlock.airpull").symlink_to("precious")
    with pytest.raises(IntegrityError):
        assembly(tmp_path / "a.airlock")
    assert (tmp_path / "precious").read_bytes() == b"precious"


def test_two_do_not_work_at_one_file(tmp_path: Path) -> None:
    with (
        closing(assembly(tmp_path / "a.airlock")),
        pytest.raises(TargetError, match="another `airlock pull`"),
    ):
        assembly(tmp_path / "a.airlock")
