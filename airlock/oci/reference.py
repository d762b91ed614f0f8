"""References to images: `registry/repository:tag@digest`, by the grammar that every engine has in common.

A reference says its registry: no host is meant where none is written.
"""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from airlock.core.digest import Digest, parse_digest

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_HOST = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?|\[[0-9a-fA-F:]+\](?::[0-9]{1,5})?"
)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_LONGEST = 255
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    registry: str
    """A host, with its port if it has one, or the name of a `[[registry]]`."""
    repository: str
    tag: str
    """Empty where the digest alone says what is meant."""
    digest: Digest | None

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.registry}/{self.repository}{tag}" + (f"@{self.digest}" if self.digest else "")


def parse_reference(text: str) -> Reference:
    """Raises ValueError that says what is wrong."""
    rest, at, digest = text.partition("@")
    registry, slash, path = rest.partition("/")
    name, colon, tag = path.partition(":")
    if not slash or not _HOST.fullmatch(registry):
        raise ValueError(
            f"expected REGISTRY/REPOSITORY:TAG, found {text[:120]!r}: a reference says its registry"
        )
    if not _REPOSITORY.fullmatch(name) or len(name) > _LONGEST:
        raise ValueError(f"not the name of a repository: {name[:120]!r}")
    if colon and not _TAG.fullmatch(tag):
        raise ValueError(f"not a tag: {tag[:130]!r}")
    if not colon and not at:
        raise ValueError(f"{text!r} has neither a tag nor a digest: say which one is meant")
    found = _digest(digest) if at else None
    return Reference(registry=registry, repository=name, tag=tag, digest=found)


def is_tag(text: str) -> bool:
    return _TAG.fullmatch(text) is not None


def _digest(text: str) -> Digest:
    if text.startswith("sha512:"):
        raise ValueError("digests by sha512 are not supported: pin the one by sha256")
    try:
        return parse_digest(text)
    except Exception as error:
        raise ValueError(f"not a digest: {text[:120]!r}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Where a repository is really asked for."""

    base: str
    """Scheme, host and port."""
    repository: str

    def url(self, what: str) -> str:
        """Of `manifests/…`, `blobs/…` or `referrers/…` (OCI distribution specification, end points)."""
        return f"{self.base}/v2/{self.repository}/{what}"


def locate(registry: str, repository: str, declared: str | None) -> Location:
    """`declared` is the URL of the `[[registry]]` of that name: the path in it stands before the repository's name, as mirrors
    have it. Without one, TLS, and plain HTTP on the loopback."""
    if declared is None:
        scheme = "http" if urlsplit(f"//{registry}").hostname in LOOPBACK else "https"
        return Location(base=f"{scheme}://{registry}", repository=repository)
    parts = urlsplit(declared)
    prefix = parts.path.strip("/")
    return Location(
        base=f"{parts.scheme}://{parts.netloc}", repository=f"{prefix}/{repository}" if prefix else repository
    )
