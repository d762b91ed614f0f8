"""One file on its way into the store."""

from pathlib import Path

import pytest

from airlock.errors import FetchError, IntegrityError
from airlock.kinds.download import ATTEMPTS, download, download_unmeasured
from tests.near_side import FakeWeb, Recorder, artifact_of, near_side, stored

URL = "https://files.example/data"
DATA = bytes(range(256)) * 4


def test_a_download_ends_in_the_store_and_reports_every_byte(tmp_path: Path) -> None:
    artifact, recorder = artifact_of(DATA), Recorder()
    near = near_side(tmp_path, FakeWeb({URL: DATA}), recorder)
    download(URL, artifact, near)
    assert stored(near, artifact.digest) == DATA
    assert recorder.done == {artifact.label: len(DATA)}
    assert recorder.finished == [artifact.label]


def test_a_line_that_breaks_is_taken_up_where_it_broke(tmp_path: Path) -> None:
    artifact, web = artifact_of(DATA), FakeWeb({URL: DATA}, breaks=[100, 200])
    near = near_side(tmp_path, web)
    download(URL, artifact, near)
    assert [start for _, start in web.asked] == [0, 100, 300]
    assert artifact.digest in near.store


def test_an_interrupted_run_is_resumed_by_the_next(tmp_path: Path) -> None:
    artifact, web = artifact_of(DATA), FakeWeb({URL: DATA}, breaks=[10, 0, 0, 0, 0])
    near = near_side(tmp_path, web)
    with pytest.raises(FetchError, match="closed"):
        download(URL, artifact, near)
    download(URL, artifact, near)
    assert [start for _, start in web.asked] == [0, 10, 10, 10, 10, 10]
    assert not near.store.partial(artifact.digest).exists()


def test_a_server_without_ranges_starts_over_and_progress_does_not_go_backwards(tmp_path: Path) -> None:
    artifact, recorder = artifact_of(DATA), Recorder()
    near = near_side(tmp_path, FakeWeb({URL: DATA}, breaks=[100], ranges=False), recorder)
    download(URL, artifact, near)
    assert recorder.done == {artifact.label: len(DATA)}


def test_a_line_that_keeps_breaking_is_given_up_on(tmp_path: Path) -> None:
    artifact, web = artifact_of(DATA), FakeWeb({URL: DATA}, breaks=[1] * 20)
    with pytest.raises(FetchError, match="closed"):
        download(URL, artifact, near_side(tmp_path, web))
    assert len(web.asked) == ATTEMPTS


def test_a_finished_partial_download_is_adopted_without_asking(tmp_path: Path) -> None:
    artifact, web = artifact_of(DATA), FakeWeb()
    near = near_side(tmp_path, web)
    near.store.partial(artifact.digest).parent.mkdir(parents=True)
    near.store.partial(artifact.digest).write_bytes(DATA)
    download(URL, artifact, near)
    assert artifact.digest in near.store
    assert web.asked == []


def test_what_the_store_has_is_not_asked_for(tmp_path: Path) -> None:
    artifact, web = artifact_of(DATA), FakeWeb()
    near = near_side(tmp_path, web)
    near.store.put([DATA])
    download(URL, artifact, near)
    assert web.asked == []
    assert not near.store.partial(artifact.digest).exists()


def test_more_bytes_than_were_locked_are_refused_before_they_are_kept(tmp_path: Path) -> None:
    artifact = artifact_of(DATA)
    near = near_side(tmp_path, FakeWeb({URL: DATA + b"more"}))
    with pytest.raises(IntegrityError, match="longer than the lock says"):
        download(URL, artifact, near)
    assert near.store.partial(artifact.digest).stat().st_size == 0


def test_other_bytes_of_the_same_size_are_refused(tmp_path: Path) -> None:
    artifact = artifact_of(DATA)
    near = near_side(tmp_path, FakeWeb({URL: DATA[::-1]}))
    with pytest.raises(IntegrityError, match="does not match its digest"):
        download(URL, artifact, near)
    assert artifact.digest not in near.store


def test_a_server_that_always_ends_early_is_given_up_on(tmp_path: Path) -> None:
    artifact, web = artifact_of(DATA), FakeWeb({URL: DATA[:-1]})
    with pytest.raises(FetchError, match=f"expected {len(DATA)} bytes, found {len(DATA) - 1} bytes"):
        download(URL, artifact, near_side(tmp_path, web))
    assert [start for _, start in web.asked] == [0, len(DATA) - 1]


def test_a_file_of_unknown_size_is_measured(tmp_path: Path) -> None:
    artifact = artifact_of(DATA)
    near = near_side(tmp_path, FakeWeb({URL: DATA}))
    assert download_unmeasured(URL, artifact.digest, "file x", near)[1] == len(DATA)
    assert download_unmeasured("https://files.example/gone", artifact.digest, "file x", near)[1] == len(DATA)


def test_a_file_of_unknown_size_must_have_its_digest(tmp_path: Path) -> None:
    near = near_side(tmp_path, FakeWeb({URL: b"other"}))
    with pytest.raises(IntegrityError, match="file x: content does not match its digest"):
        download_unmeasured(URL, artifact_of(DATA).digest, "file x", near)
