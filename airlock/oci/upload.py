"""Put blobs and manifests into a repository (OCI distribution specification 1.1, pushing)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import quote, urljoin, urlsplit

from airlock.core.digest import Digest
from airlock.core.web import Body, Reply, Sending
from airlock.errors import AirlockError, FetchError
from airlock.oci.reference import Location

PIECE = 32 << 20
"""Bytes sent at a time of a blob that is larger; what breaks off within them is sent again."""
_TRIES = 5
_KIND = {"Content-Type": "application/octet-stream"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    digest: Digest
    size: int
    """Bytes."""
    read: Callable[[int, int], Iterator[bytes]]
    """`read(offset, size)`, as often as it is called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploads:
    """Into one repository."""

    web: Sending
    location: Location
    name: str
    """As the user wrote it, `registry/repository`, for messages."""
    piece: int = PIECE

    def has(self, digest: Digest) -> bool:
        """Raises FetchError."""
        reply = self.web.send("HEAD", self.location.url(f"blobs/{digest}"))
        if reply.status not in (200, 404):
            raise self._refused("look a blob up", reply)
        return reply.status == 200

    def put(self, blob: Blob, progress: Callable[[int], None]) -> None:
        """Send a blob; what the registry says it has of a piece that broke off is not sent again. Raises FetchError."""
        reply = self.web.send("POST", self.location.url("blobs/uploads/"))
        if reply.status != 202:
            raise self._refused("begin an upload", reply)
        place, done = self._place(reply), 0
        while blob.size - done > self.piece:
            before = done
            place, done = self._piece(blob, place, before)
            if not before < done <= blob.size:
                what, found = "the registry says that it has what cannot be", f"{done} bytes"
                raise FetchError(self.name, what, expected=f"more than {before} bytes", found=found)
            progress(done - before)
        body = Body(size=blob.size - done, chunks=lambda: blob.read(done, blob.size - done))
        reply = self.web.send("PUT", _with_digest(place, blob.digest), _KIND, body)
        if reply.status != 201:
            raise self._refused("finish an upload", reply)
        progress(blob.size - done)

    def _piece(self, blob: Blob, place: str, done: int) -> tuple[str, int]:
        """Where the upload goes on, and how many bytes the registry has."""
        for attempt in range(1, _TRIES + 1):
            size = min(self.piece, blob.size - done)
            start = done
            body = Body(size=size, chunks=lambda: blob.read(start, size))  # noqa: B023  # used within this turn
            headers = {**_KIND, "Content-Range": f"{start}-{start + size - 1}"}
            try:
                reply = self.web.send("PATCH", place, headers, body)
            except AirlockError:
                if attempt == _TRIES:
                    raise
                place, done = self._state(place)
                continue
            if reply.status == 202:
                return self._place(reply), _received(reply, start + size)
            if reply.status != 416 or attempt == _TRIES:
                raise self._refused("take a piece", reply)
            place, done = self._state(place)
        raise AssertionError("the last try returned or raised")

    def _state(self, place: str) -> tuple[str, int]:
        reply = self.web.send("GET", place)
        if reply.status != 204:
            raise self._refused("say what it has of an upload", reply)
        return self._place(reply, place), _received(reply, 0)

    def put_manifest(self, reference: str, data: bytes, media_type: str) -> None:
        """Under a tag or digest. Raises FetchError."""
        body = Body(size=len(data), chunks=lambda: iter((data,)))
        url = self.location.url(f"manifests/{reference}")
        reply = self.web.send("PUT", url, {"Content-Type": media_type}, body)
        if reply.status != 201:
            raise self._refused("take the manifest", reply)

    def _place(self, reply: Reply, before: str | None = None) -> str:
        """Where an upload goes on; never out of TLS."""
        said = reply.headers.get("location", before or "")
        url = urljoin(reply.url, said)
        if not said or (urlsplit(reply.url).scheme, urlsplit(url).scheme) == ("https", "http"):
            raise FetchError(
                self.name, "the registry does not say where an upload goes on", found=repr(said[:120])
            )
        return url

    def _refused(self, what: str, reply: Reply) -> FetchError:
        hint = None
        if reply.status in (401, 403):
            hint = "log in with `podman login`, `skopeo login` or `docker login`, and check that you may write to it"
        elif reply.status == 405:
            hint = "this server is read only"
        return FetchError(
            self.name, f"the registry did not {what}", found=f"HTTP status {reply.status}", hint=hint
        )


def _with_digest(place: str, digest: Digest) -> str:
    """What the registry said of the place stays to the letter."""
    return f"{place}{'&' if urlsplit(place).query else '?'}digest={quote(digest, safe='')}"


def _received(reply: Reply, otherwise: int) -> int:
    """Of `Range: 0-N`, N + 1 (bytes)."""
    first, _, last = reply.headers.get("range", "").removeprefix("bytes=").partition("-")
    if first == "0" and last.isascii() and last.isdigit():
        return int(last) + 1 if int(last) else 0
    return otherwise
