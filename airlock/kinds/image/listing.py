"""`index.json` of the layout that a generation has (OCI image specification, image layout): every image of a target under its
name in `airlock.toml`, and what stands beside it.

The name leads to the manifest for the target's platform, which every tool can use. Where the reference led to an index, that is
listed as `NAME.index`: its images for other platforms are not there.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from airlock.core.canonical_json import dumps
from airlock.errors import IntegrityError
from airlock.oci.documents import OCI_INDEX, Descriptor, Index, parse_document, write_descriptor
from airlock.oci.layout import REF_NAME

if TYPE_CHECKING:
    from airlock.kinds.image.gather import Image

FOLDER = "images"
"""Below the generation."""
LISTING = "listing"
"""The role of the artifact that is the layout's index."""
MARKER = b'{"imageLayoutVersion":"1.0.0"}'
WHOLE = ".index"
"""How the name of an index ends, beside that of its manifest for the platform."""
FULL_NAME = "io.containerd.image.name"
"""The annotation by which containerd and podman name what they load."""


def listing(images: "Sequence[Image]") -> bytes:
    """Canonical JSON, each row once: two images may be one under two names."""
    rows = [write_descriptor(one) for image in images for one in _descriptors(image)]
    return written(list({dumps(row): row for row in rows}.values()))


def written(rows: Sequence[Mapping[str, Any]]) -> bytes:
    return dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(rows)})


def listed(data: bytes, where: str) -> tuple[Descriptor, ...]:
    """Raises IntegrityError."""
    document = parse_document(data, OCI_INDEX, where)
    if not isinstance(document.content, Index):
        raise IntegrityError(where, "not an index", found=document.media_type)
    return document.content.manifests


def _descriptors(image: "Image") -> Iterator[Descriptor]:
    name = image.entry.name
    full = {FULL_NAME: image.entry.name_there}
    yield _named(replace(image.runs, platform=image.platform), name, full)
    if image.top.digest != image.runs.digest:
        yield _named(image.top, name + WHOLE, full)
    for one in image.beside:
        yield _named(one.descriptor, one.tag) if one.tag else one.descriptor


def _named(descriptor: Descriptor, name: str, more: Mapping[str, str] = MappingProxyType({})) -> Descriptor:
    return replace(descriptor, annotations=MappingProxyType({REF_NAME: name, **more}))
