"""From airlock.toml to a prefix that runs and a repository that apt installs from, each command in its own process."""

import shutil
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


class Apt:
    """Stock apt and dpkg with a root, lists and sources of their own, and no network."""

    def __init__(self, folder: Path, far: Shell, source: str) -> None:
        self._far, self.root = far, folder / "machine"
        for name in (
            "var/lib/dpkg/info",
            "var/lib/dpkg/updates",
            "lists/partial",
            "cache/archives/partial",
            "etc",
            "empty",
        ):
            (self.root / name).mkdir(parents=True)
        status = [f"Package: {line.split()[0]}\nVersion: {line.split()[1]}" for line in BASE.splitlines()]
        rest = "Architecture: amd64\nMaintainer: nobody\nDescription: base\nStatus: install ok installed\n"
        (self.root / "var/lib/dpkg/status").write_text("\n".join(f"{head}\n{rest}" for head in status))
        (self.root / "etc/sources.list").write_text(source)
        self._options = {
            "Dir::Etc": "etc",
            "Dir::Etc::sourcelist": "sources.list",
            "Dir::Etc::sourceparts": "../empty",
            "Dir::Etc::parts": "../empty",
            "Dir::Etc::trustedparts": "../empty",
            "Dir::State::lists": str(self.root / "lists"),
            "Dir::State::status": str(self.root / "var/lib/dpkg/status"),
            "Dir::Cache": str(self.root / "cache"),
            "Dir": str(self.root),
            "Dir::Bin::methods": "/usr/lib/apt/methods",
            "Dir::Bin::dpkg": "/usr/bin/dpkg",
            "Dir::Log": str(self.root),
            "APT::Sandbox::User": "",
            "APT::Architecture": "amd64",
            "APT::Install-Recommends": "false",
        }

    def get(self, *arguments: str) -> str:
        options = [word for pair in self._options.items() for word in ("-o", "=".join(pair))]
        dpkg = [f"-oDPkg::Options::=--root={self.root}", "-oDPkg::Options::=--force-not-root"]
        return self._far.good("apt-get", "-q", "-y", *options, *dpkg, *arguments)

    def version(self, name: str) -> str:
        return self._far.good(
            "dpkg-query", f"--admindir={self.root}/var/lib/dpkg", "-W", "-f=${Version}", name
        )


def test_stock_apt_installs_from_the_signed_repository_and_goes_back(
    tmp_path: Path, archive: Archive
) -> None:
    if not shutil.which("apt-get"):
        pytest.skip("apt-get is not installed")
    hello(archive, "1.0")
    mode = f'mode = "system"\nsign-with = "{archive.key.fingerprint}"'
    shell = project(tmp_path, archive, mode)
    first = carried(shell, "1.0")
    before = (shell.directory / "airlock.lock").read_bytes()
    shell.airlock("lock", "-U")
    assert (shell.directory / "airlock.lock").read_bytes() == before, "the same key signs the same bytes"
    archive.forget()
    hello(archive, "1.1")
    second = carried(project(tmp_path, archive, mode, version="1.1"), "1.1")
    far, root = shell.far(), tmp_path / "site"
    far.airlock("install", first, "--root", str(root), "--trust", "trust-root.json")
    keyring = tmp_path / "site-key.asc"
    shutil.copy(root / "current/debs/archive-key.asc", keyring)
    apt = Apt(tmp_path, far, f"deb [signed-by={keyring}] file:{root}/current/debs ./\n")
    apt.get("update")
    apt.get("install", "hello")
    assert (apt.version("hello"), apt.version("libgreet1")) == ("1.0", "1.0")
    far.airlock("install", second, "--root", str(root))
    apt.get("update")
    apt.get("dist-upgrade")
    assert (apt.version("hello"), apt.version("libgreet1")) == ("1.1", "1.1")
    far.airlock("rollback", "--root", str(root))
    shutil.rmtree(apt.root / "lists")
    (apt.root / "lists/partial").mkdir(parents=True)
    apt.get("update")
    apt.get("install", "--allow-downgrades", "hello=1.0", "libgreet1=1.0")
    assert (apt.root / "lib/greet/text").read_text() == "hello 1.0\n"
    assert (apt.version("hello"), apt.version("libgreet1")) == ("1.0", "1.0")
