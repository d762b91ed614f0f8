"""A site's repository, read by stock apt."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.debs.archive import Archive, Key
from tests.debs.test_journey import carried, hello, project
from tests.serving.server import Served, serving

pytestmark = [
    pytest.mark.journey,
    pytest.mark.skipif(shutil.which("apt-get") is None, reason="apt is not installed"),
]


@pytest.fixture
def served(tmp_path: Path, archive: Archive) -> Iterator[Served]:
    hello(archive, "1.0")
    rest = f'mode = "system"\nsign-with = "{archive.key.fingerprint}"'
    shell = project(tmp_path, archive, rest)
    bundle = carried(shell, "1.0")
    shell.far().airlock("install", bundle, "--root", str(tmp_path / "site"), "--trust", "trust-root.json")
    with serving(tmp_path / "site") as found:
        yield found


def apt(folder: Path, served: Served, trusted: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """apt with folders of its own, which knows of nothing but the site."""
    for name in ("lists/partial", "cache/archives/partial", "etc"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "status").touch()
    (folder / "etc/sources.list").write_text(f"deb [signed-by={trusted}] {served.url}/debs ./\n")
    settings = {
        "Dir::State": folder,
        "Dir::State::lists": folder / "lists",
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder / "cache",
        "Dir::Etc": folder / "etc",
        "Dir::Etc::sourcelist": folder / "etc/sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "APT::Architecture": "amd64",
        "APT::Architectures": "amd64",
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
    }
    options = [f"-o{name}={value}" for name, value in settings.items()]
    return subprocess.run(
        ("apt-get", *options, *arguments), cwd=folder, capture_output=True, text=True, check=False
    )


def test_apt_updates_from_a_site_and_gets_the_packages_to_the_bit(
    tmp_path: Path,
    archive: Archive,
    served: Served,
) -> None:
    (folder := tmp_path / "apt").mkdir()
    (trusted := tmp_path / "trusted.asc").write_bytes(archive.key.armored)
    updated = apt(folder, served, trusted, "update")
    assert updated.returncode == 0, updated.stderr
    assert "W:" not in updated.stderr
    got = apt(folder, served, trusted, "download", "hello", "libgreet1")
    assert got.returncode == 0, got.stderr
    for deb in sorted(folder.glob("*.deb")):
        assert deb.read_bytes() == (archive.root / "pool" / deb.name).read_bytes()
    assert len(list(folder.glob("*.deb"))) == 2


def test_apt_refuses_a_site_whose_repository_another_key_signed(
    tmp_path: Path,
    served: Served,
    stranger: Key,
) -> None:
    (folder := tmp_path / "apt").mkdir()
    (trusted := tmp_path / "trusted.asc").write_bytes(stranger.armored)
    updated = apt(folder, served, trusted, "update")
    assert "NO_PUBKEY" in updated.stderr or "not signed" in updated.stderr
