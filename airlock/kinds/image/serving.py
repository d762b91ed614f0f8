"""Images as repositories of a registry: the part of the OCI distribution specification 1.1 that pulls, each manifest and blob
by the digest that it was locked with.

An image is there under its name in `airlock.toml`, and under the repository of the reference that it was pinned by.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from airlock.core.digest import Digest
from airlock.errors import IntegrityError, UsageError
from airlock.kinds.image.listing import FULL_NAME, LISTING, listed
from airlock.kinds.serving import Document, Holding, Offer, Placed, Query
from airlock.oci.documents import (
    MANIFESTS,
    OCI_INDEX,
    Descriptor,
    Index,
    Manifest,
    parse_document,
    write_descriptor,
)
from airlock.oci.layout import REF_NAME
from airlock.oci.reference import parse_reference

_API = {"Docker-Distribution-API-Version": "registry/2.0"}
_JSON = "application/json"
_BLOB = "application/octet-stream"
_UNNAMED = "latest"
"""The tag of an image that was pinned by its digest alone, as engines call it."""


@dataclass(slots=True, kw_only=True)
class _Repository:
    tags: dict[str, Digest] = field(default_factory=dict)
    manifests: dict[Digest, Descriptor] = field(default_factory=dict)
    blobs: set[Digest] = field(default_factory=set)
    referrers: dict[Digest, dict[Digest, Descriptor]] = field(default_factory=dict)


def served(holdings: Sequence[Holding]) -> Mapping[str, Offer]:
    """Raises IntegrityError where a manifest is not what was installed."""
    site = _Images(holdings)
    repositories: dict[str, _Repository] = {}
    for holding in holdings:
        if holding.artifact.placement.get("role") == "image":
            for name, tag in site.names_of(holding):
                _add(repositories.setdefault(name, _Repository()), holding, tag, site)
    if not repositories:
        return {}
    offers = dict(_ends(sorted(repositories)))
    for name, repository in repositories.items():
        offers.update(_offers(name, repository, site))
    return offers


class _Images:
    """What the generations have of images, by digest."""

    def __init__(self, holdings: Sequence[Holding]) -> None:
        self._files: dict[Digest, tuple[Holding, Placed]] = {}
        for holding in reversed(holdings):
            for placed in holding.files.values():
                self._files[placed.entry.digest] = holding, placed
        self.beside = [one for one in holdings if one.artifact.placement.get("role") == "beside"]
        self._full_names = dict(self._listed(reversed(holdings)))

    def _listed(self, holdings: Iterator[Holding]) -> Iterator[tuple[tuple[str, Digest], str]]:
        for holding in holdings:
            if holding.artifact.placement.get("role") == LISTING and (
                data := self.read(holding.artifact.digest)
            ):
                for one in listed(data, holding.artifact.label):
                    if full := one.annotations.get(FULL_NAME):
                        yield (one.annotations.get(REF_NAME, ""), one.digest), full

    def placed(self, digest: Digest) -> Placed | None:
        return self._files[digest][1] if digest in self._files else None

    def read(self, digest: Digest) -> bytes | None:
        if digest not in self._files:
            return None
        holding, placed = self._files[digest]
        return holding.read(placed)

    def content(self, descriptor: Descriptor) -> Manifest | Index | None:
        """None where the site does not have it, as an index's images for other platforms."""
        data = self.read(descriptor.digest)
        return (
            None if data is None else parse_document(data, descriptor.media_type, descriptor.digest).content
        )

    def names_of(self, image: Holding) -> Iterator[tuple[str, str]]:
        """Repositories and tags."""
        artifact = image.artifact
        yield artifact.name, artifact.version or _UNNAMED
        runs = artifact.placement.get("runs", "")
        for digest in (artifact.digest, runs):
            if full := self._full_names.get((artifact.name, Digest(digest))):
                try:
                    reference = parse_reference(full)
                except ValueError as error:
                    raise IntegrityError(f"{artifact.label}: {FULL_NAME}", str(error)) from error
                if reference.repository != artifact.name:
                    yield reference.repository, reference.tag
                return


def _add(repository: _Repository, image: Holding, tag: str, site: _Images) -> None:
    artifact = image.artifact
    top = Descriptor(
        media_type=artifact.placement.get("media_type", ""), digest=artifact.digest, size=artifact.size
    )
    repository.tags.setdefault(tag, top.digest)
    _add_manifest(repository, top, site)
    for one in site.beside:
        _add_beside(repository, one, site)


def _add_manifest(repository: _Repository, descriptor: Descriptor, site: _Images) -> None:
    if descriptor.digest in repository.manifests or (content := site.content(descriptor)) is None:
        return
    repository.manifests[descriptor.digest] = descriptor
    if isinstance(content, Index):
        for one in content.manifests:
            _add_manifest(repository, one, site)
    else:
        parts = (content.config, *content.layers)
        repository.blobs.update(part.digest for part in parts if site.placed(part.digest))


def _add_beside(repository: _Repository, one: Holding, site: _Images) -> None:
    """What signs or describes a manifest that is here: as a referrer, or under cosign's tag."""
    artifact, placement = one.artifact, one.artifact.placement
    of = placement.get("of", "")
    if of not in repository.manifests:
        return
    descriptor = Descriptor(
        media_type=placement.get("media_type", ""), digest=artifact.digest, size=artifact.size
    )
    _add_manifest(repository, descriptor, site)
    if tag := placement.get("tag"):
        repository.tags.setdefault(tag, artifact.digest)
    content = site.content(descriptor)
    if isinstance(content, Manifest) and content.subject and content.subject.digest == of:
        kind = content.artifact_type or content.config.media_type
        found = replace(descriptor, artifact_type=kind, annotations=content.annotations)
        repository.referrers.setdefault(content.subject.digest, {})[artifact.digest] = found


def _ends(names: Sequence[str]) -> Iterator[tuple[str, Offer]]:
    for path in ("/v2/", "/v2"):
        yield path, Offer(body=Document(data=b"{}", media=_JSON), headers=_API)
    yield "/v2/_catalog", Offer(body=Query(answer=partial(_page, {}, "repositories", names)))


def _offers(name: str, repository: _Repository, site: _Images) -> Iterator[tuple[str, Offer]]:
    base = f"/v2/{name}"
    tags = partial(_page, {"name": name}, "tags", sorted(repository.tags))
    yield f"{base}/tags/list", Offer(body=Query(answer=tags))
    references: dict[str, Digest] = dict(repository.tags)
    references.update((digest, digest) for digest in repository.manifests)
    for reference, digest in references.items():
        media_type = repository.manifests[digest].media_type
        yield f"{base}/manifests/{reference}", _blob(digest, media_type, site)
    for digest in repository.blobs:
        yield f"{base}/blobs/{digest}", _blob(digest, _BLOB, site)
    for digest, descriptor in repository.manifests.items():
        if descriptor.media_type in MANIFESTS or digest in repository.referrers:
            found = list(repository.referrers.get(digest, {}).values())
            yield f"{base}/referrers/{digest}", Offer(body=Query(answer=partial(_referrers, found)))


def _blob(digest: Digest, media_type: str, site: _Images) -> Offer:
    placed = site.placed(digest)
    assert placed is not None, "only what is placed is listed"
    headers = {"Docker-Content-Digest": digest, **_API}
    return Offer(body=replace(placed, media=media_type), headers=headers)


def _page(about: Mapping[str, str], key: str, names: Sequence[str], query: Mapping[str, str]) -> Offer:
    """All of them, or those after `last`, at most `n` (listing tags; listing repositories is Docker's)."""
    start = query.get("last", "")
    rest = [name for name in names if name > start]
    shown = rest[: _count(query["n"])] if "n" in query else rest
    headers = dict(_API)
    if len(shown) < len(rest) and shown:
        place = f"/v2/{about['name']}/tags/list" if about else "/v2/_catalog"
        headers["Link"] = f'<{place}?n={len(shown)}&last={shown[-1]}>; rel="next"'
    return Offer(body=_document({**about, key: shown}), headers=headers)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise UsageError("n", "not a number", found=repr(text[:40]))
    return int(text)


def _referrers(found: Sequence[Descriptor], query: Mapping[str, str]) -> Offer:
    wanted = query.get("artifactType", "")
    rows = [write_descriptor(one) for one in found if wanted in ("", one.artifact_type)]
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": rows}
    filtered = {"OCI-Filters-Applied": "artifactType"} if wanted else {}
    return Offer(body=_document(document, OCI_INDEX), headers={**_API, **filtered})


def _document(document: Mapping[str, Any], media: str = _JSON) -> Document:
    return Document(data=json.dumps(document, separators=(",", ":")).encode(), media=media)
