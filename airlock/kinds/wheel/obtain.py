"""Bring a locked wheel into the store: from wherever its index has it today, or built again from its source."""

from collections.abc import Mapping
from dataclasses import replace

from packaging.utils import NormalizedName, canonicalize_name

from airlock.core.artifact import Artifact
from airlock.core.digest import Digest, parse_digest
from airlock.errors import FetchError, IntegrityError
from airlock.formats.manifest import Manifest
from airlock.kinds import NearSide
from airlock.kinds.download import download, download_unmeasured
from airlock.kinds.wheel.client import fetch_page, index_url
from airlock.kinds.wheel.metadata import read_metadata
from airlock.kinds.wheel.origins import check_obtained
from airlock.kinds.wheel.releases import WheelFile, absolute


def obtain(artifact: Artifact, manifest: Manifest | None, near: NearSide) -> None:
    """See `Kind.obtain`. Without a manifest only the default index is known."""
    if artifact.digest in near.store:
        return
    if artifact.origin.keys() & {"source", "sdist", "python"}:
        _build(artifact, manifest, near)
        return
    if "reference" in artifact.origin:
        from airlock.kinds.wheel.given import obtain_given

        obtain_given(artifact, manifest, near)
        return
    url = _find(artifact, artifact.file, manifest.indexes if manifest else {}, near)
    download(url, artifact, near)
    check_obtained(artifact, near)


def located(artifact: Artifact, manifest: Manifest | None, near: NearSide) -> tuple[str, str]:
    """Where the file of an index is today, and the index itself: two URLs. Raises FetchError."""
    indexes = manifest.indexes if manifest else {}
    return _find(artifact, artifact.file, indexes, near), index_url(
        artifact.origin.get("index", ""), indexes, near
    )


def sought(artifact: Artifact, file: WheelFile, manifest: Manifest | None, near: NearSide) -> bytes:
    """The METADATA of a locked wheel of an index, kept in the cache. Raises FetchError or IntegrityError."""
    url = _find(artifact, artifact.file, manifest.indexes if manifest else {}, near)
    return read_metadata(replace(file, url=url), near)


def _build(artifact: Artifact, manifest: Manifest | None, near: NearSide) -> None:
    from airlock.kinds.wheel.rebuild import locked_tools, rebuild, rebuild_own
    from airlock.kinds.wheel.sdists import stored_source

    tools = locked_tools(artifact, near)
    for tool in tools:
        obtain(tool, manifest, near)
    if "source" in artifact.origin:
        rebuild_own(artifact, manifest, tools, near)
        return
    if "reference" in artifact.origin:
        from airlock.kinds.wheel.given import source_given

        rebuild(artifact, source_given(artifact, manifest, near), tools, near)
        return
    _check_allowed(artifact, manifest)
    file = artifact.origin["sdist"]
    digest = parse_digest(f"sha256:{artifact.origin.get('sdist-sha256', '')}", f"{artifact.label}: origin")
    _fetch_sdist(artifact, file, digest, manifest, near)
    label = f"{artifact.name} {artifact.version}"
    rebuild(artifact, stored_source(label, file, digest, near.store), tools, near)


def _check_allowed(artifact: Artifact, manifest: Manifest | None) -> None:
    """A build runs the package's code, so a lockfile alone may not ask for it."""
    from airlock.kinds.wheel.section import SECTION, read_section

    declared = manifest is not None and SECTION in manifest.sections
    if (
        manifest
        and declared
        and read_section(manifest, "airlock.toml").build.allows(canonicalize_name(artifact.name))
    ):
        return
    raise IntegrityError(
        artifact.label,
        "is to be built from source, and no manifest beside the lock allows that",
        hint=f'airlock.toml allows it: [python.build] packages = ["{artifact.name}"]; it runs the code of the package',
    )


def _fetch_sdist(
    artifact: Artifact, file: str, digest: Digest, manifest: Manifest | None, near: NearSide
) -> None:
    if digest not in near.store:
        url = _find(artifact, file, manifest.indexes if manifest else {}, near)
        download_unmeasured(url, digest, file, near)


def _find(artifact: Artifact, file: str, indexes: Mapping[str, str], near: NearSide) -> str:
    """Where the file is today: the lock holds no locations."""
    index = artifact.origin.get("index", "")
    name: NormalizedName = canonicalize_name(artifact.name)
    page = fetch_page(name, index, indexes, near)
    for row in page.rows:
        address = absolute(row.get("url"), page)
        if row.get("filename") == file and address:
            return address
    hint = "use a mirror that still has it, or pin another version with `airlock lock`"
    raise FetchError(f"index {index}: {name}", f"{file} is not there", hint=hint)
