"""What `lock` writes down, and what it leaves as it was."""

from dataclasses import replace
from pathlib import Path

import pytest

from airlock.formats.lockfile import parse_lockfile, write_lockfile
from airlock.kinds import Locked, Upgrade
from airlock.kinds.deb.kind import DebKind
from tests.debs.archive import Archive
from tests.debs.near import (
    INDEX,
    SECTION,
    URL,
    artifact_named,
    lock_of,
    near_of,
    pinned,
    request_of,
    versions,
)
from tests.manifests import manifest_of
from tests.near_side import stored

BOTH = SECTION.replace('targets = ["north"]', "")


def two_versions(archive: Archive, version: str) -> None:
    archive.forget()
    archive.add(f"Package: hello\nVersion: {version}\nDepends: libhello1.0++")
    archive.add("Package: libhello1.0++\nVersion: 1:2.0-3\nArchitecture: all")
    archive.publish()


def test_a_row_says_what_and_where_and_names_no_host(tmp_path: Path, archive: Archive) -> None:
    two_versions(archive, "1.0")
    rows = pinned(tmp_path, archive)
    library = artifact_named(rows, "libhello1.0++")
    assert (library.version, library.file) == ("1:2.0-3", "libhello1.0++_2.0-3_all.deb")
    assert library.placement == {"mode": "prefix", "folder": "debs"}
    assert library.origin["path"] == "pool/libhello1.0++_2.0-3_all.deb"
    assert library.origin.keys() == {"archive", "suite", "path", "release", "released", "index"}
    data = write_lockfile(lock_of(rows))
    assert parse_lockfile(data, "airlock.lock").artifacts == tuple(
        sorted(rows, key=lambda row: row.artifact.name)
    )
    assert URL.partition("//")[2].partition("/")[0].encode() not in data


def test_targets_of_two_architectures_share_what_is_for_all(tmp_path: Path, archive: Archive) -> None:
    for architecture in ("amd64", "arm64"):
        archive.add(f"Package: hello\nVersion: 1.0\nArchitecture: {architecture}\nDepends: data")
    archive.add("Package: data\nVersion: 1.0\nArchitecture: all")
    archive.publish()
    rows = pinned(tmp_path, archive, BOTH)
    assert {(row.artifact.file, row.targets) for row in rows} == {
        ("data_1.0_all.deb", ("north", "south")),
        ("hello_1.0_amd64.deb", ("north",)),
        ("hello_1.0_arm64.deb", ("south",)),
    }


def test_the_base_is_nothing_a_file_or_what_debootstrap_installs(tmp_path: Path, archive: Archive) -> None:
    archive.add("Package: hello\nVersion: 1.0\nDepends: libc6, dash")
    archive.add("Package: libc6\nVersion: 2.0")
    archive.add("Package: dash\nVersion: 1.0\nEssential: yes\nPriority: required\nPre-Depends: libc6")
    archive.add("Package: apt\nVersion: 1.0")
    archive.publish()
    assert versions(pinned(tmp_path, archive)) == {"dash": "1.0", "hello": "1.0", "libc6": "2.0"}
    assert versions(pinned(tmp_path, archive, SECTION.replace("empty", "minbase"))) == {"hello": "1.0"}
    (tmp_path / "base.txt").write_text("libc6 1.0 amd64 install ok installed\n")
    rows = pinned(tmp_path, archive, SECTION.replace("empty", "base.txt"))
    assert versions(rows) == {"dash": "1.0", "hello": "1.0"}


def test_a_lock_that_moves_on_keeps_the_rows_whose_files_stayed(tmp_path: Path, archive: Archive) -> None:
    two_versions(archive, "1.0")
    before = pinned(tmp_path, archive)
    two_versions(archive, "1.1")
    request = replace(request_of(near_of(tmp_path, archive)), previous=lock_of(before))
    assert versions(DebKind().pin(request))["hello"] == "1.1", "the pool has no other any more"
    after = DebKind().pin(replace(request, upgrade=Upgrade(everything=True)))
    assert artifact_named(after, "libhello1.0++") == artifact_named(before, "libhello1.0++")
    assert (
        artifact_named(after, "hello").origin["release"] != artifact_named(before, "hello").origin["release"]
    )


def test_a_pin_stays_until_it_may_move(tmp_path: Path, archive: Archive) -> None:
    two_versions(archive, "1.0")
    before = pinned(tmp_path, archive)
    archive.add("Package: hello\nVersion: 1.1\nDepends: libhello1.0++")
    archive.publish()
    near = near_of(tmp_path, archive)
    request = replace(request_of(near), previous=lock_of(before))
    assert versions(DebKind().pin(request))["hello"] == "1.0"
    moved = DebKind().pin(replace(request, upgrade=Upgrade(names=frozenset({"hello"}))))
    assert versions(moved)["hello"] == "1.1"
    locked = Locked(
        lockfile=lock_of(before),
        where="airlock.lock",
        manifest=manifest_of(INDEX + SECTION),
        manifest_name="airlock.toml",
    )
    (found,) = DebKind().newer(locked, near)
    assert (found.name, found.locked, found.newest, found.targets) == ("hello", "1.0", "1.1", ("north",))


def test_a_repository_is_signed_and_follows_from_the_lock_alone(tmp_path: Path, archive: Archive) -> None:
    two_versions(archive, "1.0")
    near = near_of(tmp_path, archive)
    section = SECTION.replace('"prefix"', f'"system"\nsign-with = "{archive.key.fingerprint}"')

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GNUPGHOME", str(archive.key.home))
        rows = DebKind().pin(request_of(near, section))
    index = artifact_named(rows, "Packages")
    text = stored(near, index.digest).decode()
    assert "Filename: ./hello_1.0_amd64.deb\n" in text and "Filename: pool" not in text
    assert "-----BEGIN PGP SIGNATURE-----" in artifact_named(rows, "InRelease").origin["text"]
    again = request_of(near, section)
    assert DebKind().pin(replace(again, previous=lock_of(rows))) == rows, (
        "no key is asked for what is signed already"
    )
    near.store.discard(index.digest)
    DebKind().obtain(index, again.manifest, replace(near, locked=rows))
    assert stored(near, index.digest).decode() == text
