"""Many files at a time: the same tree from the native loop and from Python, and nothing outside the root."""

import errno
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from airlock.core.digest import digest_of
from airlock.core.native import native
from airlock.errors import IntegrityError
from airlock.storage.disk import KeptFile, NewFile, RealDisk
from tests.far.power_cut import FailingDisk
from tests.native import needs_native

CONTENT = os.urandom(700_000)


def disks(root: Path) -> Iterator[tuple[Path, RealDisk | FailingDisk]]:
    """The one that may be native, and the one that is Python."""
    yield root / "fast", RealDisk(root / "fast")
    yield root / "plain", FailingDisk(root / "plain", 1 << 30)


def tree(root: Path) -> dict[str, tuple[int, bytes]]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {str(p.relative_to(root)): (stat.S_IMODE(p.stat().st_mode), p.read_bytes()) for p in files}


def test_both_ways_write_the_same_tree(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(CONTENT)
    files = [
        NewFile("a/b/c", 0o644, CONTENT, 0, 700_000),
        NewFile("a/b/d", 0o755, CONTENT, 5, 0),
        NewFile("a/e", 0o600, str(source), 3, 600_001),
        *(NewFile(f"many/{n % 60}/{n}", 0o644, b"abc", n % 3, 1) for n in range(300)),
    ]
    old = os.umask(0o077)
    try:
        for root, disk in disks(tmp_path):
            found = disk.write_all(files)
            assert found[0] == digest_of(CONTENT) and found[2] == digest_of(CONTENT[3:600_004]), root
            disk.close()
    finally:
        os.umask(old)
    assert tree(tmp_path / "fast") == tree(tmp_path / "plain")
    assert tree(tmp_path / "fast")["a/e"] == (0o600, CONTENT[3:600_004])
    assert stat.S_IMODE((tmp_path / "fast/many/7").stat().st_mode) == 0o755, "whatever the umask"


def test_only_the_very_same_file_is_shared(tmp_path: Path) -> None:
    for root, disk in disks(tmp_path):
        disk.write_all([NewFile(f"1/{name}", 0o644, CONTENT, 0, 700_000) for name in "abc"])
        with (root / "1/b").open("r+b") as stream:
            stream.seek(600_000)
            stream.write(b"?" if CONTENT[600_000:600_001] != b"?" else b"!")
        (root / "1/c").chmod(0o600)
        digests = disk.write_all(
            [NewFile(f"2/{name}", 0o644, CONTENT, 0, 700_000, f"1/{name}") for name in "abcd"]
        )
        assert set(digests) == {digest_of(CONTENT)}
        assert [(root / "2" / n).stat().st_nlink for n in "abcd"] == [2, 1, 1, 1]
        assert {(root / "2" / n).read_bytes() for n in "abcd"} == {CONTENT}
        disk.close()


@pytest.mark.parametrize("path", ["link/file", "file"])
def test_a_planted_link_or_file_is_neither_followed_nor_replaced(tmp_path: Path, path: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    for root, disk in disks(tmp_path):
        root.mkdir()
        (root / "link").symlink_to(outside)
        (root / "file").symlink_to(outside / "target")
        with pytest.raises(OSError) as caught:
            disk.write_all([NewFile("x", 0o644, b"x", 0, 1), NewFile(path, 0o644, b"x", 0, 1)])
        assert caught.value.errno in (errno.ENOTDIR, errno.ELOOP, errno.EEXIST), root
        assert list(outside.iterdir()) == []
        disk.close()


@needs_native
@pytest.mark.parametrize("path", ["../x", "/x", "a//b", "a/./b", ""])
def test_the_native_loop_refuses_what_is_not_below_its_root(tmp_path: Path, path: str) -> None:
    fast = native()
    assert fast is not None
    with pytest.raises(ValueError, match="not a file to write"):
        fast.write_files(str(tmp_path), [b"x"], [(path, 0o644, 0, 0, 1, "")], 1)
    with pytest.raises(ValueError, match="not a file to write"):
        fast.write_files(str(tmp_path), [b"x"], [("a", 0o644, 0, 1, 1, "")], 1)


@needs_native
def test_a_source_that_is_too_short_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "short").write_bytes(b"abc")
    for _, disk in disks(tmp_path):
        with pytest.raises(OSError) as caught:
            disk.write_all([NewFile("x", 0o644, str(tmp_path / "short"), 1, 3)])
        assert caught.value.errno == errno.EIO
        disk.close()


@pytest.mark.parametrize("fast", [True, False])
def test_only_a_file_as_it_was_recorded_is_linked(
    tmp_path: Path, fast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not fast:
        monkeypatch.setattr("airlock.storage.disk.native", lambda: None)
    disk = RealDisk(tmp_path / "root")
    disk.write_all([NewFile("1/a", 0o644, CONTENT, 0, 700_000), NewFile("1/b", 0o644, b"", 0, 0)])
    (tmp_path / "root/linked").symlink_to("1")
    (tmp_path / "root/1/link").symlink_to("a")
    whole, empty = digest_of(CONTENT), digest_of(b"")
    found = disk.link_all(
        [
            KeptFile("2/a", "1/a", 0o644, 700_000, whole),
            KeptFile("2/x/b", "1/b", 0o644, 0, empty),
            KeptFile("2/mode", "1/a", 0o600, 700_000, whole),
            KeptFile("2/size", "1/a", 0o644, 699_999, digest_of(CONTENT[:-1])),
            KeptFile("2/sum", "1/a", 0o644, 700_000, empty),
            KeptFile("2/link", "1/link", 0o644, 700_000, whole),
            KeptFile("2/way", "linked/a", 0o644, 700_000, whole),
            KeptFile("2/gone", "1/c", 0o644, 0, empty),
            KeptFile("2/folder", "1", 0o755, 0, empty),
            KeptFile("1/b", "1/a", 0o644, 700_000, whole),
        ]
    )
    disk.close()
    assert found == [True, True, *(False for _ in range(8))]
    made = {str(path.relative_to(tmp_path / "root/2")) for path in (tmp_path / "root/2").rglob("*")}
    assert made == {"a", "x", "x/b"}
    assert (tmp_path / "root/2/a").samefile(tmp_path / "root/1/a")


@needs_native
@pytest.mark.parametrize(("path", "like"), [("../x", "a"), ("x", "/etc/passwd"), ("x", "../y"), ("", "a")])
def test_the_native_loop_links_nothing_outside_its_root(tmp_path: Path, path: str, like: str) -> None:
    fast = native()
    assert fast is not None
    with pytest.raises(ValueError, match="not a file to keep"):
        fast.link_files(str(tmp_path), [(path, like, 0o644, 0, bytes(32))], 1)


def test_folders_that_are_too_deep_are_refused(tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(2000):
        os.mkdir("deep", dir_fd=here)
        inner = os.open("deep", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    with pytest.raises(IntegrityError, match="too deep"):
        RealDisk(tmp_path).remove("deep")
    subprocess.run(["rm", "-r", tmp_path / "deep"], check=True)
