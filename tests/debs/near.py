"""`[[deb]]` pinned against an archive that is made of literals."""

from dataclasses import replace
from pathlib import Path

from airlock.core.artifact import Artifact
from airlock.formats.lockfile import LockedArtifact, Lockfile
from airlock.kinds import NearSide, PinRequest
from airlock.kinds.deb.kind import DebKind
from tests.debs.archive import NOW, Archive
from tests.manifests import manifest_of, pin_request
from tests.near_side import FakeWeb, near_side

URL = "https://archive.example/debian"
INDEX = f"""
[[index]]
name = "site"
url = "{URL}/"
explicit = true
"""
SECTION = """
[[deb]]
suites = ["stable"]
archive = "site"
keyring = "archive-key.gpg"
packages = ["hello"]
base = "empty"
mode = "prefix"
targets = ["north"]
"""


def near_of(tmp_path: Path, archive: Archive) -> NearSide:
    """A near side whose web has what the archive has now."""
    (tmp_path / "archive-key.gpg").write_bytes(archive.key.public)
    pages = {
        f"{URL}/{path.relative_to(archive.root)}": path.read_bytes()
        for path in archive.root.rglob("*")
        if path.is_file()
    }
    return near_side(tmp_path, FakeWeb(pages=pages))


def request_of(near: NearSide, section: str = SECTION) -> PinRequest:
    return replace(pin_request(INDEX + section, near), now=NOW)


def pinned(tmp_path: Path, archive: Archive, section: str = SECTION) -> tuple[LockedArtifact, ...]:
    return DebKind().pin(request_of(near_of(tmp_path, archive), section))


def versions(rows: tuple[LockedArtifact, ...]) -> dict[str, str]:
    return {row.artifact.name: row.artifact.version for row in rows if row.artifact.version}


def artifact_named(rows: tuple[LockedArtifact, ...], name: str) -> Artifact:
    return next(row.artifact for row in rows if row.artifact.name == name)


def lock_of(rows: tuple[LockedArtifact, ...]) -> Lockfile:
    manifest = manifest_of(INDEX)
    from airlock.core.artifact import Encoder

    return Lockfile(
        project=manifest.project,
        encoder=Encoder(name="zstd", version="1.5.7", level=9),
        inputs={},
        targets=tuple(declared.target for declared in manifest.targets),
        health=None,
        artifacts=rows,
    )
