"""Images on the far side: one OCI layout for all of a generation's, every blob as its digest says."""

from collections.abc import Callable, Iterator, Sequence

from airlock.core.artifact import Activation, Artifact
from airlock.core.expanded import Member
from airlock.core.paths import safe_path
from airlock.errors import IntegrityError
from airlock.kinds import Room
from airlock.kinds.image.listing import FOLDER, LISTING, MARKER, WHOLE
from airlock.oci.layout import INDEX, blob_path
from airlock.oci.layout import MARKER as MARKER_FILE

_MODE = 0o644
_PATIENCE = 3600
"""Seconds for an engine to take up one image."""


def place(artifact: Artifact, contents: Callable[[], Iterator[Member]], room: Room) -> None:
    is_listing = artifact.placement.get("role") == LISTING
    path = f"{FOLDER}/{INDEX if is_listing else blob_path(artifact.digest)}"
    where = f"{artifact.label}: placement.destination"
    if (found := artifact.placement.get("destination")) != path:
        raise IntegrityError(where, "not where a layout has it", expected=path, found=repr(found))
    for number, member in enumerate(contents()):
        if number or member.name:
            raise IntegrityError(artifact.label, "expected the blob itself, found members")
        room.write(safe_path(path, where), member.chunks, _MODE)
    if is_listing:
        room.write(safe_path(f"{FOLDER}/{MARKER_FILE}"), [MARKER], _MODE)


def activation(artifacts: Sequence[Artifact]) -> tuple[Activation, ...]:
    """Images go to the engine or registry that the manifest names, by skopeo, which leaves every digest as it is."""
    delivered = (artifact for artifact in artifacts if artifact.placement.get("deliver"))
    return tuple(_delivery(artifact) for artifact in sorted(delivered, key=lambda one: one.name))


def _delivery(artifact: Artifact) -> Activation:
    destination, runs = artifact.placement["deliver"], artifact.placement["runs"]
    # An engine's storage keeps the index too, so that its digest is known there; a registry would want all of its images.
    whole = destination.startswith("containers-storage:") and runs != artifact.digest
    source = f"oci:{FOLDER}:{artifact.name}{WHOLE if whole else ''}"
    listed = ("--no-tags",) if destination.startswith("docker:") else ()
    return Activation(
        artifact=artifact.label,
        command=("skopeo", "copy", "--preserve-digests", source, destination),
        check=("skopeo", "inspect", *listed, "--format", "{{.Digest}}", destination),
        expected=(runs,),
        timeout=_PATIENCE,
    )
