"""The project's own wheel, built from the tree beside the manifest."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from airlock.core.artifact import Artifact
from airlock.core.digest import digest_of
from airlock.errors import IntegrityError, ResolutionError
from airlock.formats.manifest import Manifest
from airlock.kinds import NearSide
from airlock.kinds.wheel.metadata import Metadata, Unusable, parse_metadata
from airlock.kinds.wheel.releases import WheelFile


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnWheel:
    files: Mapping[NormalizedName, tuple[WheelFile, Metadata]]


def build_own(source: str, near: NearSide) -> OwnWheel:
    """Build the tree, put the wheel into the store. Raises UsageError or ResolutionError where it cannot be built."""
    from airlock.kinds.wheel.source import build_source

    built = build_source(near.directory / source, near.reporter)
    digest, size = near.store.put([built.data], where=built.file)
    name, version = canonicalize_name(built.name), Version(built.version)
    try:
        metadata = parse_metadata(built.metadata.encode(), built.file, name, version)
    except Unusable as error:
        raise ResolutionError(source, str(error)) from error
    file = WheelFile(
        name=name,
        version=version,
        file=built.file,
        index="",
        url="",
        digest=digest,
        size=size,
        metadata=None,
        yanked=None,
    )
    return OwnWheel(files={name: (file, metadata)})


def _tree(artifact: Artifact, manifest: Manifest | None, near: NearSide) -> Path:
    """Building runs the tree's code, so a lockfile alone may name no tree but one below it; what the user's own manifest
    names as well may be elsewhere."""
    source = artifact.origin["source"]
    python = manifest.sections.get("python") if manifest else None
    declared = python.get("source") if isinstance(python, dict) else None
    tree, inside = near.directory / source, near.directory.resolve()
    if declared != source and not tree.resolve().is_relative_to(inside):
        raise IntegrityError(
            f"{artifact.label}: origin.source",
            "names a source tree that is outside, and that no manifest declares",
            expected="a path below the lock",
            found=repr(source),
            hint="fetch with the airlock.toml beside the lock, after a look at its [python] source",
        )
    return tree


def rebuild(artifact: Artifact, manifest: Manifest | None, near: NearSide) -> None:
    """Build the locked wheel again, where the store does not have it. Raises IntegrityError where it differs."""
    from airlock.kinds.wheel.source import build_source

    built = build_source(_tree(artifact, manifest, near), near.reporter)
    found = digest_of(built.data)
    if found != artifact.digest:
        raise IntegrityError(
            artifact.origin["source"],
            f"the source tree makes another {built.file} than the lock has",
            expected=artifact.digest,
            found=found,
            hint="check out the tree that was locked, or run `airlock lock`",
        )
    near.store.put([built.data], artifact.digest, artifact.file)
