"""Bring a locked wheel into the store, from wherever its index has it today."""

from collections.abc import Mapping

from packaging.utils import NormalizedName, canonicalize_name

from airlock.core.artifact import Artifact
from airlock.errors import FetchError
from airlock.formats.manifest import Manifest
from airlock.kinds import NearSide
from airlock.kinds.download import download
from airlock.kinds.wheel.client import fetch_page
from airlock.kinds.wheel.own import rebuild
from airlock.kinds.wheel.releases import absolute


def obtain(artifact: Artifact, manifest: Manifest | None, near: NearSide) -> None:
    """See `Kind.obtain`. Without a manifest only the default index is known."""
    if artifact.digest in near.store:
        return
    if "source" in artifact.origin:
        rebuild(artifact, manifest, near)
        return
    url = _find(artifact, manifest.indexes if manifest else {}, near)
    download(url, artifact, near)


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
