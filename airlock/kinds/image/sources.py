"""Where an image is read from when it is locked: a registry, or a layout or archive on disk."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from airlock.core.artifact import Artifact
from airlock.core.digest import Digest, chunks_of
from airlock.errors import IntegrityError
from airlock.formats.manifest import Manifest
from airlock.kinds import NearSide
from airlock.kinds.download import download
from airlock.kinds.image.section import Entry, OnDisk
from airlock.kinds.inside import path_inside
from airlock.oci.documents import MAX_DOCUMENT, Descriptor, Document, parse_document
from airlock.oci.layout import Images, images_at
from airlock.oci.reference import Reference, locate
from airlock.oci.registry import Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """What the previous lock has of an image from a registry, and the tag is not asked again."""

    top: Digest
    beside: Mapping[Digest, Sequence[tuple[str, Digest]]] | None = field(default_factory=dict)
    """By the manifest that is referred to: tags, which may be empty, and manifests; None where nobody asked for them yet."""


class Source(Protocol):
    def top(self) -> Document:
        """What the user's reference leads to. Raises FetchError, IntegrityError or UsageError."""

    def document(self, descriptor: Descriptor) -> Document: ...

    def read(self, descriptor: Descriptor, limit: int) -> bytes:
        """A small blob, which is in the store afterwards. Raises IntegrityError where it is larger than `limit`."""

    def beside(self, digest: Digest) -> Iterator[tuple[str, Document]]:
        """What refers to a manifest: each with the tag that it stands under, if there is one."""

    def keep(self, descriptor: Descriptor) -> None:
        """Bring a blob into the store that cannot be fetched later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FromRegistry:
    registry: Registry
    reference: Reference
    near: NearSide
    pinned: Pinned | None

    def top(self) -> Document:
        if (digest := self.reference.digest or (self.pinned.top if self.pinned else None)) is not None:
            return self._by_digest(digest, "")
        return self._stored(self.registry.manifest(self.reference.tag))

    def document(self, descriptor: Descriptor) -> Document:
        return self._by_digest(descriptor.digest, descriptor.media_type)

    def read(self, descriptor: Descriptor, limit: int) -> bytes:
        where = f"{self.registry.name}@{descriptor.digest}"
        check_size(descriptor, limit, where)
        if descriptor.digest not in self.near.store:
            blob = artifact_of(descriptor, where)
            download(self.registry.blob_url(descriptor.digest), blob, self.near)
        return _checked(self.near, descriptor, limit, where)

    def beside(self, digest: Digest) -> Iterator[tuple[str, Document]]:
        if self.pinned is not None and self.pinned.beside is not None:
            for tag, one in self.pinned.beside.get(digest, ()):
                yield tag, self._by_digest(one, "")
            return
        for descriptor in self.registry.referrers(digest):
            yield "", self.document(descriptor)
        for tag, document in self.registry.signatures(digest):
            yield tag, self._stored(document)

    def keep(self, descriptor: Descriptor) -> None: ...

    def _by_digest(self, digest: Digest, media_type: str) -> Document:
        if digest in self.near.store:
            return parse_document(
                _from_store(self.near, digest, MAX_DOCUMENT), media_type, f"{self.registry.name}@{digest}"
            )
        return self._stored(self.registry.manifest(digest, media_type))

    def _stored(self, document: Document) -> Document:
        self.near.store.put([document.data], document.digest)
        return document


@dataclass(frozen=True, slots=True, kw_only=True)
class FromDisk:
    images: Images
    on_disk: OnDisk
    where: str
    near: NearSide

    def top(self) -> Document:
        document = self.images.document(self.on_disk.tag)
        if self.images.saved:
            self.near.reporter.warn(
                f"{self.where} was written by an engine: its image has not the digests that a registry gives it"
            )
        self.near.store.put([document.data], document.digest)
        return document

    def document(self, descriptor: Descriptor) -> Document:
        self.keep(descriptor)
        data = _from_store(self.near, descriptor.digest, MAX_DOCUMENT)
        return parse_document(data, descriptor.media_type, f"{self.where}: {descriptor.digest}")

    def read(self, descriptor: Descriptor, limit: int) -> bytes:
        check_size(descriptor, limit, self.where)
        self.keep(descriptor)
        return _checked(self.near, descriptor, limit, self.where)

    def beside(self, digest: Digest) -> Iterator[tuple[str, Document]]:
        for tag, document in self.images.beside(digest):
            self.near.store.put([document.data], document.digest)
            yield tag, document

    def keep(self, descriptor: Descriptor) -> None:
        if descriptor.digest in self.near.store:
            return
        stream, size = self.images.open(descriptor.digest)
        with stream:
            where = f"{self.where}: {descriptor.digest}"
            if size != descriptor.size:
                raise _another_size(where, descriptor, size)
            self.near.store.put(chunks_of(stream), descriptor.digest, where)


@contextmanager
def source_of(entry: Entry, manifest: Manifest, near: NearSide, pinned: Pinned | None) -> Iterator[Source]:
    """Raises UsageError or IntegrityError."""
    if isinstance(entry.source, Reference):
        registry = registry_of(entry.source, manifest, near)
        yield FromRegistry(registry=registry, reference=entry.source, near=near, pinned=pinned)
        return
    with images_of(entry.source, near, f"{entry.where}.path") as images:
        yield FromDisk(images=images, on_disk=entry.source, where=entry.source.path, near=near)


@contextmanager
def images_of(source: OnDisk, near: NearSide, where: str) -> Iterator[Images]:
    with images_at(path_inside(near.directory, source.path, where), source.path) as images:
        yield images


def registry_of(reference: Reference, manifest: Manifest | None, near: NearSide) -> Registry:
    declared = manifest.registries.get(reference.registry) if manifest else None
    return Registry(
        web=near.web,
        location=locate(reference.registry, reference.repository, declared),
        name=f"{reference.registry}/{reference.repository}",
    )


def artifact_of(descriptor: Descriptor, name: str) -> Artifact:
    """A blob on its way, before it has a place in a lock."""
    return Artifact(
        kind="image", name=name, version="", file="blob", size=descriptor.size, digest=descriptor.digest
    )


def check_size(descriptor: Descriptor, limit: int, where: str) -> None:
    if descriptor.size > limit:
        raise IntegrityError(
            where, "too large", expected=f"at most {limit} bytes", found=f"{descriptor.size} bytes"
        )


def _checked(near: NearSide, descriptor: Descriptor, limit: int, where: str) -> bytes:
    """Its size as well, which the lock takes over: what the store had before was never compared with it."""
    data = _from_store(near, descriptor.digest, limit)
    if len(data) != descriptor.size:
        raise _another_size(where, descriptor, len(data))
    return data


def _another_size(where: str, descriptor: Descriptor, found: int) -> IntegrityError:
    return IntegrityError(where, "another size", expected=str(descriptor.size), found=str(found))


def _from_store(near: NearSide, digest: Digest, limit: int) -> bytes:
    """One byte more than `limit` where there are more: who says what a digest is of may be wrong, and the store has layers too."""
    with near.store.open(digest) as stream:
        return stream.read(limit + 1)
