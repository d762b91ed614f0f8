"""Pages of an index as they were parsed for a target, kept so that an unchanged page is not parsed again.

A record stands for one page under one address. It holds the digest of the body that it was made from, what the body says of
the whole project, and for each target the rows of the files that the target can use, cut to what is read of them. Those rows
pass the very checks that they passed when the page was first read; a record that is no record, or of another body, is none.
"""

import hashlib
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from packaging.utils import NormalizedName

from airlock.core.target import Target
from airlock.core.web import Reply
from airlock.kinds.wheel.releases import Releases, Row, Wanted, cut, releases, selected
from airlock.kinds.wheel.sieve import Sieve
from airlock.kinds.wheel.simple import Head, Page, read_page
from airlock.storage.cachefile import read_checked, write_checked

FORMAT = 2
"""Grows with every change of what is selected from a page, or of how a row is read."""
TARGETS = 16
"""Answers that one record keeps; the oldest give way."""
MAX_RECORD = 64 << 20
"""Bytes."""
Record = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Where a page's record is, and the digest of its body."""

    place: Path
    digest: str


class Parsed:
    """Safe to use from many threads."""

    def __init__(self, cache: Path, sieve: Sieve | None = None) -> None:
        self._folder = cache / "pages"
        self._sieve = sieve or Sieve()
        self._lock = threading.Lock()
        self._parsing = threading.Lock()
        """Only one thread at a time can be parsing anyway; the others wait for it here with less ado."""
        self._records: dict[Kept, Record] = {}

    def page(self, reply: Reply, index: str, where: str, *, sdists: bool = False) -> Page:
        """The page, parsed now or when a row is asked for that no record has; of source distributions little may be
        known without `sdists`. Raises FetchError where it is none."""
        kept = self._kept(reply, index)
        record = self._read(kept)
        head = Head.of(record.get("head"))
        if head is None:
            page = self._fresh(reply, index, where, sdists)
            record = {"format": FORMAT, "body": kept.digest, "head": page.head.document(), "for": {}}
        else:
            page = Page(index=index, head=head, read=lambda: read_page(reply, index, where).rows)
        with self._lock:
            self._records[kept] = record
        return page.kept_as(kept)

    def _fresh(self, reply: Reply, index: str, where: str, sdists: bool) -> Page:
        if cut := self._sieve.cut(reply, index, where, sdists=sdists):
            whole = Page(index=index, head=cut.head, read=lambda: read_page(reply, index, where).rows)
            return replace(whole, cut=cut, has_sdists=sdists)
        with self._parsing:
            return read_page(reply, index, where)

    def _useful(self, page: Page, name: NormalizedName, wanted: Wanted) -> Page:
        """With all the rows that could count."""
        enough = self._sieve.covers(wanted.target) and (page.has_sdists or not wanted.build.allows(name))
        return page.cut if page.cut is not None and enough else page

    def releases(self, page: Page, name: NormalizedName, wanted: Wanted) -> Releases:
        """As `releases.releases`."""
        kept = page.kept
        if not isinstance(kept, Kept):
            return releases(page, name, wanted)
        key = _key(name, wanted)
        with self._lock:
            known = self._records[kept]["for"].get(key)
        if isinstance(known, list):
            with self._parsing:
                return selected(known, page, name)
        with self._parsing:
            found = releases(self._useful(page, name, wanted), name, wanted)
            self._keep(kept, key, [cut(row) for row in found.rows()])
        return found

    def _keep(self, kept: Kept, key: str, rows: list[Row]) -> None:
        with self._lock:
            record = self._records[kept]
            answers = dict(list(record["for"].items())[1 - TARGETS :])
            answers[key] = rows
            record["for"] = answers
            text = json.dumps(record, separators=(",", ":"))
        write_checked(kept.place, text.encode())

    def _kept(self, reply: Reply, index: str) -> Kept:
        kind = reply.headers.get("content-type", "")
        digest = hashlib.sha256(f"{kind}\n{reply.url}\n".encode())
        digest.update(reply.body)
        name = hashlib.sha256(f"{index}\n{reply.url}".encode()).hexdigest()[:32]
        return Kept(place=self._folder / f"{name}.json", digest=digest.hexdigest())

    def _read(self, kept: Kept) -> Record:
        data = read_checked(kept.place, MAX_RECORD)
        try:
            record = json.loads(data) if data else None
        except (ValueError, RecursionError):
            record = None
        fine = (
            isinstance(record, dict)
            and (record.get("format"), record.get("body")) == (FORMAT, kept.digest)
            and isinstance(record.get("for"), dict)
        )
        return record if fine and isinstance(record, dict) else {}


def _key(name: NormalizedName, wanted: Wanted) -> str:
    """Everything that `releases` looks at besides the page."""
    build = wanted.build
    parts: Mapping[str, Any] = {
        "name": name,
        "target": _target(wanted.target),
        "cutoff": wanted.exclude_newer.isoformat() if wanted.exclude_newer else None,
        "build": [name in build.always, build.allows(name)],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


@lru_cache(maxsize=64)
def _target(target: Target) -> str:
    tags = "\n".join(map(str, target.tags))
    return hashlib.sha256(f"{target.python_full}\n{tags}".encode()).hexdigest()
