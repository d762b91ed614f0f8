"""The project's own wheel, built from the tree beside the manifest."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.utils import NormalizedName

from airlock.core.artifact import Artifact
from airlock.core.target import Target
from airlock.errors import IntegrityError, ResolutionError
from airlock.formats.manifest import Manifest
from airlock.kinds import NearSide
from airlock.kinds.wheel.building.builder import BuiltWheel
from airlock.kinds.wheel.building.trees import SHOWN, tree_source, untracked
from airlock.kinds.wheel.metadata import Metadata, Unusable, parse_metadata
from airlock.kinds.wheel.releases import WheelFile
from airlock.kinds.wheel.sdists import Sdists


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnWheel:
    files: Mapping[NormalizedName, tuple[WheelFile, Metadata]]
    built: BuiltWheel


def build_own(source: str, version: str, target: Target, sdists: Sdists, near: NearSide) -> OwnWheel:
    """The tree's wheel for one target, in the store. It is of `version`, the release's, where its version would come from
    version control. Raises UsageError or ResolutionError where it cannot be built."""
    tree = near.directory / source
    built = sdists.tree(replace(tree_source(own_label(tree), tree), version=lambda: version), target)
    try:
        metadata = parse_metadata(built.metadata, built.file, built.name, built.version)
    except Unusable as error:
        raise ResolutionError(source, str(error)) from error
    file = WheelFile(
        name=built.name,
        version=built.version,
        file=built.file,
        index="",
        url="",
        digest=built.digest,
        size=built.size,
        metadata=None,
        yanked=None,
    )
    return OwnWheel(files={built.name: (file, metadata)}, built=built)


def warn_untracked(source: str, near: NearSide) -> None:
    """Somebody may wait for a new file to be in the wheel."""
    if found := untracked(near.directory / source):
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        near.reporter.warn(
            f"not in the project's wheel, as git does not track it: {', '.join(found[:SHOWN])}{more}; `git add` it if it should be"
        )


def own_label(tree: Path) -> str:
    return tree.resolve().name or str(tree)


def own_tree(artifact: Artifact, manifest: Manifest | None, near: NearSide) -> Path:
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
