"""Image manifests and indexes (OCI image specification 1.1; Docker's schema 2), read with suspicion.

Whoever holds a registry chooses these bytes: their size is limited before they are read, no key stands twice, a document is
what its media type says and nothing besides (CVE-2021-41190), and digests are sha256.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airlock.core.canonical_json import no_duplicates
from airlock.core.digest import Digest, digest_of, parse_digest
from airlock.core.fields import Fields
from airlock.errors import IntegrityError
from airlock.formats.rows import MAX_ARTIFACT
from airlock.oci.platform import Platform

MAX_DOCUMENT = 4 << 20
"""Bytes of a manifest or index: what registries have to take (OCI distribution specification, pushing manifests)."""
MAX_CONFIG = 8 << 20
"""Bytes of an image's configuration."""
_MOST = 4096
"""Layers of an image, or manifests of an index."""

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
MANIFESTS = (OCI_MANIFEST, DOCKER_MANIFEST)
INDEXES = (OCI_INDEX, DOCKER_LIST)
ACCEPT = ", ".join((OCI_INDEX, DOCKER_LIST, OCI_MANIFEST, DOCKER_MANIFEST))
_LAYER = re.compile(
    r"application/vnd\.(oci\.image\.layer\.v1\.tar(\+gzip|\+zstd)?(\+encrypted)?|docker\.image\.rootfs\.diff\.tar(\.gzip|\.zstd)?)"
)
_ELSEWHERE = re.compile(
    r"application/vnd\.(oci\.image\.layer\.nondistributable\.|docker\.image\.rootfs\.foreign\.).*"
)
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    media_type: str
    digest: Digest
    size: int
    """Bytes."""
    platform: Platform | None = None
    artifact_type: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    config: Descriptor
    layers: tuple[Descriptor, ...]
    artifact_type: str
    subject: Descriptor | None
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    manifests: tuple[Descriptor, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A manifest or an index, and the very bytes that its digest is of."""

    media_type: str
    data: bytes
    content: Manifest | Index

    @property
    def digest(self) -> Digest:
        return digest_of(self.data)

    @property
    def descriptor(self) -> Descriptor:
        kind = self.content.artifact_type if isinstance(self.content, Manifest) else ""
        return Descriptor(
            media_type=self.media_type, digest=self.digest, size=len(self.data), artifact_type=kind
        )


def parse_document(data: bytes, media_type: str, where: str) -> Document:
    """`media_type` is what the registry, or whoever refers to it, says of it; empty for what the document says itself, or, as
    OCI's own may say nothing, by what it has. Raises IntegrityError with the place of the fault."""
    fields = Fields(read_json(data, where, MAX_DOCUMENT), where, IntegrityError)
    if (version := fields.integer("schemaVersion")) != 2:
        hint = "push it anew with a current tool" if version == 1 else "update airlock"
        raise IntegrityError(where, "unknown manifest schema", expected="2", found=str(version), hint=hint)
    said = fields.text("mediaType", "")
    if said and media_type in (*MANIFESTS, *INDEXES) and said != media_type:
        raise fields.fault("mediaType", f"contradicts what it was announced as: {said!r}, not {media_type!r}")
    kind = said or media_type or (OCI_INDEX if "manifests" in fields else OCI_MANIFEST)
    if kind in INDEXES:
        content: Manifest | Index = _index(fields)
    elif kind in MANIFESTS:
        content = _manifest(fields)
    else:
        raise IntegrityError(where, "neither an image manifest nor an index", found=repr(kind[:100]))
    return Document(media_type=kind, data=data, content=content)


def _index(fields: Fields) -> Index:
    if "layers" in fields or "config" in fields:
        raise fields.fault("", "is an index and has the parts of a manifest besides")
    return Index(manifests=_descriptors(fields, "manifests"))


def _manifest(fields: Fields) -> Manifest:
    if "manifests" in fields:
        raise fields.fault("", "is a manifest and has the parts of an index besides")
    config, subject = fields.table("config"), fields.table("subject")
    return Manifest(
        config=read_descriptor(config),
        layers=_descriptors(fields, "layers"),
        artifact_type=_media_type(fields, "artifactType") if "artifactType" in fields else "",
        subject=read_descriptor(subject) if "subject" in fields else None,
        annotations=_annotations(fields),
    )


def _descriptors(fields: Fields, key: str) -> tuple[Descriptor, ...]:
    found = tuple(read_descriptor(table) for table in fields.tables(key))
    if len(found) > _MOST:
        raise fields.fault(key, f"expected at most {_MOST}, found {len(found)}")
    return found


def read_descriptor(fields: Fields) -> Descriptor:
    """Raises IntegrityError."""
    platform = fields.table("platform") if fields.raw("platform") is not None else None
    return Descriptor(
        media_type=_media_type(fields, "mediaType"),
        digest=_digest(fields),
        size=fields.integer("size", limit=MAX_ARTIFACT),
        platform=read_platform(platform) if platform else None,
        artifact_type=_media_type(fields, "artifactType") if fields.raw("artifactType") else "",
        annotations=_annotations(fields),
    )


def _annotations(fields: Fields) -> Mapping[str, str]:
    if fields.raw("annotations") is None:
        return {}
    annotations = fields.table("annotations")
    return {key: annotations.text(key) for key in annotations.items()}


def _digest(fields: Fields) -> Digest:
    text = fields.text("digest")
    algorithm, colon, _ = text.partition(":")
    if colon and algorithm != "sha256":
        raise fields.fault(
            "digest",
            f"expected a digest by sha256, found one by {algorithm[:20]!r}",
            "airlock carries images with digests by sha256; push it anew with those",
        )
    return fields.parsed("digest", lambda text, _: parse_digest(text))


def _media_type(fields: Fields, key: str) -> str:
    text = fields.text(key)
    if not _MEDIA_TYPE.fullmatch(text):
        raise fields.fault(key, f"expected a media type, found {text[:100]!r}")
    return text


def read_platform(fields: Fields) -> Platform:
    """The keys `os`, `architecture` and `variant`, of a descriptor's platform or of a configuration."""
    return Platform(
        os=fields.text("os"), architecture=fields.text("architecture"), variant=fields.text("variant", "")
    )


def check_layers(manifest: Manifest, where: str) -> None:
    """Every layer is one that engines unpack, and that the registry has. Raises IntegrityError."""
    for number, layer in enumerate(manifest.layers):
        place = f"{where}: layers[{number}]"
        if _ELSEWHERE.fullmatch(layer.media_type):
            raise IntegrityError(
                place,
                "its bytes are not to be had from the registry, only from addresses of others",
                found=layer.media_type,
                hint="push the image with that layer as an ordinary one",
            )
        if not _LAYER.fullmatch(layer.media_type):
            raise IntegrityError(place, "not a layer of an image", found=layer.media_type)


def read_json(data: bytes, where: str, limit: int) -> Any:
    """A document of others: any spelling, but no key twice and no depth without end. Raises IntegrityError."""
    if len(data) > limit:
        raise IntegrityError(
            where, "too large", expected=f"at most {limit} bytes", found=f"{len(data)} bytes"
        )
    try:
        return json.loads(data, object_pairs_hook=no_duplicates)
    except (ValueError, RecursionError) as error:
        raise IntegrityError(where, f"not JSON, {str(error) or 'too deep'}") from error


def write_descriptor(descriptor: Descriptor) -> dict[str, Any]:
    """As JSON has it; what is empty is left out."""
    table: dict[str, Any] = {
        "mediaType": descriptor.media_type,
        "digest": descriptor.digest,
        "size": descriptor.size,
    }
    if descriptor.platform:
        table["platform"] = descriptor.platform.document()
    if descriptor.artifact_type:
        table["artifactType"] = descriptor.artifact_type
    if descriptor.annotations:
        table["annotations"] = dict(sorted(descriptor.annotations.items()))
    return table
