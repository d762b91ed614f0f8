"""What the near side asks of the network, as an interface; `airlock.net` implements it, tests fake it."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A whole answer. `headers` have lower-case names."""

    status: int
    url: str
    """After redirects."""
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """An answer on its way; `start` is the offset of its first byte, 0 where the server ignored the range."""

    status: int
    start: int
    chunks: Iterator[bytes]


class Web(Protocol):
    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Reply:
        """Ask for a small document; answers may come from the HTTP cache. Any status below 500 is a Reply; raises
        FetchError where the host cannot be reached or keeps failing. Where a `Range` was asked for and the server ignores it,
        the Reply has status 200 and no body, so that nobody loads a large file into memory by mistake. `Cache-Control` in
        `headers` keeps the answer out of the HTTP cache, for who keeps it elsewhere."""

    def download(self, url: str, start: int = 0) -> AbstractContextManager[Download]:
        """Ask for a large file from offset `start` (bytes). Raises FetchError for any status but 200 and 206."""
