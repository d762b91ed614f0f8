"""Pages and metadata, each asked for once and many at a time. Who asks, and when, never changes what is answered."""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from types import TracebackType
from typing import Self, TypeVar

from packaging.utils import NormalizedName

from airlock.core.target import Target
from airlock.core.web import Reply
from airlock.errors import FetchError, ResolutionError
from airlock.kinds import NearSide
from airlock.kinds.wheel.attestations import read_publisher
from airlock.kinds.wheel.metadata import Metadata, Unusable, parse_metadata, read_metadata
from airlock.kinds.wheel.parsed import Parsed
from airlock.kinds.wheel.releases import Releases, Wanted, WheelFile
from airlock.kinds.wheel.section import DEFAULT, PythonSection
from airlock.kinds.wheel.sieve import Sieve
from airlock.kinds.wheel.simple import ACCEPT, Page, absent, read_page

K = TypeVar("K")
V = TypeVar("V")

WORKERS = 16
"""Requests at a time."""
Outcome = Metadata | Unusable
"""Metadata, or why there is none to follow."""


class IndexClient:
    """Asks the indexes of one manifest. A package comes from exactly one index, never from whichever has more of it."""

    def __init__(
        self,
        near: NearSide,
        section: PythonSection,
        indexes: Mapping[str, str],
        targets: Collection[Target] = (),
    ) -> None:
        """`targets` are those that most questions are about."""
        self._near, self._section, self._indexes = near, section, indexes
        self._parsed = Parsed(near.cache, Sieve(targets))
        self._threads = ThreadPoolExecutor(WORKERS, thread_name_prefix="index")
        self._lock = threading.Lock()
        self._closing = False
        self._pages: dict[NormalizedName, Future[Page]] = {}
        self._metadata: dict[WheelFile, Future[Outcome]] = {}
        self._publishers: dict[WheelFile, Future[Mapping[str, str]]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._lock:
            self._closing = True
        self._threads.shutdown(wait=True, cancel_futures=True)

    def page(self, name: NormalizedName) -> Future[Page]:
        return self._once(self._pages, name, self._read_page)

    def releases(self, page: Page, name: NormalizedName, wanted: Wanted) -> Releases:
        """What the target can use of a page."""
        return self._parsed.releases(page, name, wanted)

    def metadata(self, file: WheelFile) -> Future[Outcome]:
        return self._once(self._metadata, file, self._read_metadata)

    def publisher(self, file: WheelFile) -> Future[Mapping[str, str]]:
        """Who the index says published the file; see `attestations`."""
        return self._once(self._publishers, file, self._read_publisher)

    def knows_metadata(self, file: WheelFile) -> bool:
        return file in self._metadata

    def _once(self, known: dict[K, Future[V]], key: K, read: Callable[[K], V]) -> Future[V]:
        with self._lock:
            if key not in known:
                known[key] = _cancelled() if self._closing else self._threads.submit(read, key)
            return known[key]

    def _read_page(self, name: NormalizedName) -> Page:
        """The page of the one index that has the project. Raises ResolutionError where more than one has."""
        indexes = self._section.indexes_of(name)
        read = partial(self._parsed.page, sdists=self._section.build.allows(name))
        pages = [fetch_page(name, index, self._indexes, self._near, read) for index in indexes]
        having = [page for page in pages if page.head.has_files]
        if len(having) > 1:
            raise _confused(name, having)
        return having[0] if having else pages[0]

    def _read_publisher(self, file: WheelFile) -> Mapping[str, str]:
        if file.provenance is None or not self._section.attestations:
            return {}
        return read_publisher(file.provenance, file.file, self._near)

    def _read_metadata(self, file: WheelFile) -> Outcome:
        try:
            return parse_metadata(read_metadata(file, self._near), file.file, file.name, file.version)
        except Unusable as reason:
            return reason


def _confused(name: NormalizedName, pages: Sequence[Page]) -> ResolutionError:
    """Whoever may upload to one index could stand in for a package of the other: dependency confusion."""
    names = [page.index for page in pages]
    rules = " or ".join(f'{name} = "{index}"' for index in names)
    return ResolutionError(
        name,
        f"stands on more than one index ({', '.join(names)}), and airlock does not guess which is meant",
        hint=f"say it below [python.sources]: {rules}; or give an index that only has what you send there "
        "`explicit = true`",
    )


def _cancelled() -> "Future[V]":
    """The answer to a guess that comes when nobody waits any more."""
    future: Future[V] = Future()
    future.cancel()
    future.set_running_or_notify_cancel()
    return future


def index_url(index: str, indexes: Mapping[str, str], near: NearSide) -> str:
    url = indexes.get(index) or (near.default_index() if index == DEFAULT else "")
    if not url:
        raise FetchError(
            index, "no such index", hint=f'declare it: [[index]] with name = "{index}" and its url'
        )
    return url if url.endswith("/") else f"{url}/"


def fetch_page(
    name: NormalizedName,
    index: str,
    indexes: Mapping[str, str],
    near: NearSide,
    read: Callable[[Reply, str, str], Page] = read_page,
) -> Page:
    """The page of one project; empty where the index does not have it (404, 410). Raises FetchError."""
    reply = near.web.get(f"{index_url(index, indexes, near)}{name}/", {"Accept": ACCEPT})
    where = f"index {index}: {name}"
    if reply.status in (404, 410):
        return absent(index)
    if reply.status != 200:
        hint = (
            "check that you may read this index; a password goes into ~/.netrc, the keyring, or "
            f"AIRLOCK_INDEX_{index.upper().replace('-', '_')}_PASSWORD"
        )
        raise FetchError(where, "the server refused", found=f"HTTP status {reply.status}", hint=hint)
    return read(reply, index, where)
