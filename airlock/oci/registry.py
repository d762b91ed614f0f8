"""A client of registries (OCI distribution specification 1.1, pulling): manifests, what refers to them, and where blobs are.

It holds no socket and no login: both are `Web`'s.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from airlock.core.digest import Digest, digest_of, hex_of
from airlock.core.web import Reply, Web
from airlock.errors import FetchError, IntegrityError
from airlock.oci.documents import (
    ACCEPT,
    INDEXES,
    MANIFESTS,
    MAX_DOCUMENT,
    OCI_INDEX,
    Descriptor,
    Document,
    Index,
    parse_document,
)
from airlock.oci.reference import Location

COSIGN = (".sig", ".att", ".sbom")
"""How tags of signatures, attestations and bills of materials end that cosign pushes: `sha256-HEX.sig`."""
_FRESH = {"Cache-Control": "no-cache"}
_NEXT = re.compile(r'<([^<>]*)>\s*;[^,<]*\brel="?next"?')
"""No part may be followed past the next `<`: a header of many would else be looked through for each."""
_MOST = 256
"""Manifests that may refer to one."""
_PAGES = 32
"""Of a list of them."""
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """One repository of a registry."""

    web: Web
    location: Location
    name: str
    """As the user wrote it, `registry/repository`, for messages."""

    def blob_url(self, digest: Digest) -> str:
        return self.location.url(f"blobs/{digest}")

    def manifest(self, reference: str, media_type: str = "") -> Document:
        """By tag or digest; `media_type` is what it was announced as, if it was. Raises FetchError, or IntegrityError where it
        is not what it should be."""
        reply = self._ask(reference)
        where = self._where(reference)
        if reply.status == 404:
            hint = "check the name and the tag; what a lock pins may have been deleted since"
            raise FetchError(where, "the registry has no such image", hint=hint)
        if reply.status != 200:
            raise _refused(where, reply.status)
        return self._document(reply, reference, media_type)

    def tagged(self, tag: str) -> Document | None:
        """None where there is no such tag. Raises as `manifest` does."""
        reply = self._ask(tag)
        return self._document(reply, tag, "") if reply.status == 200 else None

    def referrers(self, digest: Digest) -> tuple[Descriptor, ...]:
        """The manifests whose `subject` is `digest`, by the registry's own list, or by the tag that clients keep where it has
        none. Raises FetchError or IntegrityError."""
        url: str | None = self.location.url(f"referrers/{digest}")
        found: list[Descriptor] = []
        for page in range(_PAGES):
            if url is None:
                return self._limited(found, digest)
            reply = self.web.get(url, {"Accept": OCI_INDEX, **_FRESH}, MAX_DOCUMENT)
            where = self._where(f"referrers/{digest}")
            if reply.status != 200 or _content_type(reply) != OCI_INDEX:
                if page:
                    raise _refused(f"{where}, page {page + 1}", reply.status)
                return self._by_tag(digest)
            found += _manifests(parse_document(reply.content(MAX_DOCUMENT), OCI_INDEX, where))
            url = _next(reply)
        raise IntegrityError(
            self._where(digest), "the list of what refers to it has no end", found=f"{_PAGES} pages"
        )

    def signatures(self, digest: Digest) -> Iterator[tuple[str, Document]]:
        """What stands beside an image under cosign's tags, with the tags. Raises FetchError or IntegrityError."""
        for ending in COSIGN:
            tag = _tag_of(digest) + ending
            if (document := self.tagged(tag)) is not None:
                yield tag, document

    def _by_tag(self, digest: Digest) -> tuple[Descriptor, ...]:
        document = self.tagged(_tag_of(digest))
        return () if document is None else self._limited(list(_manifests(document)), digest)

    def _limited(self, found: list[Descriptor], digest: Digest) -> tuple[Descriptor, ...]:
        if len(found) > _MOST:
            raise IntegrityError(
                self._where(digest),
                "too much refers to it",
                expected=f"at most {_MOST}",
                found=str(len(found)),
            )
        return tuple(found)

    def _ask(self, reference: str) -> Reply:
        return self.web.get(
            self.location.url(f"manifests/{reference}"), {"Accept": ACCEPT, **_FRESH}, MAX_DOCUMENT
        )

    def _document(self, reply: Reply, reference: str, media_type: str) -> Document:
        data = reply.content(MAX_DOCUMENT)
        where, found = self._where(reference), digest_of(data)
        announced = reply.headers.get("docker-content-digest", "")
        pinned = reference if _DIGEST.fullmatch(reference) else announced
        if _DIGEST.fullmatch(pinned) and found != pinned:
            raise IntegrityError(where, "the registry sends another manifest", expected=pinned, found=found)
        said = _content_type(reply)
        return parse_document(data, media_type or (said if said in (*MANIFESTS, *INDEXES) else ""), where)

    def _where(self, reference: str) -> str:
        return f"{self.name}{'@' if _DIGEST.fullmatch(reference) else ':'}{reference}"


def _manifests(document: Document) -> tuple[Descriptor, ...]:
    return document.content.manifests if isinstance(document.content, Index) else ()


def _tag_of(digest: Digest) -> str:
    return f"sha256-{hex_of(digest)}"


def _content_type(reply: Reply) -> str:
    return reply.headers.get("content-type", "").partition(";")[0].strip()


def _next(reply: Reply) -> str | None:
    """The next page, on the same server (RFC 8288)."""
    match = _NEXT.search(reply.headers.get("link", ""))
    url = urljoin(reply.url, match[1]) if match else None
    return url if url and urlsplit(url)[:2] == urlsplit(reply.url)[:2] else None


def _refused(where: str, status: int) -> FetchError:
    hint = None
    if status in (401, 403):
        hint = "log in with `podman login`, `skopeo login` or `docker login`, and check that you may read it"
    return FetchError(where, "the registry refused", found=f"HTTP status {status}", hint=hint)
