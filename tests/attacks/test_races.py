"""A local user who may write below the site swaps folders for links while it is written to: nothing of what is installed comes
to lie outside, by the native loop or without it."""

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from airlock.core.native import native
from airlock.storage import disk
from airlock.storage.disk import NewFile, RealDisk
from tests.attacks.ground import Ground, copied, demo, run, state_of
from tests.far.bundles import PYTHON

ROUNDS = 2
SWAPS = 300
STAGED = "generations/2.airlock-tmp"
FOLDERS = (
    f"{STAGED}/lib",
    f"{STAGED}/lib/python{PYTHON}/site-packages/demo",
    "store/frames",
)
FILES = {f"demo/part{number % 10}/file{number}.py": b"x = %d\n" % number for number in range(150)}
WAYS = [
    "python",
    pytest.param("native", marks=pytest.mark.skipif(native() is None, reason="no native crate")),
]


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "python":
        monkeypatch.setattr(disk, "native", lambda: None)
    return str(request.param)


def swapped(folder: Path, outside: Path) -> None:
    """The folder makes way for a link to `outside`, and comes back."""
    away = folder.with_name(folder.name + "-away")
    with suppress(OSError):
        folder.rename(away)
        folder.symlink_to(outside)
        time.sleep(0.001)
        folder.unlink()
    with suppress(OSError):
        away.rename(folder)


@contextmanager
def swapping(folder: Path, outside: Path) -> Iterator[list[int]]:
    """Another thread does so again and again, a bounded number of times; how often is told at the end."""
    done, count = threading.Event(), [0]

    def work() -> None:
        while not done.is_set() and count[0] < SWAPS:
            if folder.is_dir() and not folder.is_symlink():
                swapped(folder, outside)
                count[0] += 1

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield count
    finally:
        done.set()
        thread.join()


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_swapped_for_a_link_while_a_bundle_is_installed(
    ground: Ground, way: str, folder: str
) -> None:
    data = ground.signed([demo("2.0", FILES)])
    for number in range(ROUNDS):
        fresh = copied(ground, ground.machine.with_name(f"machine{number}"))
        target = fresh.outside / "taken"
        target.mkdir()
        before = state_of(fresh.outside)
        with swapping(fresh.site / folder, target):
            code, said = run(fresh.install(data)[0])
        assert code in (0, 5, 6), said
        assert state_of(fresh.outside) == before
        shutil.rmtree(fresh.machine)


def test_a_folder_swapped_for_a_link_between_two_chunks(tmp_path: Path, way: str) -> None:
    """Not a race: the swap happens just where it hurts."""
    site, outside = tmp_path / "site", tmp_path / "outside"
    outside.mkdir()
    written = RealDisk(site)

    def chunks() -> Iterator[bytes]:
        yield b"one"
        (site / "a").rename(site / "away")
        (site / "a").symlink_to(outside)
        yield b"two"

    written.write("a/b/file", chunks(), 0o644)
    with suppress(OSError):
        written.write("a/b/other", [b"three"], 0o644)
    with suppress(OSError):
        written.write("a/c/another", [b"four"], 0o644)
    with pytest.raises(OSError):
        RealDisk(site).write("a/file", [b"five"], 0o644)
    with pytest.raises(OSError):
        RealDisk(site).write_all([NewFile("a/file", 0o644, b"six", 0, 3)])
    with pytest.raises(OSError):
        RealDisk(site).symlink("target", "a/link")
    with pytest.raises(OSError):
        RealDisk(site).remove("a/file")
    assert list(outside.iterdir()) == []
    assert (site / "away/b/file").read_bytes() == b"onetwo"
