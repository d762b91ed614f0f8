"""Splitting, joining and reading: whatever the sizes, the order and the losses."""

import hashlib
import io
import os
import shutil
import subprocess
import tempfile
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airlock.airgapped.media import check_set
from airlock.connected.split import plan_split
from airlock.core.reporter import Silent
from airlock.errors import IntegrityError, TargetError, UsageError
from airlock.formats.media import MEDIA, parse_capacity
from airlock.formats.volume import BLOCKS
from airlock.storage.archive import Archive
from airlock.storage.partial import Partial
from airlock.storage.volume_set import VolumeStream, numbered, open_set
from tests.media.sets import any_bundle, flip, join_all, share_offset, split_into
from tests.near_side import Recorder

BUNDLE = any_bundle(150_000)
CAPACITY = 50_000
SETTINGS = settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Seven volumes, two of them parity."""
    paths = split_into(tmp_path_factory.mktemp("set"), BUNDLE, CAPACITY, parity=2)
    assert len(paths) == 7
    return paths


@SETTINGS
@given(
    size=st.integers(1, 90_000),
    capacity=st.integers(6_000, 200_000),
    parity=st.integers(0, 3),
    data=st.data(),
)
def test_what_was_split_is_joined_whatever_the_order(
    size: int, capacity: int, parity: int, data: st.DataObject
) -> None:
    whole = any_bundle(size)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            paths = split_into(folder / "set", whole, capacity, parity)
        except UsageError as error:
            assert "too many volumes" in error.what
            return
        assert all(path.stat().st_size <= capacity for path in paths)
        lost = data.draw(st.lists(st.sampled_from(paths), max_size=parity, unique=True))
        kept = data.draw(st.permutations([path for path in paths if path not in lost]))
        assert join_all(kept, folder / "out").complete
        assert (folder / "out").read_bytes() == whole
        assert not list(folder.glob(".*")), "no litter"
        with closing(open_set(kept)) as found:
            assert VolumeStream(found).read() == whole


@SETTINGS
@given(st.data())
def test_a_flipped_bit_anywhere_is_found_and_named(volumes: list[Path], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name:
        copies = [Path(shutil.copy(path, name)) for path in volumes]
        path = data.draw(st.sampled_from(copies))
        flip(path, data.draw(st.integers(0, path.stat().st_size - 1)), 1 << data.draw(st.integers(0, 7)))
        with closing(open_set(copies)) as found:
            state = check_set(found, Silent())
        assert not state.whole and state.enough
        named = [file.where for file in state.files if file.sentence] + [
            stray.where for stray in state.strays
        ]
        assert [where.startswith(str(path)) for where in named] == [True], "that volume, and no other"
        assert join_all(copies, Path(name) / "out").complete
        assert (Path(name) / "out").read_bytes() == BUNDLE


@SETTINGS
@given(st.data())
def test_damage_counts_by_the_block_and_not_by_the_volume(volumes: list[Path], data: st.DataObject) -> None:
    """Every volume may be damaged, as long as no more than two have lost the same block."""
    with tempfile.TemporaryDirectory() as name:
        copies = [Path(shutil.copy(path, name)) for path in volumes]
        with closing(open_set(copies)) as found:
            table = found.table
        start, hits = share_offset(copies[0]), Counter[int]()
        for number, path in enumerate(copies, 1):
            block = data.draw(st.integers(0, table.blocks(number) - 1))
            if hits[block] < table.parity:
                hits[block] += 1
                flip(path, start + block * table.block)
        with closing(open_set(copies)) as found:
            assert check_set(found, Silent()).enough
        assert join_all(copies, Path(name) / "out").complete
        assert (Path(name) / "out").read_bytes() == BUNDLE


def test_the_same_file_gives_the_same_volumes(tmp_path: Path, volumes: list[Path]) -> None:
    again = split_into(tmp_path, BUNDLE, CAPACITY, parity=2)
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in volumes]


def test_plain_tar_joins_what_airlock_split(volumes: list[Path]) -> None:
    whole = b"".join(
        subprocess.run(["tar", "-xOf", path, "payload"], check=True, capture_output=True).stdout
        for path in volumes[:5]
    )
    assert whole == BUNDLE


def test_a_disc_after_the_other_at_the_same_place(tmp_path: Path, volumes: list[Path]) -> None:
    drive, output = tmp_path / "drive", tmp_path / "out"
    for turn, number in enumerate((6, 2, 2, 0, 4, 3), 1):
        shutil.rmtree(drive, ignore_errors=True)
        drive.mkdir()
        shutil.copy(volumes[number], drive)
        joined = join_all([drive], output)
        assert joined.complete == (turn == 6) == output.exists()
    assert joined.restored == (2,)
    assert output.read_bytes() == BUNDLE
    assert not list(tmp_path.glob(".*"))


def test_what_is_still_needed_is_said(tmp_path: Path, volumes: list[Path]) -> None:
    joined = join_all(volumes[:2], tmp_path / "out")
    labels = ", ".join(f"gateway.{number}of7" for number in range(3, 8))
    assert (joined.complete, joined.needed) == (False, f"any 3 of {labels}")
    plain = split_into(tmp_path / "plain", BUNDLE, CAPACITY)
    assert join_all(plain[1:4], tmp_path / "other").needed == "gateway.1of5, gateway.5of5"


def test_a_partial_file_is_not_believed(tmp_path: Path, volumes: list[Path]) -> None:
    join_all(volumes[:3], tmp_path / "out")
    (partial,) = tmp_path.glob(".*.airpart")
    flip(partial, 100)
    partial.write_bytes(partial.read_bytes() + b"more")
    assert not join_all(volumes[1:3], tmp_path / "out").complete
    assert join_all([*volumes[:1], *volumes[3:5]], tmp_path / "out").complete
    assert (tmp_path / "out").read_bytes() == BUNDLE


def test_two_joins_of_one_set_exclude_each_other(tmp_path: Path, volumes: list[Path]) -> None:
    with (
        closing(open_set(volumes[:2])) as found,
        closing(Partial(tmp_path / "out", found.table, found.identity)),
        pytest.raises(TargetError, match=r"another `airlock join`"),
    ):
        join_all(volumes, tmp_path / "out")


def test_copies_that_are_damaged_elsewhere_complete_each_other(tmp_path: Path) -> None:
    paths = split_into(tmp_path / "one", BUNDLE, CAPACITY)
    (tmp_path / "two").mkdir()
    copies = [Path(shutil.copy(path, tmp_path / "two")) for path in paths]
    start = share_offset(paths[1])
    flip(paths[1], start)
    flip(copies[1], start + 20_000)
    with closing(open_set([tmp_path / "one", tmp_path / "two"])) as found:
        state = check_set(found, Silent())
        assert VolumeStream(found).read() == BUNDLE
    assert [file.where for file in state.files if file.blocks] == [str(paths[1]), str(copies[1])]
    assert state.enough and not state.incomplete


def test_sources_are_only_read(tmp_path: Path, volumes: list[Path]) -> None:
    copies = [Path(shutil.copy(path, tmp_path)) for path in volumes]
    before = [(path.stat().st_mtime_ns, path.read_bytes()) for path in copies]
    for path in copies:
        path.chmod(0o444)
    tmp_path.chmod(0o555)
    try:
        with tempfile.TemporaryDirectory() as name:
            assert join_all(copies, Path(name) / "out").complete
    finally:
        tmp_path.chmod(0o755)
    assert sorted(tmp_path.iterdir()) == sorted(copies)
    assert [(path.stat().st_mtime_ns, path.read_bytes()) for path in copies] == before


def test_a_medium_that_cannot_be_read_is_named(volumes: list[Path]) -> None:
    with closing(open_set([Path("/proc/self/mem"), *volumes])) as found:
        assert [stray.where for stray in found.strays] == ["/proc/self/mem"]


def test_a_medium_that_fails_while_it_is_read_is_made_up_for(volumes: list[Path]) -> None:
    """Reading the memory of this process where there is none ends with EIO, as reading a bad sector does."""
    with closing(open_set(volumes)) as found, Path("/proc/self/mem").open("rb", buffering=0) as failing:
        for link in Path("/proc/self/fd").iterdir():
            if link.resolve() == volumes[2].resolve():
                os.dup2(failing.fileno(), int(link.name))
        assert found.read(3, 0) is None
        assert VolumeStream(found).read() == BUNDLE


def test_a_bad_sector_costs_its_block(volumes: list[Path], tmp_path: Path) -> None:
    copies = [Path(shutil.copy(path, tmp_path)) for path in volumes]
    with closing(open_set(copies)) as found:
        start = share_offset(copies[2])
        with copies[2].open("r+b") as stream:
            stream.truncate(start + 3 * found.table.block)
        state = check_set(found, Silent())
        assert [file.blocks[0] for file in state.files if file.blocks] == [3]
        assert VolumeStream(found).read() == BUNDLE


def test_lists_lie_one_after_the_other(volumes: list[Path]) -> None:
    for paths in (volumes, volumes[:1]):
        with closing(open_set(paths)) as found:
            table = found.table
        end = 0
        for number in range(1, table.count + 1):
            assert table.list_place(number) == (end, end + 32 * table.blocks(number))
            end += 32 * table.blocks(number)
        assert table.lists_size == end


def test_progress_ends_at_the_size_of_the_file(tmp_path: Path, volumes: list[Path]) -> None:
    from airlock.airgapped.join import join

    recorder = Recorder()
    with (
        closing(open_set(volumes[2:])) as found,
        closing(Partial(tmp_path / "out", found.table, found.identity)) as partial,
    ):
        join(found, partial, recorder)
    assert recorder.done == {"Joining": len(BUNDLE)}
    assert recorder.started == [("Joining", len(BUNDLE))]


def test_a_stream_reads_anywhere(volumes: list[Path]) -> None:
    with closing(open_set(volumes[1:6])) as found:
        stream = VolumeStream(found)
        for offset, size in (
            (0, 10),
            (CAPACITY - 3, 9000),
            (len(BUNDLE) - 5, 50),
            (len(BUNDLE) + 9, 4),
            (7, 0),
        ):
            stream.seek(offset)
            assert stream.read(size) == BUNDLE[offset : offset + size]
        assert stream.seek(-4, io.SEEK_END) == len(BUNDLE) - 4
        assert hashlib.sha256(stream.read()).digest() == hashlib.sha256(BUNDLE[-4:]).digest()


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("dvd", MEDIA["dvd"]),
        ("BD25", MEDIA["bd25"]),
        ("4.4G", 4_400_000_000),
        ("4.4 GB", 4_400_000_000),
        ("700MiB", 700 << 20),
        ("1Ki", 1024),
        ("64k", 64_000),
        ("4700000000", 4_700_000_000),
        ("0.5T", 500_000_000_000),
    ],
)
def test_sizes_are_read_as_people_write_them(text: str, size: int) -> None:
    assert parse_capacity(text, "--size") == size


@pytest.mark.parametrize("text", ["", "dvdd", "-1", "4,4G", "1e9", "4.4X", "0x10", "5iB", "G", "1" * 40])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not a size"):
        parse_capacity(text, "--size")


def test_a_named_medium_leaves_room_for_its_file_system() -> None:
    sold = {"cd": 737_280_000, "dvd": 4_700_372_992, "bd25": 25_025_314_816, "bd50": 50_050_629_632}
    for name, size in sold.items():
        assert 0.94 * size < MEDIA[name] < size - (1 << 20)


def test_what_does_not_fit_is_refused_before_anything_is_written() -> None:
    archive = Archive(io.BytesIO(BUNDLE), "gateway.airlock")
    for capacity, parity in ((1000, 0), (4000, 1), (CAPACITY, 254)):
        with pytest.raises(UsageError, match="needs too many volumes"):
            plan_split(archive, "gateway.airlock", len(BUNDLE), capacity, parity)


def test_large_files_get_large_blocks() -> None:
    plan = plan_split(Archive(io.BytesIO(BUNDLE), "x"), "x", 100 * 10**9, MEDIA["bd25"], 1)
    assert (plan.table.block, plan.table.count) == (BLOCKS[-1], 6)
    shares = [plan.table.share(number) for number in range(1, 7)]
    assert sum(shares[:5]) == 100 * 10**9 and max(shares) - min(shares) < 5 * BLOCKS[-1]


def test_numbers_are_told_in_runs() -> None:
    assert numbered([3, 9, 7, 8]) == "3, 7-9"


def test_a_file_that_changes_meanwhile_is_refused(tmp_path: Path) -> None:
    from airlock.connected.split import split

    path = tmp_path / "bundle"
    path.write_bytes(BUNDLE)
    with path.open("rb") as stream:
        plan = plan_split(Archive(stream, "bundle"), "bundle", len(BUNDLE), CAPACITY, 0)
        path.write_bytes(BUNDLE[:-2000])
        with pytest.raises(IntegrityError, match="changed while it was split"):
            split(plan, stream, [io.BytesIO() for _ in range(plan.table.count)], Silent())
