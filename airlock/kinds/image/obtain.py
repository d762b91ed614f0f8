"""The bytes of a locked blob, from where its image is."""

from airlock.core.artifact import Artifact
from airlock.core.digest import chunks_of
from airlock.core.paths import safe_path
from airlock.errors import IntegrityError
from airlock.formats.manifest import Manifest
from airlock.kinds import NearSide
from airlock.kinds.download import download
from airlock.kinds.image.listing import LISTING
from airlock.kinds.image.section import OnDisk
from airlock.kinds.image.sources import images_of, registry_of
from airlock.oci.documents import INDEXES, MANIFESTS
from airlock.oci.reference import Reference, parse_reference

_CHANGED = "lock it anew with `airlock lock`, or bring the locked images back"


def obtain(artifact: Artifact, manifest: Manifest | None, near: NearSide) -> None:
    origin, where = artifact.origin, f"{artifact.label}: origin"
    if artifact.digest in near.store:
        return
    if artifact.placement.get("role") == LISTING and "text" in origin:
        near.store.put([origin["text"].encode()], artifact.digest, f"{where}.text")
    elif "reference" in origin:
        _from_registry(artifact, reference_of(artifact), manifest, near)
    elif "path" in origin:
        path = safe_path(origin["path"], f"{where}.path")
        _from_disk(artifact, OnDisk(path=path, tag=origin.get("tag", "")), near)
    else:
        raise IntegrityError(where, "neither a reference, a path nor a text")


def reference_of(artifact: Artifact) -> Reference:
    """Raises IntegrityError."""
    try:
        return parse_reference(artifact.origin["reference"])
    except ValueError as error:
        raise IntegrityError(f"{artifact.label}: origin.reference", str(error)) from error


def _from_registry(
    artifact: Artifact, reference: Reference, manifest: Manifest | None, near: NearSide
) -> None:
    registry = registry_of(reference, manifest, near)
    media_type = artifact.placement.get("media_type", "")
    if media_type in (*MANIFESTS, *INDEXES):
        document = registry.manifest(artifact.digest, media_type)
        near.store.put([document.data], artifact.digest, artifact.label)
    else:
        download(registry.blob_url(artifact.digest), artifact, near)


def _from_disk(artifact: Artifact, source: OnDisk, near: NearSide) -> None:
    where = f"{artifact.label}: {source.path}"
    with images_of(source, near, where) as images:
        document = images.document(source.tag)
        if document.digest == artifact.digest:
            near.store.put([document.data], artifact.digest, where)
            return
        try:
            stream, _ = images.open(artifact.digest)
            with stream:
                near.store.put(chunks_of(stream), artifact.digest, where)
        except IntegrityError as error:
            raise IntegrityError(where, "the images changed since they were locked", hint=_CHANGED) from error
