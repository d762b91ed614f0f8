"""What a medium, or whoever had it in hand, may try with volumes, each attack by its name."""

import os
import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from airlock.airgapped.media import check_set, sentences
from airlock.core.canonical_json import dumps
from airlock.core.digest import digest_of
from airlock.core.reporter import Silent
from airlock.errors import IntegrityError
from airlock.formats.index import INDEX
from airlock.formats.volume import HEADER, LISTS, PAYLOAD
from airlock.storage.archive import END, member_header
from airlock.storage.volume import Volume, looks_like_a_volume
from airlock.storage.volume_set import VolumeStream, open_set
from tests.far.bundles import archive_of, members_in
from tests.media.sets import (
    any_bundle,
    flip,
    header_of,
    join_all,
    rewritten,
    share_offset,
    split_into,
    with_header,
)

BUNDLE = any_bundle(60_000)
CAPACITY = 34_000


@pytest.fixture
def volumes(tmp_path: Path) -> list[Path]:
    """Three volumes without parity."""
    paths = split_into(tmp_path / "set", BUNDLE, CAPACITY)
    assert len(paths) == 3
    return paths


def faults(paths: list[Path]) -> list[str]:
    with closing(open_set(paths)) as found:
        state = check_set(found, Silent())
        told = list(sentences(found, state))
        assert state.whole == (not told)
        return told


def refusal(path: Path) -> str:
    with pytest.raises(IntegrityError) as caught:
        Volume(path)
    assert caught.value.where.startswith(str(path))
    return str(caught.value)


def test_nothing_is_said_of_a_whole_set(volumes: list[Path]) -> None:
    assert faults(volumes) == []


def test_all_faults_are_told_at_once(tmp_path: Path, volumes: list[Path]) -> None:
    other = split_into(tmp_path / "other", any_bundle(60_000, seed=2), CAPACITY)
    flip(volumes[1], share_offset(volumes[1]) + 3 * 512)
    os.truncate(volumes[2], share_offset(volumes[2]) + 700)
    flip(other[2], 20)
    told = faults([*volumes[1:], *other[:1], other[2]])
    assert told[0] == "gateway.1of3: missing"
    assert told[1].startswith(str(volumes[1])) and "block 3 is damaged" in told[1]
    assert told[2].startswith(str(volumes[2])) and "truncated: expected" in told[2] and "blocks 1-" in told[2]
    assert told[3].startswith(str(other[2]))
    assert told[4].startswith(f"{other[0]}: a volume of another set: gateway.1of3, set ")
    assert len(told) == 5


def test_a_lying_count(volumes: list[Path]) -> None:
    data = members_in(volumes[0].read_bytes())[HEADER].replace(b'"count":3', b'"count":2')
    rewritten(volumes[0], lambda members: members | {HEADER: data})
    assert "expected at most 255 volumes, as many as all else says" in refusal(volumes[0])


def test_a_count_that_nothing_could_hold(volumes: list[Path]) -> None:
    table = header_of(volumes[0]).table
    lists = (digest_of(b""),) * 256
    with_header(volumes[0], parity=256 - table.data, lists=lists)
    assert "set.parity" in refusal(volumes[0]) or "set.count" in refusal(volumes[0])


def test_a_huge_header(tmp_path: Path) -> None:
    path = tmp_path / "a.airvol"
    path.write_bytes(archive_of({HEADER: b'{"format":"' + b"a" * (1 << 18) + b'"}\n'}))
    assert "too large: expected at most 131072 bytes" in refusal(path)


def test_a_header_that_announces_more_than_there_is(tmp_path: Path) -> None:
    path = tmp_path / "a.airvol"
    path.write_bytes(member_header(HEADER, 1 << 50) + b"{}")
    assert "truncated" in refusal(path)


def test_a_share_that_begins_elsewhere(volumes: list[Path]) -> None:
    """Offsets are computed and stand nowhere: a share that is longer than its place in the file is refused."""
    rewritten(volumes[2], lambda members: members | {PAYLOAD: members[PAYLOAD] + bytes(512)})
    assert "does not hold what its header says" in refusal(volumes[2])


def test_shares_that_overlap(volumes: list[Path]) -> None:
    """Two volumes cannot claim the same bytes: another stride makes another set."""
    table = header_of(volumes[1]).table
    with_header(volumes[1], stride=table.stride + table.block)
    assert "does not hold what its header says" in refusal(volumes[1])


def test_a_share_of_sparse_terabytes(volumes: list[Path]) -> None:
    """It is the header that is refused: its lists would have to be there."""
    with_header(volumes[0], size=1 << 39, stride=1 << 39, block=1 << 20, lists=(digest_of(b""),))
    assert "does not hold what its header says" in refusal(volumes[0])


def test_lists_of_more_blocks_than_memory_holds(volumes: list[Path]) -> None:
    with_header(volumes[0], size=1 << 40, stride=1 << 40, block=512, lists=(digest_of(b""),))
    assert "blocks in all" in refusal(volumes[0])


def test_two_sets_mixed(tmp_path: Path, volumes: list[Path]) -> None:
    other = split_into(tmp_path / "other", any_bundle(60_000, seed=2), CAPACITY)
    with pytest.raises(IntegrityError, match="volumes of several sets"):
        open_set([volumes[0], other[1]])
    told = faults([*volumes[:2], other[2]])
    assert told[0] == "gateway.3of3: missing"
    assert "a volume of another set" in told[1] and len(told) == 2
    assert not join_all([*volumes[:2], other[2]], tmp_path / "out").complete
    assert not (tmp_path / "out").exists()


def test_a_volume_swapped_for_another_of_its_set(volumes: list[Path]) -> None:
    with_header(volumes[0], number=2)
    told = faults(volumes)
    assert told[0] == "gateway.1of3: missing"
    assert told[1].startswith(str(volumes[0])) and "blocks 0-" in told[1]
    assert len(told) == 2, "the true second volume is good"


def test_the_same_number_twice_with_other_bytes(tmp_path: Path, volumes: list[Path]) -> None:
    double = Path(shutil.copy(volumes[1], tmp_path / "double.airvol"))
    rewritten(double, lambda members: members | {PAYLOAD: bytes(len(members[PAYLOAD]))})
    told = faults([double, *volumes])
    assert [fault.partition(": ")[0] for fault in told] == [str(double)]
    assert join_all([double, *volumes], tmp_path / "out").complete
    assert (tmp_path / "out").read_bytes() == BUNDLE


def test_blocks_exchanged_together_with_their_digests(volumes: list[Path]) -> None:
    def change(members: dict[str, bytes]) -> dict[str, bytes]:
        lists, share = members[LISTS], members[PAYLOAD]
        return members | {
            LISTS: lists[32:64] + lists[:32] + lists[64:],
            PAYLOAD: share[512:1024] + share[:512] + share[1024:],
        }

    rewritten(volumes[0], change)
    (told,) = faults(volumes)
    assert "its list of the blocks of volume 1 is damaged; blocks 0-1 are damaged" in told


def test_a_header_re_signed_by_nobody(tmp_path: Path, volumes: list[Path]) -> None:
    """A set, sound in itself, whose table carries an index that the file does not have."""
    index = members_in(any_bundle(10, seed=3))[INDEX]
    table = header_of(volumes[0]).table
    members = tuple(
        replace(member, size=len(index), digest=digest_of(index)) if member.name == INDEX else member
        for member in table.members
    )
    for path in volumes:
        rewritten(path, lambda found: found | {INDEX: index})
        with_header(path, members=members)
    assert faults(volumes) == []
    with pytest.raises(
        IntegrityError, match=r"its index\.json is not the one that its volumes have a copy of"
    ):
        join_all(volumes, tmp_path / "out")
    assert not list(tmp_path.glob("*out*"))


def test_a_set_that_names_another_file(tmp_path: Path, volumes: list[Path]) -> None:
    for path in volumes:
        with_header(path, digest=digest_of(b"another"))
    with pytest.raises(IntegrityError, match="not the file that its volumes name"):
        join_all(volumes, tmp_path / "out")
    assert not list(tmp_path.glob("*out*"))


def test_parity_that_was_made_of_other_data(tmp_path: Path) -> None:
    """Every digest is that of the set's maker, who lies: what is restored is still not what its list says."""
    paths = split_into(tmp_path / "set", BUNDLE, CAPACITY, parity=1)
    lost, parity = paths[0], paths[-1]
    table = header_of(parity).table
    start, end = table.list_place(table.count)
    share = bytes(table.share(table.count))
    blocks = [share[place : place + table.block] for place in range(0, len(share), table.block)]
    own = b"".join(bytes.fromhex(digest_of(block)[7:]) for block in blocks)
    for path in paths:
        rewritten(path, lambda found: found | {LISTS: found[LISTS][:start] + own + found[LISTS][end:]})
        with_header(path, lists=(*table.lists[:-1], digest_of(own)))
    rewritten(parity, lambda found: found | {PAYLOAD: share})
    lost.unlink()
    assert not join_all(paths[1:], tmp_path / "out").complete
    with (
        closing(open_set(paths[1:])) as found,
        pytest.raises(IntegrityError, match=r"gateway\.1of\d: missing"),
    ):
        VolumeStream(found).read()


def test_bytes_behind_the_end(volumes: list[Path]) -> None:
    volumes[1].write_bytes(volumes[1].read_bytes() + b"\0")
    (told,) = faults(volumes)
    assert "bytes behind its end" in told


def test_a_member_that_no_volume_has(volumes: list[Path]) -> None:
    rewritten(volumes[0], lambda members: {HEADER: members[HEADER], "trust/more": b"x"} | members)
    assert "does not hold what its header says" in refusal(volumes[0])


def test_a_header_with_a_name_that_a_terminal_obeys(volumes: list[Path]) -> None:
    data = members_in(volumes[0].read_bytes())[HEADER]
    rewritten(volumes[0], lambda members: members | {HEADER: data.replace(b"gateway", b"gate\x1bay")})
    refusal(volumes[0])


@pytest.mark.parametrize("name", ["../gateway.airlock", "/etc/passwd", "..", "a\\b"])
def test_a_file_name_that_leads_elsewhere(volumes: list[Path], name: str) -> None:
    with_header(volumes[0], name=name)
    assert "set.file.name" in refusal(volumes[0])


def test_a_pipe_among_the_volumes_is_not_waited_for(tmp_path: Path, volumes: list[Path]) -> None:
    os.mkfifo(tmp_path / "set" / "pipe")
    os.mkfifo(tmp_path / "set" / "gateway.4of3.airvol")
    assert not looks_like_a_volume(tmp_path / "set" / "pipe")
    with closing(open_set([tmp_path / "set"])) as found:
        assert [stray.why for stray in found.strays] == ["not a file"]


def test_a_link_in_the_place_of_the_partial_file_is_not_followed(tmp_path: Path, volumes: list[Path]) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    identity = header_of(volumes[0]).identity
    (tmp_path / f".out.{identity[7:15]}.airpart").symlink_to(victim)
    with pytest.raises(IntegrityError, match="a link, a pipe, or a file of somebody else"):
        join_all(volumes, tmp_path / "out")
    assert victim.read_bytes() == b"precious"


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a file to somebody else")
def test_a_partial_file_that_somebody_else_prepared_is_not_used(tmp_path: Path, volumes: list[Path]) -> None:
    """Its owner may have it open, and write to it when all was checked."""
    identity = header_of(volumes[0]).identity
    prepared = tmp_path / f".out.{identity[7:15]}.airpart"
    prepared.write_bytes(b"")
    os.chown(prepared, 12345, 12345)
    with pytest.raises(IntegrityError, match="a link, a pipe, or a file of somebody else"):
        join_all(volumes, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_without_volumes(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear site")
    with pytest.raises(IntegrityError, match="there is no volume"):
        open_set([tmp_path])


def test_volumes_are_known_by_what_they_begin_with(tmp_path: Path, volumes: list[Path]) -> None:
    """A disc without long names has `GATEWA~1.AIR`."""
    disc = tmp_path / "disc"
    disc.mkdir()
    for number, path in enumerate(volumes):
        shutil.copy(path, disc / f"GATEWA~{number}.AIR")
    (disc / "README.TXT").write_bytes(b"read me")
    assert faults([disc]) == []


def test_an_end_that_is_not_zero(volumes: list[Path]) -> None:
    flip(volumes[0], volumes[0].stat().st_size - len(END))
    assert "its end is damaged" in faults(volumes)[0]


def test_a_volume_of_zeros(tmp_path: Path) -> None:
    path = tmp_path / "a.airvol"
    path.write_bytes(bytes(100_000))
    refusal(path)
    path.write_bytes(b"")
    refusal(path)
    path.write_bytes(archive_of({HEADER: dumps({})}))
    refusal(path)
