"""Bundles and deltas as artifacts of a registry (OCI image specification 1.1, guidelines for artifact usage): one blob for each
member of the archive, in its order, so that what two bundles have in common is sent and kept once.
"""

from dataclasses import dataclass

from airlock.core.canonical_json import dumps
from airlock.core.digest import Digest, digest_of
from airlock.errors import IntegrityError
from airlock.oci.documents import OCI_MANIFEST, Descriptor, Manifest, write_descriptor

BUNDLE = "application/vnd.airlock.bundle.v1"
DELTA = "application/vnd.airlock.delta.v1"
MEMBER = "application/vnd.airlock.member.v1"
EMPTY = "application/vnd.oci.empty.v1+json"
NOTHING = b"{}"
"""What a manifest refers to as its configuration where it has none."""
TITLE = "org.opencontainers.image.title"
"""The annotation with a file's name."""
_MOST = 4096
"""Members; registries have to take no larger manifest than MAX_DOCUMENT."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    name: str
    digest: Digest
    size: int
    """Bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """An archive in a registry."""

    kind: str
    """BUNDLE or DELTA."""
    file: str
    """The archive's file name."""
    members: tuple[Member, ...]
    """In the archive's order."""


def write_carried(carried: Carried, where: str) -> bytes:
    """The manifest, the same for the same archive. Raises IntegrityError where no registry would have to take it."""
    if len(carried.members) > _MOST:
        hint = "carry the file itself"
        found = str(len(carried.members))
        raise IntegrityError(
            where, "too many members for a registry", expected=f"at most {_MOST}", found=found, hint=hint
        )
    empty = Descriptor(media_type=EMPTY, digest=digest_of(NOTHING), size=len(NOTHING))
    return dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": carried.kind,
            "config": write_descriptor(empty),
            "layers": [write_descriptor(_descriptor(member)) for member in carried.members],
            "annotations": {TITLE: carried.file},
        }
    )


def _descriptor(member: Member) -> Descriptor:
    return Descriptor(
        media_type=MEMBER, digest=member.digest, size=member.size, annotations={TITLE: member.name}
    )


def read_carried(manifest: Manifest, where: str) -> Carried:
    """Raises IntegrityError for what is no bundle or delta."""
    if manifest.artifact_type not in (BUNDLE, DELTA):
        raise IntegrityError(
            where,
            "neither a bundle nor a delta",
            expected=f"{BUNDLE} or {DELTA}",
            found=manifest.artifact_type or manifest.config.media_type,
            hint="`airlock push` puts them there",
        )
    names = [layer.annotations.get(TITLE, "") for layer in manifest.layers]
    if len(set(names)) != len(names):
        raise IntegrityError(where, "a member stands twice")
    members = tuple(
        Member(name=name, digest=layer.digest, size=layer.size)
        for name, layer in zip(names, manifest.layers, strict=True)
    )
    return Carried(kind=manifest.artifact_type, file=manifest.annotations.get(TITLE, ""), members=members)
