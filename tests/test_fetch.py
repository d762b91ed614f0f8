"""Filling the store from a lock."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from airlock.connected.fetch import TASK, fetch
from airlock.core.artifact import Artifact, Encoder, Project
from airlock.core.target import Target
from airlock.errors import FetchError, IntegrityError, UsageError
from airlock.formats.lockfile import LockedArtifact, Lockfile
from airlock.formats.manifest import Manifest
from airlock.kinds import Kind, NearSide
from airlock.kinds.file import FileKind
from tests.near_side import FakeWeb, Recorder, artifact_of, near_side

NAMES = [f"file{number}" for number in range(20)]
PAGES = {f"https://files.example/{name}": name.encode() * 50 for name in NAMES}


def kind_of(name: str, where: str) -> Kind:
    return FileKind()


def a_file(url: str, targets: tuple[str, ...] = ("north",)) -> LockedArtifact:
    name = url.rpartition("/")[2]
    return LockedArtifact(
        artifact=replace(artifact_of(PAGES[url], name=name), origin={"url": url}), targets=targets
    )


def a_lock(*rows: LockedArtifact) -> Lockfile:
    return Lockfile(
        project=Project(name="plant", version="1"),
        encoder=Encoder(name="zstd", version="1.5.7", level=9),
        inputs={},
        targets=tuple(
            Target(name=name, python="3.11", platform="manylinux_2_28_x86_64", prefix="")
            for name in ("north", "south")
        ),
        health=None,
        artifacts=rows,
    )


def test_everything_is_fetched_once_and_the_sum_of_bytes_is_reported(tmp_path: Path) -> None:
    recorder, web = Recorder(), FakeWeb(PAGES)
    near = near_side(tmp_path, web, recorder)
    rows = [a_file(url) for url in PAGES]
    result = fetch(a_lock(*rows, replace(rows[0], targets=("south",))), None, near, jobs=4, kind_of=kind_of)
    total = sum(map(len, PAGES.values()))
    assert recorder.started == [(TASK, total)]
    assert recorder.done == {TASK: total}
    assert recorder.finished == [TASK]
    assert (len(result.fetched), result.fetched_size, result.present) == (20, total, ())
    assert sorted(url for url, _ in web.asked) == sorted(PAGES)


def test_what_the_store_has_is_skipped(tmp_path: Path) -> None:
    web, recorder = FakeWeb(PAGES), Recorder()
    lock = a_lock(*(a_file(url) for url in PAGES))
    near = near_side(tmp_path, web, recorder)
    fetch(lock, None, near, kind_of=kind_of)
    again = fetch(lock, None, near, kind_of=kind_of)
    assert (len(again.present), again.fetched) == (20, ())
    assert len(web.asked) == 20


def test_only_the_chosen_target_is_fetched(tmp_path: Path) -> None:
    web = FakeWeb(PAGES)
    north, south, *_ = PAGES
    lock = a_lock(a_file(north, ("north",)), a_file(south, ("south",)))
    fetch(lock, None, near_side(tmp_path, web), targets=["south"], kind_of=kind_of)
    assert web.asked == [(south, 0)]


def test_an_unknown_target_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such target"):
        fetch(a_lock(), None, near_side(tmp_path), targets=["east"], kind_of=kind_of)


def test_every_failure_is_told_and_the_rest_is_kept(tmp_path: Path) -> None:
    gone = ["https://files.example/file3", "https://files.example/file7"]
    web = FakeWeb({url: data for url, data in PAGES.items() if url not in gone})
    near = near_side(tmp_path, web)
    lock = a_lock(*(a_file(url) for url in PAGES))
    with pytest.raises(FetchError, match="2 of 20 artifacts could not be had") as caught:
        fetch(lock, None, near, kind_of=kind_of)
    assert all(url in str(caught.value) for url in gone)
    assert sum(row.artifact.digest in near.store for row in lock.artifacts) == 18


def test_a_single_failure_keeps_its_own_family(tmp_path: Path) -> None:
    url = next(iter(PAGES))
    near = near_side(tmp_path, FakeWeb({url: PAGES[url][::-1]}))
    with pytest.raises(IntegrityError, match="does not match its digest"):
        fetch(a_lock(a_file(url)), None, near, kind_of=kind_of)


def test_progress_never_goes_backwards_nor_beyond_the_sum(tmp_path: Path) -> None:
    recorder = Recorder()
    near = near_side(tmp_path, FakeWeb(PAGES, breaks=[100], ranges=False), recorder)
    fetch(a_lock(*(a_file(url) for url in PAGES)), None, near, jobs=1, kind_of=kind_of)
    assert recorder.done == {TASK: sum(map(len, PAGES.values()))}


def test_artifacts_are_fetched_at_the_same_time(tmp_path: Path) -> None:
    barrier = threading.Barrier(3, timeout=10)

    class Meeting(FileKind):
        def obtain(self, artifact: Artifact, manifest: Manifest | None, near: NearSide) -> None:
            barrier.wait()

    rows = [a_file(url) for url in list(PAGES)[:3]]
    fetch(a_lock(*rows), None, near_side(tmp_path), jobs=3, kind_of=lambda name, where: Meeting())


def test_an_interruption_ends_the_other_downloads(tmp_path: Path) -> None:
    class Interrupted(FileKind):
        def obtain(self, artifact: Artifact, manifest: Manifest | None, near: NearSide) -> None:
            if artifact.name == "file0":
                raise KeyboardInterrupt
            while True:
                near.reporter.advance("endless", 0)

    rows = [a_file(url) for url in list(PAGES)[:3]]
    with pytest.raises(KeyboardInterrupt):
        fetch(
            a_lock(*rows),
            None,
            near_side(tmp_path),
            jobs=3,
            kind_of=lambda name, where: Interrupted(),
        )
