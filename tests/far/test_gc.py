"""`airlock gc` removes what nothing needs, and never what a rollback or a delta does."""

import errno
import json
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from airlock import cli
from airlock.airgapped.gc import Collection, collect, plan
from airlock.airgapped.rollback import rollback
from airlock.airgapped.running import in_use
from airlock.airgapped.site import ROOM, Site, index_of
from airlock.airgapped.status import history
from airlock.core.artifact import HealthCheck
from airlock.errors import IntegrityError, TargetError
from airlock.storage.disk import RealDisk
from airlock.storage.tree_scan import drift
from tests.far.bundles import Trust, bundle, file_item, later, put, site_at

TRUST = Trust.new()


def version(number: int, health: HealthCheck | None = None) -> bytes:
    items = [
        file_item("share/version", f"{number}".encode() * 1000),
        file_item("share/same", b"same" * 100),
    ]
    return bundle(items, version=f"{number}.0", health=health)


BUNDLES = {number: TRUST.verified(version(number), counter=number) for number in range(1, 6)}
SICK = TRUST.verified(version(6, HealthCheck(command=("false",), timeout=5)), counter=6)


def nobody(root: Path, numbers: Iterable[int]) -> frozenset[int]:
    return frozenset()


def site_with(root: Path, *numbers: int) -> Site:
    site = site_at(root / "site")
    for number in numbers:
        put(site, BUNDLES[number], later(number))
    return site


def gc(site: Site, keep: int, *running: int) -> Collection:
    return collect(site, keep, later(100), lambda root, numbers: frozenset(running))


def directories(site: Site) -> set[int]:
    return {int(path.name) for path in (site.root / "generations").iterdir()}


def whole(site: Site) -> bool:
    """Each generation that is left has its files, its index and every content."""
    for number in site.numbers():
        generation = site.generation(number)
        assert list(drift(site.root / f"generations/{number}", generation.tree)) == []
        for entry in site.index(generation.index).entries:
            site.open_frame(entry.expanded.digest).close()
    return directories(site) == set(site.numbers())


def test_the_current_and_so_many_before_it_stay(tmp_path: Path) -> None:
    site = site_with(tmp_path, 1, 2, 3, 4, 5)
    done = gc(site, 2)
    assert (done.kept, done.removed) == ((3, 4, 5), (1, 2))
    assert directories(site) == {3, 4, 5}
    assert whole(site)
    assert rollback(site, None, later(200)).version == "4.0"
    assert rollback(site, None, later(201)).version == "3.0"
    with pytest.raises(TargetError, match="no earlier generation") as caught:
        rollback(site, None, later(202))
    assert (
        caught.value.hint
        == "--to goes to any of these: 4 (4.0), 5 (5.0); gc removed others, the last on 2026-09-21"
    )


def test_what_is_gone_is_told_apart_from_what_never_was(tmp_path: Path) -> None:
    site = site_with(tmp_path, 1, 2, 3)
    gc(site, 1)
    with pytest.raises(TargetError, match="generation 1 is no longer here: found version 1"):
        rollback(site, 1, later(200))
    with pytest.raises(TargetError, match="no generation 9"):
        rollback(site, 9, later(200))
    assert [act.version for act in history(site)] == ["1.0", "2.0", "3.0"], "the history stays"


def test_without_rollbacks_only_the_current_stays(tmp_path: Path) -> None:
    site = site_with(tmp_path, 1, 2, 3)
    frames = len(site.names("store/frames"))
    done = gc(site, 0)
    assert (done.kept, done.removed, done.contents) == ((3,), (1, 2), 4)
    assert len(site.names("store/frames")) == frames - 2, "the shared content stays"
    assert whole(site)
    with pytest.raises(TargetError, match="no earlier") as caught:
        rollback(site, None, later(200))
    assert str(caught.value.hint).startswith("nothing else is here to go to; gc removed others")


def test_after_a_rollback_both_ways_stay_open(tmp_path: Path) -> None:
    site = site_with(tmp_path, 1, 2, 3, 4)
    rollback(site, 3, later(50))
    done = gc(site, 1)
    assert done.kept == (2, 3, 4, 5), "5 is a link to 3; 2 is before it, 4 was in use until then"
    assert rollback(site, 4, later(60)).version == "4.0"
    assert gc(site, 1).removed == (2, 5), "now 6, a link to 4, is in use; 3 is before it"
    assert whole(site)
    assert rollback(site, None, later(70)).version == "3.0"


def test_the_next_generation_never_has_a_number_that_was_used(tmp_path: Path) -> None:
    site = site_with(tmp_path, 1, 2, 3)
    rollback(site, 1, later(10))
    gc(site, 0)
    assert put(site, BUNDLES[5], later(200)).after == 5
    assert whole(site)


def test_a_generation_that_was_never_healthy_goes(tmp_path: Path) -> None:
    site = site_with(tmp_path, 1, 2)
    with pytest.raises(TargetError, match="health check"):
        put(site, SICK, later(9))
    with pytest.raises(TargetError, match="no generation 9") as caught:
        rollback(site, 9, later(10))
    assert caught.value.hint == "--to goes to any of these: 1 (1.0)"
    assert gc(site, 5).removed == (3,)
    assert whole(site)


def test_what_a_program_runs_from_stays(tmp_path: Path) -> None:
    site = site_with(tmp_path, 1, 2, 3, 4)
    done = gc(site, 1, 1)
    assert (done.kept, done.removed, done.running) == ((1, 3, 4), (2,), (1,))
    assert whole(site)


def test_a_running_program_is_seen(tmp_path: Path) -> None:
    site = site_with(tmp_path, 1, 2)
    assert in_use(site.root, site.numbers()) == frozenset()
    code = "import sys; print(flush=True); sys.stdin.read()"
    for command, cwd in (
        ([str(site.root / "generations/1/bin/python"), "-c", code], tmp_path),
        (["sh", "-c", "echo; read x"], site.root / "generations/1"),
    ):
        with subprocess.Popen(command, cwd=cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            assert in_use(site.root, site.numbers()) == {1}
            assert collect(site, 0, later(9), in_use).removed == ()
            process.stdin.close()  # type: ignore[union-attr]
    assert collect(site, 0, later(9), in_use).removed == (1,)


def test_the_plan_is_what_is_done_and_tells_the_bytes(tmp_path: Path) -> None:
    site = site_with(tmp_path, 1, 2, 3)
    planned = plan(site, 1, nobody)
    assert directories(site) == {1, 2, 3}

    def used() -> int:
        files = {
            (s.st_ino, s.st_size)
            for p in site.root.rglob("*")
            if p.is_file() and not p.is_symlink()
            for s in [p.stat()]
        }
        return sum(size for _, size in files) - site.path("state/journal.jsonl").stat().st_size

    before = used()
    assert gc(site, 1) == planned
    assert planned.freed == before - used() > 1000
    assert gc(site, 1).removed == ()


def test_a_gc_is_a_line_of_the_journal_and_one_without_work_is_not(tmp_path: Path) -> None:
    site = site_with(tmp_path, 1, 2, 3)
    gc(site, 1)
    act = site.journal().acts[-1]
    assert (act.act, act.outcome, act.removed) == ("gc", "done", (1,))
    lines = len(site.journal().lines)
    gc(site, 1)
    assert len(site.journal().lines) == lines


def test_contents_that_no_generation_needs_go_too(tmp_path: Path) -> None:
    site = site_with(tmp_path, 1)
    stray = site.path("store/frames") / ("0" * 64 + ".zst")
    stray.write_bytes(b"x" * 100)
    done = gc(site, 1)
    assert (done.removed, done.contents, done.freed) == ((), 1, 100)
    assert not stray.exists()


def test_an_empty_site_has_nothing_to_collect(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="nothing is installed"):
        gc(site_at(tmp_path / "site"), 1)
    assert not (tmp_path / "site").exists()


class Full(RealDisk):
    """Not a line fits any more, until something is removed."""

    def append(self, path: str, data: bytes) -> None:
        if (self.root / ROOM).exists():
            raise OSError(errno.ENOSPC, "No space left on device", path)
        super().append(path, data)


def test_a_disk_on_which_not_a_line_fits_is_no_reason_not_to_make_room(tmp_path: Path) -> None:
    site = site_with(tmp_path, 1, 2)
    assert site.path(ROOM).stat().st_size >= 8192
    full = site_at(site.root, Full(site.root))
    assert gc(full, 0).removed == (1,)
    assert site.journal().acts[-1].act == "gc"
    assert site.path(ROOM).exists(), "for the next time"


def test_a_damaged_index_keeps_nobody_from_recovering_and_gc_from_guessing(tmp_path: Path) -> None:
    site = site_with(tmp_path, 1, 2, 3)
    index = site.path(index_of(site.generation(2).index))
    index.write_bytes(b"{}\n")
    with pytest.raises(IntegrityError, match="store/indexes"):
        gc(site, 1)
    assert directories(site) == {1, 2, 3}
    site.path("generations/4.airlock-tmp").mkdir()
    assert rollback(site, 1, later(9)).version == "1.0"
    assert directories(site) == {1, 2, 3, 4}
    assert len(site.names("store/frames")) == 4


def test_a_generation_that_became_a_link_goes_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    site = site_with(tmp_path, 1, 2)
    outside = tmp_path / "outside"
    (site.root / "generations/1").rename(outside)
    (site.root / "generations/1").symlink_to(outside)
    before = sorted(outside.rglob("*"))
    assert gc(site, 0).removed == (1,)
    assert sorted(outside.rglob("*")) == before
    assert whole(site)


def test_a_link_in_the_place_of_the_room_is_not_followed(tmp_path: Path) -> None:
    site = site_with(tmp_path, 1, 2)
    site.path(ROOM).unlink(missing_ok=True)
    site.path(ROOM).symlink_to(tmp_path / "outside")
    gc(site, 0)
    assert not (tmp_path / "outside").exists()


def test_nothing_goes_where_the_last_line_was_cut_off(tmp_path: Path) -> None:
    """A power cut does not do that: what it tears is announced still."""
    site = site_with(tmp_path, 1, 2)
    rollback(site, 1, later(10))
    put(site, BUNDLES[2], later(20))
    journal = site.path("state/journal.jsonl")
    journal.write_bytes(journal.read_bytes()[:-30])
    with pytest.raises(IntegrityError, match="lines were cut off"):
        gc(site, 1)
    assert whole(site)


def test_a_rollback_goes_to_another_bundle(tmp_path: Path) -> None:
    site = site_with(tmp_path, 1, 2)
    rollback(site, 1, later(10))
    put(site, BUNDLES[2], later(20))
    assert rollback(site, None, later(30)).version == "1.0", "generation 2 has what is in use"


def test_the_command_is_no_module_of_pythons(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its module is called as one that the command line imports."""
    site_with(tmp_path, 1, 2, 3)
    assert cli.main(["gc", "--root", str(tmp_path / "site"), "--keep", "0", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["removed"] == [1, 2]
