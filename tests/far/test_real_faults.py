"""Real disks that are full, real processes that are killed, and two at a time on one root."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from airlock import cli
from airlock.airgapped.host import Host
from airlock.airgapped.install import Choices, install
from airlock.airgapped.site import LOCK, locked
from airlock.airgapped.status import history, status
from airlock.core.artifact import HealthCheck
from airlock.core.target import Target
from airlock.errors import TargetError
from tests.far.bundles import (
    CHOICES,
    NOW,
    WORLD,
    Trust,
    bundle,
    fake_host,
    file_item,
    later,
    put,
    signed,
    site_at,
)
from tests.far.kills import Kills
from tests.far.survival import settled, state
from tests.far.two_versions import made_wheels, make_versions

REPOSITORY = Path(__file__).parents[2]
TRUST = Trust.new()
ONE, TWO = (
    bundle([file_item("share/version", f"{number}".encode())], version=f"{number}.0") for number in (1, 2)
)


def may_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    command = ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not may_mount(), reason="no mount namespaces here")
@pytest.mark.parametrize("what", ["blocks", "inodes"])
def test_a_disk_that_gets_full_anywhere_keeps_the_old(tmp_path: Path, what: str) -> None:
    """By the real disk, with its native loops where they are built."""
    command = ["unshare", "-rm", sys.executable, "-m", "tests.far.small_disk", str(tmp_path), what, "12"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    cases, refused, installed = map(int, done.stdout.split())
    assert (cases, refused + installed) == (13, 13)
    assert refused > 3 and installed > 0


@pytest.mark.skipif(not may_mount(), reason="no mount namespaces here")
def test_a_site_on_a_medium_that_takes_nothing_refuses_and_answers_all_the_same(tmp_path: Path) -> None:
    put(site_at(tmp_path / "site"), TRUST.verified(ONE))
    (tmp_path / "foreign.airlock").write_bytes(signed(TWO, Trust.new().key, 2))
    read_only = "mount --bind site site && mount -o remount,bind,ro site && exec "
    for command, code, words in (
        ("install foreign.airlock", 5, "could not be written to the site's journal"),
        ("rollback", 6, "Read-only file system"),
        ("history --check", 0, "each as it was written"),
        ("status", 0, "gateway 1.0"),
    ):
        script = f"{read_only} {sys.executable} -m airlock {command} --root site"
        done = subprocess.run(
            ["unshare", "-rm", "sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert (done.returncode, words in done.stdout + done.stderr) == (code, True), done.stderr


def test_commands_that_are_killed_lose_nothing(memory: Path) -> None:
    versions = make_versions(memory, made_wheels(1, 6), made_wheels(2, 6))
    (memory / "far").mkdir()
    counts = Kills(versions, memory / "far").run(12)
    assert counts["killed"] == 12


def test_two_commands_exclude_each_other_and_readers_do_not(tmp_path: Path) -> None:
    site = site_at(tmp_path / "site")
    waits = HealthCheck(
        command=("sh", "-c", f"touch {tmp_path}/began; while test ! -e {tmp_path}/go; do sleep 0.02; done"),
        timeout=60,
    )
    put(site, TRUST.verified(ONE))
    slow = TRUST.verified(bundle([file_item("share/version", b"2")], version="2.0", health=waits), counter=2)
    if not (child := os.fork()):
        try:
            put(site, slow, later(1))
        finally:
            os._exit(0)
    _wait_for(tmp_path / "began")
    with pytest.raises(TargetError, match=r"in use: expected nobody, found airlock install, process \d+"):
        put(site, TRUST.verified(TWO, counter=3), later(2))
    assert status(site).generation.version == "2.0"
    assert len(history(site)) == 1
    assert cli.main(["history", "--root", str(tmp_path / "site"), "--check"]) == 0
    assert cli.main(["gc", "--root", str(tmp_path / "site"), "--quiet"]) == 6
    assert cli.main(["gc", "--root", str(tmp_path / "site"), "--dry-run"]) == 0
    (tmp_path / "go").touch()
    os.waitpid(child, 0)
    settled(site)
    assert put(site, TRUST.verified(TWO, counter=3), later(3)).after == 3


def _wait_for(path: Path) -> None:
    while not path.exists():
        time.sleep(0.01)


def test_the_lock_of_a_process_that_died_blocks_nobody(tmp_path: Path) -> None:
    site = site_at(tmp_path / "site")
    put(site, TRUST.verified(ONE))
    if not (child := os.fork()):
        with locked(site, "install"):
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert b"airlock install, process" in site.path(LOCK).read_bytes(), "it had no time to say that it went"
    assert put(site, TRUST.verified(TWO, counter=2), later(1)).after == 2
    assert site.path(LOCK).read_bytes() == b""


def test_so_many_processes_as_may_be_install_one_after_the_other(tmp_path: Path) -> None:
    (tmp_path / "root.json").write_bytes(TRUST.root)
    (tmp_path / "one.airlock").write_bytes(signed(ONE, TRUST.key, 1, NOW + 10**9))
    command = [
        sys.executable,
        "-m",
        "airlock",
        "install",
        "one.airlock",
        "--root",
        "site",
        "--trust",
        "root.json",
    ]
    started = [
        subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    ends = []
    for process in started:
        _, said = process.communicate()
        ends.append(process.returncode)
        assert process.returncode == 0 or (process.returncode, b"in use" in said) == (6, True)
    assert 0 in ends
    settled(site_at(tmp_path / "site"))
    assert state(site_at(tmp_path / "site")) == "1.0"
    assert len(history(site_at(tmp_path / "site"))) == 1


def with_room(inodes: int | None) -> Choices:
    def host(root: Path, target: Target, python: str | None, environment: Mapping[str, str]) -> Host:
        return replace(fake_host(root, target, python, environment), inodes=inodes)

    return replace(CHOICES, host=host)


@pytest.mark.parametrize("room", [0, 20, 60])
def test_too_few_inodes_are_told_before_anything_is_written(tmp_path: Path, room: int) -> None:
    site = site_at(tmp_path / "site")
    verified = TRUST.verified(ONE)
    with pytest.raises(
        TargetError,
        match=rf"not enough free inodes: expected room for \d\d files and folders, found room for {room}",
    ):
        install(verified, site, with_room(room), WORLD)
    assert not site.root.exists()


@pytest.mark.parametrize("room", [None, 80, 1 << 40])
def test_enough_inodes_are_enough(tmp_path: Path, room: int | None) -> None:
    site = site_at(tmp_path / "site")
    install(TRUST.verified(ONE), site, with_room(room), WORLD)
    assert state(site) == "1.0"


def test_files_that_an_update_shares_need_no_inodes(tmp_path: Path) -> None:
    site = site_at(tmp_path / "site")
    items = [file_item(f"share/{number}", b"same") for number in range(200)]
    put(site, TRUST.verified(bundle(items, version="1.0")))
    more = bundle([*items, file_item("share/new", b"new")], version="2.0")
    with pytest.raises(TargetError, match="inodes"):
        install(TRUST.verified(more), site_at(tmp_path / "other"), with_room(400), WORLD)
    assert install(TRUST.verified(more, counter=2), site, with_room(400), later(1)).after == 2
