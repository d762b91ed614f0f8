"""A digest of all that decides what images are pinned to, but for what registries say."""

from pathlib import Path

from airlock.core.canonical_json import dumps
from airlock.core.digest import Digest, digest_of, digest_of_stream
from airlock.errors import UsageError
from airlock.formats.manifest import Manifest
from airlock.kinds.image.section import Entry, OnDisk, read_section
from airlock.kinds.inside import path_inside
from airlock.oci.layout import INDEX


def fingerprint(manifest: Manifest, where: str, directory: Path) -> Digest:
    """Raises UsageError."""
    rows = [_row(entry, manifest, directory) for entry in read_section(manifest, where)]
    return digest_of(dumps(rows))


def _row(entry: Entry, manifest: Manifest, directory: Path) -> dict[str, object]:
    targets = [one.target for one in manifest.targets if one.target.name in entry.targets]
    row: dict[str, object] = {
        "name": entry.name,
        "origin": entry.origin,
        "signatures": entry.signatures,
        "deliver": entry.deliver,
        "platforms": {target.name: str(entry.platform_for(target)) for target in targets},
    }
    if isinstance(entry.source, OnDisk):
        row["content"] = _content(entry.source.path, entry.where, directory)
    return row


def _content(path: str, where: str, directory: Path) -> Digest:
    """Of a layout, its index names everything else by digest."""
    found = path_inside(directory, path, f"{where}.path", UsageError)
    found = found / INDEX if found.is_dir() else found
    if not found.is_file():
        raise UsageError(f"{where}.path", "neither an OCI layout nor an archive of images", found=repr(path))
    with found.open("rb") as stream:
        return digest_of_stream(stream)[0]
