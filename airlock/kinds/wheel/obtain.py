"""Bring a locked wheel into the store, from wherever its index has it today."""

from collections.abc import Mapping
from dataclasses import replace

from packaging.utils import NormalizedName, canonicalize_name

from airlock.core.artifact import Artifact
from airlock.errors import FetchError
from airlock.formats.manifest import Manifest
from airlock.kinds import NearSide
from airlock.kinds.download import download
from airlock.kinds.wheel.client import fetch_page
from airlock.kinds.wheel.metadata import read_metadata
from airlock.kinds.wheel.own import rebuild
from airlock.kinds.wheel.releases import WheelFile, absolute


def obtain(artifact: Artifact, manifest: Manifest | None, near: NearSide) -> None:
    """See `Kind.obtain`. Without a manifest only the default index is known."""
    if artifact.digest in near.store:
        return
    if "source" in artifact.origin:
        rebuild(artifact, manifest, near)
        return
    url = _find(artifact, manifest.indexes if manifest else {}, near)
    download(url, artifact, near)


def sought(artifact: Artifact, file: WheelFile, manifest: Manifest | None, near: NearSide) -> bytes:
    """The METADATA of a locked wheel of an index, kept in the cache. Raises FetchError or IntegrityError."""
    url = _find(artifact, manifest.indexes if manifest else {}, near)
    return read_metadata(replace(file, url=url), near)


def _find(artifact: Artifact, indexes: Mapping[str, str], near: NearSide) -> str:
    """Where the file is today: the lock holds no locations."""
    index = artifact.origin.get("index", "")
    name: NormalizedName = canonicalize_name(artifact.name)
    page = fetch_page(name, index, indexes, near)
    for row in page.rows:
        address = absolute(row.get("url"), page)
        if row.get("filename") == artifact.file and address:
            return address
    hint = "use a mirror that still has it, or pin another version with `airlock lock`"
    raise FetchError(f"index {index}: {name}", f"{artifact.file} is not there", hint=hint)
