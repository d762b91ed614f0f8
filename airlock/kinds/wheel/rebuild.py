"""Build a locked wheel again, with the tools that the lock has, where the store does not have it."""

from dataclasses import dataclass, replace

from airlock.core.artifact import Artifact
from airlock.core.target import Target
from airlock.errors import FetchError, IntegrityError, ResolutionError
from airlock.formats.manifest import Manifest
from airlock.kinds import NearSide
from airlock.kinds.wheel.building.builder import Builder, Tools, build_label
from airlock.kinds.wheel.building.machine import interpreter_for, platform
from airlock.kinds.wheel.building.sources import Source
from airlock.kinds.wheel.building.trees import tree_source
from airlock.kinds.wheel.own import own_label, own_tree


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedTools:
    """A toolbox that holds what the lock names, whatever the backend would like."""

    artifacts: tuple[Artifact, ...]

    def tools(self, requires: tuple[str, ...], label: str, machine: Target) -> Tools:
        return Tools(artifacts=self.artifacts)


def locked_tools(artifact: Artifact, near: NearSide) -> tuple[Artifact, ...]:
    """The rows of the lock that say that they build the artifact. Raises IntegrityError where its row does not say how it
    was built."""
    python = artifact.origin.get("python", "")
    if not python:
        what = "the lock does not say what it was built with"
        raise IntegrityError(artifact.label, what, hint="write it anew with `airlock lock`")
    label = build_label(artifact.name, artifact.version, python)
    return tuple(row.artifact for row in near.locked if label in row.builds)


def rebuild(artifact: Artifact, source: Source, tools: tuple[Artifact, ...], near: NearSide) -> None:
    """`tools` are in the store. Raises IntegrityError where the wheel comes out otherwise, FetchError where this machine
    has not what built it."""
    builder = Builder(near=near, toolbox=LockedTools(artifacts=tools))
    if "source" in artifact.origin or artifact.origin.get("reference") == "git":
        source = replace(source, version=lambda: artifact.version)
    try:
        target = Target(
            name="build",
            python=artifact.origin["python"],
            platform=platform() or "manylinux_2_28_x86_64",
            prefix="",
        )
    except ValueError as error:
        raise IntegrityError(f"{artifact.label}: origin.python", str(error)) from error
    if interpreter_for(target) is None:
        raise FetchError(
            artifact.label,
            "is built from source, and the Python that built it is not here",
            expected=f"python{target.python} on PATH",
            hint=_elsewhere(artifact),
        )
    try:
        built = builder.build(source, target, twice=False)
    except ResolutionError as error:
        raise FetchError(
            error.where, error.what, expected=error.expected, found=error.found, hint=error.hint
        ) from error
    if built.digest != artifact.digest:
        raise _another(artifact, source, built.file, built.digest)


def rebuild_own(
    artifact: Artifact, manifest: Manifest | None, tools: tuple[Artifact, ...], near: NearSide
) -> None:
    """The project's own wheel, from the tree that is there now."""
    tree = own_tree(artifact, manifest, near)
    rebuild(artifact, tree_source(own_label(tree), tree), tools, near)


def _another(artifact: Artifact, source: Source, file: str, found: str) -> IntegrityError:
    if artifact.origin.get("reproducible") == "no":
        what = f"its source builds to another wheel each time, and this {file} is not the one that was locked"
    elif "source" in artifact.origin:
        what = f"the source tree makes another {file} than the lock has"
        return IntegrityError(
            artifact.origin["source"],
            what,
            expected=artifact.digest,
            found=found,
            hint="check out the tree that was locked, or run `airlock lock`",
        )
    else:
        what = f"this machine builds another {file} of it than the lock has, as with another C compiler"
    return IntegrityError(
        artifact.label, what, expected=artifact.digest, found=found, hint=_elsewhere(artifact)
    )


def _elsewhere(artifact: Artifact) -> str:
    return (
        "copy the wheel from the cache of the machine that locked, or take it out of a bundle with `airlock export`; "
        f"or pin what this machine builds: `airlock lock --upgrade-package {artifact.name}`"
    )
