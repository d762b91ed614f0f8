"""From airlock.toml to a prefix that runs and a repository that apt installs from, each command in its own process."""

import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.commands import Shell
from tests.debs.archive import Archive

pytestmark = pytest.mark.journey

MANIFEST = """
[project]
name = "plant"
version = "{version}"

[[target]]
name = "plant"
python = "{python}"
platform = "manylinux_2_28_x86_64"

[[index]]
name = "site"
url = "{url}"
explicit = true

[[deb]]
suites = ["stable"]
archive = "site"
keyring = "archive-key.asc"
packages = ["hello (>= 1.0)"]
base = "base.txt"
{rest}
"""
BASE = "libc6 2.36-9 amd64 install ok installed\nbase-files 12 amd64 install ok installed\n"


def project(tmp_path: Path, archive: Archive, rest: str, version: str = "1.0") -> Shell:
    folder = tmp_path / "near"
    folder.mkdir(exist_ok=True)
    (folder / "archive-key.asc").write_bytes(archive.key.armored)
    (folder / "base.txt").write_text(BASE)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    text = MANIFEST.format(version=version, python=python, url=archive.url, rest=rest)
    (folder / "airlock.toml").write_text(text)
    environment = {
        "AIRLOCK_CACHE": str(tmp_path / "cache"),
        "GNUPGHOME": str(archive.key.home),
    }
    return Shell(directory=folder, environment=environment)


def hello(archive: Archive, version: str) -> None:
    archive.add(
        f"Package: hello\nVersion: {version}\nDepends: libgreet1 (>= {version}), libc6 (>= 2.30)",
        {
            "usr/bin/hello": '#!/bin/sh\nexec cat "$(dirname "$0")/../share/hello/text"\n',
            "etc/hello.conf": f"version={version}\n",
        },
        links={"usr/share/hello/text": "/usr/lib/greet/text", "bin/hi": "../usr/bin/hello"},
    )
    archive.add(
        f"Package: libgreet1\nVersion: {version}\nArchitecture: all",
        {"lib/greet/text": f"hello {version}\n", "usr/share/doc/libgreet1/copyright": "free\n"},
    )
    archive.publish(date=datetime.now(UTC))


def carried(shell: Shell, version: str) -> str:
    """The signed bundle."""
    if not (shell.directory / "release.key").exists():
        for key in ("root", "release"):
            shell.airlock("key", "new", key, "--no-passphrase")
        shell.airlock(
            "trust", "init", "--root", "root.key", "--release", "release.pub", "-o", "trust-root.json"
        )
    shell.airlock("lock", "-U")
    shell.airlock("fetch")
    shell.airlock("build")
    bundle = f"dist/plant-{version}-plant.airlock"
    shell.airlock("sign", bundle, "--key", "release.key")
    return bundle


def test_a_prefix_runs_offline_and_goes_back(tmp_path: Path, archive: Archive) -> None:
    hello(archive, "1.0")
    shell = project(tmp_path, archive, 'mode = "prefix"\nlinks = { "usr/bin/greeting" = "usr/bin/hello" }')
    first = carried(shell, "1.0")
    archive.forget()
    hello(archive, "1.1")
    shell = project(tmp_path, archive, 'mode = "prefix"', version="1.1")
    second = carried(shell, "1.1")
    far, root = shell.far(), tmp_path / "site"
    far.airlock("install", first, "--root", str(root), "--trust", "trust-root.json")
    debs = root / "current/debs"
    assert far.good(str(debs / "usr/bin/hello")) == far.good(str(debs / "usr/bin/hi")) == "hello 1.0\n"
    assert (debs / "usr/bin/greeting").readlink() == Path("hello")
    assert (debs / "usr/share/hello/text").readlink() == Path("../../lib/greet/text")
    far.airlock("install", second, "--root", str(root))
    assert far.good(str(debs / "usr/bin/hello")) == "hello 1.1\n"
    assert not (debs / "usr/bin/greeting").is_symlink()
    far.airlock("rollback", "--root", str(root))
    assert far.good(str(debs / "usr/bin/greeting")) == "hello 1.0\n"
