"""Images as artifacts: each blob once for a target, under a name that it keeps from version to version."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from airlock.core.artifact import Artifact
from airlock.core.digest import digest_of
from airlock.formats.lockfile import LockedArtifact
from airlock.kinds.image.gather import Image
from airlock.kinds.image.listing import FOLDER, LISTING, listing
from airlock.kinds.image.section import Entry
from airlock.oci.documents import Descriptor
from airlock.oci.layout import INDEX, blob_path

KIND = "image"
_ENDINGS = (
    (("+gzip", ".gzip"), "tar.gz"),
    (("+zstd", ".zstd"), "tar.zst"),
    ((".tar",), "tar"),
    (("json",), "json"),
)


class _Blob(NamedTuple):
    name: str
    role: str
    descriptor: Descriptor
    more: Mapping[str, str] = MappingProxyType({})
    version: str = ""


def rows(images: Mapping[str, Sequence[Image]]) -> tuple[LockedArtifact, ...]:
    """`images` are those of each target, by its name."""
    found: dict[tuple[str, ...], tuple[Artifact, set[str]]] = {}
    for target, those in sorted(images.items()):
        ordered = sorted(those, key=lambda image: image.entry.name)
        for artifact in (*_blobs(ordered), *_listing(ordered)):
            key = (
                artifact.name,
                artifact.digest,
                *(f"{k}={v}" for k, v in sorted(artifact.placement.items())),
            )
            found.setdefault(key, (artifact, set()))[1].add(target)
    return tuple(
        LockedArtifact(artifact=artifact, targets=tuple(sorted(targets)))
        for artifact, targets in found.values()
    )


def _blobs(images: Sequence[Image]) -> Iterator[Artifact]:
    """Each image has its own row, which says what was pinned, though it may be one under two names. Any other blob that
    several have is named after the first."""
    seen = {image.top.digest for image in images}
    for image in images:
        for blob in _parts(image):
            if blob.role == "image" or blob.descriptor.digest not in seen:
                seen.add(blob.descriptor.digest)
                yield _artifact(blob, image.entry)


def _parts(image: Image) -> Iterator[_Blob]:
    entry, name = image.entry, image.entry.name
    more = {"runs": image.runs.digest} | ({"deliver": entry.destination} if entry.deliver else {})
    more |= {} if entry.signatures else {"signatures": "false"}
    yield _Blob(name, "image", image.top, more, entry.tag)
    if image.runs.digest != image.top.digest:
        yield _Blob(f"{name}/manifest", "manifest", image.runs)
    yield _Blob(f"{name}/config", "config", image.config)
    for number, layer in enumerate(image.layers, start=1):
        yield _Blob(f"{name}/layer-{number}", "layer", layer)
    for number, one in enumerate(image.beside, start=1):
        beside = f"{name}/beside-{number}"
        of = {"of": one.of} | ({"tag": one.tag} if one.tag else {})
        yield _Blob(beside, "beside", one.descriptor, of)
        for part, descriptor in enumerate(one.parts):
            yield _Blob(f"{beside}-part-{part}", "part", descriptor)


def _artifact(blob: _Blob, entry: Entry) -> Artifact:
    descriptor = blob.descriptor
    placement = {
        "destination": f"{FOLDER}/{blob_path(descriptor.digest)}",
        "media_type": descriptor.media_type,
        "role": blob.role,
        **blob.more,
    }
    return Artifact(
        kind=KIND,
        name=blob.name,
        version=blob.version,
        file=f"{blob.name.replace('/', '.')}.{_ending(descriptor.media_type)}",
        size=descriptor.size,
        digest=descriptor.digest,
        placement=MappingProxyType(placement),
        origin=MappingProxyType(entry.origin),
    )


def _ending(media_type: str) -> str:
    return next((ending for ends, ending in _ENDINGS if media_type.endswith(ends)), "bin")


def _listing(images: Sequence[Image]) -> Iterator[Artifact]:
    """The layout's own index, whose text stands in the lock as that of a rendered configuration does."""
    if not images:
        return
    data = listing(images)
    yield Artifact(
        kind=KIND,
        name=INDEX,
        version="",
        file=INDEX,
        size=len(data),
        digest=digest_of(data),
        placement=MappingProxyType({"destination": f"{FOLDER}/{INDEX}", "role": LISTING}),
        origin=MappingProxyType({"text": data.decode()}),
    )
