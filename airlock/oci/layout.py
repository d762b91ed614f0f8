"""Image layouts (OCI image specification, image layout), as a directory or as the tar that is called an OCI archive, and what
`docker save` and `podman save` write: images on disk, behind one interface."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from airlock.core.digest import Digest, digest_of, hex_of
from airlock.core.fields import Fields
from airlock.errors import IntegrityError, UsageError
from airlock.oci.documents import (
    INDEXES,
    MANIFESTS,
    MAX_DOCUMENT,
    OCI_INDEX,
    Descriptor,
    Document,
    Index,
    Manifest,
    parse_document,
    read_json,
)
from airlock.oci.files import Files, opened

MARKER = "oci-layout"
INDEX = "index.json"
VERSION = "1.0.0"
REF_NAME = "org.opencontainers.image.ref.name"
"""The annotation that names an image in a layout's index."""
_COSIGN = re.compile(r"sha256-[0-9a-f]{64}\.(sig|att|sbom)")


class Images(Protocol):
    """Some images on disk."""

    @property
    def saved(self) -> bool:
        """Whether an engine wrote them without the manifest that a registry has, so that digests are not the registry's."""

    def document(self, tag: str) -> Document:
        """The image that is called `tag`, or the only one where it is empty. Raises UsageError or IntegrityError."""

    def open(self, digest: Digest) -> tuple[BinaryIO, int]:
        """A blob, not checked yet, and its size in bytes. Raises IntegrityError."""

    def beside(self, digest: Digest) -> Iterator[tuple[str, Document]]:
        """Manifests that refer to `digest`, each with its tag or an empty one."""


def blob_path(digest: Digest) -> str:
    return f"blobs/sha256/{hex_of(digest)}"


class Layout:
    def __init__(self, files: Files, where: str) -> None:
        self._files, self._where = files, where
        marker = Fields(self._json(MARKER), f"{where}: {MARKER}", IntegrityError)
        if (version := marker.text("imageLayoutVersion")) != VERSION:
            raise marker.fault("imageLayoutVersion", f"expected {VERSION!r}, found {version[:40]!r}")
        document = parse_document(self._small(INDEX), OCI_INDEX, f"{where}: {INDEX}")
        if not isinstance(document.content, Index):
            raise IntegrityError(f"{where}: {INDEX}", "not an index", found=document.media_type)
        self._index = document.content.manifests

    @property
    def saved(self) -> bool:
        return self._files.size("manifest.json") is not None

    def document(self, tag: str) -> Document:
        return self._read(self._chosen(tag))

    def _chosen(self, tag: str) -> Descriptor:
        named = [one for one in self._index if _is_image(one)]
        found = [one for one in named if not tag or _is_called(one, tag)]
        if len({one.digest for one in found}) == 1:
            return found[0]
        names = sorted({one.annotations.get(REF_NAME, "") for one in named} - {""})
        what = f"has no image {tag!r}" if tag else f"has {len(found)} images"
        known = f"there are {', '.join(names)}" if names else "no image in it has a name"
        raise UsageError(self._where, what, hint=f"say with `tag` which one is meant: {known}")

    def open(self, digest: Digest) -> tuple[BinaryIO, int]:
        name = blob_path(digest)
        stream = self._files.open(name)
        return stream, self._files.size(name) or 0

    def beside(self, digest: Digest) -> Iterator[tuple[str, Document]]:
        prefix = f"sha256-{hex_of(digest)}"
        for one in self._index:
            name = one.annotations.get(REF_NAME, "")
            if one.media_type in MANIFESTS and one.digest != digest:
                document = self._read(one)
                signs = _COSIGN.fullmatch(name) is not None and name.startswith(prefix)
                if signs or _subject(document) == digest:
                    yield name if signs else "", document

    def _read(self, descriptor: Descriptor) -> Document:
        data = self._small(blob_path(descriptor.digest))
        where = f"{self._where}: {descriptor.digest}"
        if (found := digest_of(data)) != descriptor.digest:
            raise IntegrityError(where, "content does not match its digest", found=found)
        return parse_document(data, descriptor.media_type, where)

    def _json(self, name: str) -> object:
        return read_json(self._small(name), f"{self._where}: {name}", MAX_DOCUMENT)

    def _small(self, name: str) -> bytes:
        with self._files.open(name) as stream:
            return stream.read(MAX_DOCUMENT + 1)


def _is_image(one: Descriptor) -> bool:
    named = _COSIGN.fullmatch(one.annotations.get(REF_NAME, ""))
    return one.media_type in (*MANIFESTS, *INDEXES) and named is None and not one.artifact_type


def _is_called(one: Descriptor, tag: str) -> bool:
    """Layouts hold a tag there, or, as some tools write it, a whole reference."""
    name = one.annotations.get(REF_NAME, "")
    return tag in (name, name.rpartition(":")[2])


def _subject(document: Document) -> Digest | None:
    content = document.content
    return content.subject.digest if isinstance(content, Manifest) and content.subject else None


@contextmanager
def images_at(path: Path, where: str) -> Iterator[Images]:
    """What lies at `path`, told apart by its files. Raises UsageError or IntegrityError."""
    from airlock.oci.saved import MANIFEST, Saved

    with opened(path, where) as files:
        if files.size(MARKER) is not None:
            yield Layout(files, where)
        elif files.size(MANIFEST) is not None:
            yield Saved(files, where)
        else:
            raise UsageError(
                where,
                "neither an OCI layout nor an archive of images",
                expected=f"{MARKER} or {MANIFEST} in it",
            )
