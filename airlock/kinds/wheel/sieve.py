"""Pages cut to the rows that the targets of a lock can take, before they are parsed: nine of ten rows are for other machines.

Only speed: what is left passes every check that it would pass with the others around it, and without the native crate, or where
a page is odd in any way, all of them are parsed.
"""

from collections.abc import Collection

from airlock.core.native import native
from airlock.core.target import Target
from airlock.core.web import MAX_CONTENT, Reply
from airlock.kinds.wheel.simple import JSON_TYPE, Page, read_json


class Sieve:
    """Safe to use from many threads."""

    def __init__(self, targets: Collection[Target] = ()) -> None:
        self._targets = frozenset(targets)
        crate = native() if targets else None
        tags = {str(tag) for target in self._targets for tag in target.tags}
        self._filter = crate.RowFilter(sorted(tags)) if crate else None

    def covers(self, target: Target) -> bool:
        return target in self._targets

    def cut(self, reply: Reply, index: str, where: str, *, sdists: bool) -> Page | None:
        """The page with the wheels of the targets, and `sdists` or none. Raises FetchError where what is left is no page."""
        if self._filter is None or reply.headers.get("content-type") != JSON_TYPE:
            return None
        found = self._filter.cut(reply.body, reply.gzipped, MAX_CONTENT, sdists)
        return found and read_json(found[0], reply.url, index, where, has_files=found[1])
