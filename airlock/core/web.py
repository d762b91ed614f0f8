"""What the near side asks of the network, as an interface; `airlock.net` implements it, tests fake it."""

import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from airlock.errors import FetchError

MAX_CONTENT = 64 << 20
"""Bytes of a document, unpacked; more is refused. The largest index pages have some 20 MB."""
_GZIP = 31
"""zlib's `wbits` for a stream of gzip."""
_MOST_MEMBERS = 1000
"""Of one answer, which servers send as one. What is left is copied for each, so that many small ones would take hours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A whole answer. `headers` have lower-case names."""

    status: int
    url: str
    """After redirects."""
    headers: Mapping[str, str]
    body: bytes
    """As it was sent."""
    gzipped: bool = False

    def content(self, limit: int = MAX_CONTENT) -> bytes:
        """The body, unpacked. Raises FetchError where that is more than `limit` bytes, or breaks off."""
        if not self.gzipped:
            return self.body
        try:
            content = _unpacked(self.body, limit)
        except zlib.error as error:
            raise FetchError(self._shown, "the answer broke off, or is packed in no known way") from error
        if content is None:
            raise FetchError(self._shown, "the answer is too large", expected=f"at most {limit} bytes")
        return content

    @property
    def _shown(self) -> str:
        """Without a query, where signatures and tokens stand."""
        return self.url.partition("?")[0]


def _unpacked(data: bytes, limit: int) -> bytes | None:
    """Members of gzip, one after the other (RFC 1952, 2.2); None where they hold more than `limit` bytes. Raises zlib.error, also
    where they are too many."""
    found: list[bytes] = []
    while data:
        stream = zlib.decompressobj(_GZIP)
        found.append(stream.decompress(data, limit + 1))
        limit -= len(found[-1])
        if limit < 0:
            return None
        if not stream.eof or len(found) > _MOST_MEMBERS:
            raise zlib.error("incomplete, or in too many pieces")
        data = stream.unused_data
    return found[0] if len(found) == 1 else b"".join(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """An answer on its way; `start` is the offset of its first byte, 0 where the server ignored the range."""

    status: int
    start: int
    chunks: Iterator[bytes]


class Web(Protocol):
    def get(self, url: str, headers: Mapping[str, str] | None = None, limit: int = MAX_CONTENT) -> Reply:
        """Ask for a small document; answers may come from the HTTP cache. Any status below 500 is a Reply; raises
        FetchError where the host cannot be reached, keeps failing, or sends more than `limit` bytes. Where a `Range` was asked
        for and the server ignores it, the Reply has status 200 and no body, so that nobody loads a large file into memory by
        mistake. `Cache-Control` in `headers` keeps the answer out of the HTTP cache, for who keeps it elsewhere.

        Where the server asks for a login, a password (RFC 7617) or a token of a registry, it is given the user's, and no
        other host is."""

    def download(self, url: str, start: int = 0) -> AbstractContextManager[Download]:
        """Ask for a large file from offset `start` (bytes). Raises FetchError for any status but 200 and 206."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What is sent with a request."""

    size: int
    """Bytes."""
    chunks: Callable[[], Iterator[bytes]]
    """From the start, as often as it is called: a server may want a login first."""


class Sending(Protocol):
    """What pushing needs of the network besides."""

    def send(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, body: Body | None = None
    ) -> Reply:
        """Any request, with a login as `Web.get` has it. No redirect is followed. Any status below 500 but 429 is a Reply;
        raises FetchError for the others, and where the server cannot be reached. What has a body is tried once."""
