"""Everything that belongs to one image on one platform: its index, manifest, configuration and layers, and what signs or
describes it."""

from collections.abc import Iterator
from dataclasses import dataclass

from airlock.core.digest import Digest
from airlock.core.fields import Fields
from airlock.core.reporter import Reporter
from airlock.errors import IntegrityError, ResolutionError, UsageError
from airlock.kinds.image.section import Entry
from airlock.kinds.image.sources import Source
from airlock.oci.documents import (
    DOCKER_CONFIG,
    MANIFESTS,
    MAX_CONFIG,
    OCI_CONFIG,
    Descriptor,
    Document,
    Index,
    Manifest,
    check_layers,
    read_json,
    read_platform,
)
from airlock.oci.platform import Platform, best

_REFERS_TO = "vnd.docker.reference.digest"
"""The annotation by which BuildKit's indexes say which of their images an attestation is of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """A manifest that signs or describes another one."""

    descriptor: Descriptor
    of: Digest
    tag: str
    """The one that it stands under, empty where it says itself what it is of."""
    parts: tuple[Descriptor, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    entry: Entry
    platform: Platform
    top: Descriptor
    """What the reference leads to, an index or a manifest."""
    runs: Descriptor
    """The manifest for the platform; the same where there is no index."""
    config: Descriptor
    layers: tuple[Descriptor, ...]
    beside: tuple[Beside, ...]


def gather(entry: Entry, platform: Platform, source: Source, reporter: Reporter) -> Image:
    """Raises FetchError, IntegrityError, ResolutionError or UsageError."""
    top = source.top()
    runs = _runs(entry, platform, top, source)
    manifest = runs.content
    if not isinstance(manifest, Manifest):
        raise IntegrityError(entry.where, "an index inside an index", found=runs.digest)
    check_layers(manifest, f"{entry.where}: {runs.digest}")
    _check_config(entry, platform, manifest, source)
    for layer in manifest.layers:
        source.keep(layer)
    found = {one.descriptor.digest: one for one in _beside(entry, top, runs, source, reporter)}
    return Image(
        entry=entry,
        platform=platform,
        top=top.descriptor,
        runs=runs.descriptor,
        config=manifest.config,
        layers=manifest.layers,
        beside=tuple(found[digest] for digest in sorted(found)),
    )


def _runs(entry: Entry, platform: Platform, top: Document, source: Source) -> Document:
    if isinstance(top.content, Manifest):
        return top
    candidates = [
        (one.platform, one) for one in top.content.manifests if one.platform and one.media_type in MANIFESTS
    ]
    chosen = best(candidates, platform)
    if chosen is None:
        known = sorted({str(found) for found, _ in candidates if found.os != "unknown"})
        raise ResolutionError(
            entry.where,
            f"{entry.name} has no image for {platform}",
            expected=f"one of {', '.join(known) or 'none'}",
            found=str(platform),
            hint="say which one is meant with `platform`, or leave the target out with `targets`",
        )
    return source.document(chosen)


def _check_config(entry: Entry, wanted: Platform, manifest: Manifest, source: Source) -> None:
    config = manifest.config
    if config.media_type not in (OCI_CONFIG, DOCKER_CONFIG):
        raise UsageError(
            entry.where, "no container image", expected="a container's configuration", found=config.media_type
        )
    where = f"{entry.where}: {config.digest}"
    fields = Fields(read_json(source.read(config, MAX_CONFIG), where, MAX_CONFIG), where, IntegrityError)
    if (named := len(fields.table("rootfs").texts("diff_ids", ()))) != len(manifest.layers):
        told = f"{len(manifest.layers)} in the manifest"
        raise IntegrityError(where, "no engine unpacks it", expected=f"{named} layers", found=told)
    if (found := read_platform(fields)).rank(wanted) is None:
        raise ResolutionError(
            entry.where,
            f"{entry.name} is for another platform",
            expected=str(wanted),
            found=str(found),
            hint=f'if an engine there runs it all the same, say platform = "{found}"',
        )


def _beside(
    entry: Entry, top: Document, runs: Document, source: Source, reporter: Reporter
) -> Iterator[Beside]:
    if not entry.signatures:
        return
    if isinstance(top.content, Index):
        for one in top.content.manifests:
            if one.annotations.get(_REFERS_TO) == runs.digest and one.media_type in MANIFESTS:
                yield from _one(source.document(one), runs.digest, "", source, reporter)
    for digest in dict.fromkeys((top.digest, runs.digest)):
        for tag, document in source.beside(digest):
            yield from _one(document, digest, tag, source, reporter)


def _one(document: Document, of: Digest, tag: str, source: Source, reporter: Reporter) -> Iterator[Beside]:
    content = document.content
    if not isinstance(content, Manifest):
        reporter.warn(f"{document.digest}, which refers to {of}, is an index and not carried along")
        return
    parts = tuple({one.digest: one for one in (content.config, *content.layers)}.values())
    for part in parts:
        source.keep(part)
    yield Beside(descriptor=document.descriptor, of=of, tag=tag, parts=parts)
