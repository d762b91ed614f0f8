"""One image as an OCI archive, which skopeo and podman load: the tar of a layout with one image in it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO

from airlock.core.artifact import Artifact
from airlock.core.digest import Digest, chunks_of, parse_digest
from airlock.core.plain_tar import END, write_file
from airlock.errors import IntegrityError, UsageError
from airlock.kinds.image.listing import FULL_NAME, LISTING, MARKER, listed, written
from airlock.oci.documents import MAX_DOCUMENT, Descriptor, Manifest, parse_document, write_descriptor
from airlock.oci.layout import INDEX, REF_NAME, blob_path
from airlock.oci.layout import MARKER as MARKER_FILE

Read = Callable[[Artifact], BinaryIO]


def assemble(name: str, artifacts: Sequence[Artifact], read: Read, out: BinaryIO) -> None:
    """What signs the image stays in the layout: an archive with more than one manifest is one that podman does not load."""
    image = _named(name, artifacts)
    blobs = {artifact.digest: artifact for artifact in artifacts if _role(artifact) != LISTING}
    runs = parse_digest(image.placement.get("runs", ""), f"{image.label}: placement.runs")
    wanted = {image.digest, runs, *_parts(runs, blobs, read)}
    index = written([_row(image, _full_name(name, artifacts, read))])
    for file, data in ((INDEX, index), (MARKER_FILE, MARKER)):
        write_file(out, file, len(data), [data])
    for digest in sorted(wanted):
        artifact = _blob(digest, blobs)
        with read(artifact) as stream:
            write_file(out, blob_path(digest), artifact.size, chunks_of(stream))
    out.write(END)


def _named(name: str, artifacts: Sequence[Artifact]) -> Artifact:
    images = {artifact.name: artifact for artifact in artifacts if _role(artifact) == "image"}
    if name not in images:
        known = ", ".join(sorted(images)) or "none"
        raise UsageError(f"image {name}", "there is no such image", expected=f"one of {known}")
    return images[name]


def _role(artifact: Artifact) -> str:
    return artifact.placement.get("role", "")


def _blob(digest: Digest, blobs: Mapping[Digest, Artifact]) -> Artifact:
    if digest not in blobs:
        raise IntegrityError("image", "a blob is missing", expected=digest)
    return blobs[digest]


def _parts(runs: Digest, blobs: Mapping[Digest, Artifact], read: Read) -> Iterator[Digest]:
    """The digests of an image's configuration and layers."""
    artifact = _blob(runs, blobs)
    with read(artifact) as stream:
        data = stream.read(MAX_DOCUMENT + 1)
    manifest = parse_document(data, artifact.placement.get("media_type", ""), artifact.label).content
    if not isinstance(manifest, Manifest):
        raise IntegrityError(artifact.label, "not the manifest of an image")
    yield from (one.digest for one in (manifest.config, *manifest.layers))


def _full_name(name: str, artifacts: Sequence[Artifact], read: Read) -> str:
    """What engines call it, as the layout's own index has it."""
    for artifact in artifacts:
        if _role(artifact) == LISTING:
            with read(artifact) as stream:
                rows = listed(stream.read(MAX_DOCUMENT + 1), artifact.label)
            return next((row.annotations.get(FULL_NAME, name) for row in rows if _is_called(row, name)), name)
    return name


def _is_called(row: Descriptor, name: str) -> bool:
    return row.annotations.get(REF_NAME) == name


def _row(image: Artifact, full_name: str) -> dict[str, Any]:
    descriptor = Descriptor(
        media_type=image.placement.get("media_type", ""),
        digest=image.digest,
        size=image.size,
        annotations={REF_NAME: image.name, FULL_NAME: full_name},
    )
    return write_descriptor(descriptor)
