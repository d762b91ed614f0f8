"""Answers that are kept for the next time, by RFC 9111: taken as they are while they are fresh, and then only where the server
says that nothing changed. One file for each address; what cannot be read or written is asked for again."""

import hashlib
import json
import os
import re
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from airlock.core.native import native
from airlock.core.web import Reply

FRESH = 600
"""Seconds for which an answer is good that comes with nothing to judge its age by (RFC 9111, 4.2.2)."""
_FORMAT = 1
_TELLING = ("cache-control", "expires", "etag", "pragma")
_KEPT = (*_TELLING, "date", "last-modified", "content-type")
"""Headers; the others are about the connection, or nobody reads them."""
_CONDITIONS = {"etag": "If-None-Match", "last-modified": "If-Modified-Since"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    reply: Reply
    fresh: bool

    @property
    def conditions(self) -> dict[str, str]:
        """Headers that ask whether anything changed."""
        headers = self.reply.headers
        return {asking: headers[name] for name, asking in _CONDITIONS.items() if name in headers}


class Answers:
    """Safe to use from many threads and processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, url: str, accept: str) -> Kept | None:
        try:
            data = self._place(url, accept).read_bytes()
            head, _, body = data.partition(b"\n")
            document = json.loads(head)
            fine = (document["format"], document["size"]) == (_FORMAT, len(body))
            return _read(document, body) if fine else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def keep(self, url: str, accept: str, reply: Reply) -> None:
        """Whatever may be kept. `url` is what was asked for."""
        seconds = _lifetime(reply.headers, time.time())
        varies = reply.headers.get("vary", "").lower()
        if reply.status != 200 or seconds is None or "authorization" in varies or "*" in varies:
            return
        headers = {name: value for name, value in reply.headers.items() if name in _KEPT}
        if seconds > 0 or any(name in headers for name in _CONDITIONS):
            self._write(self._place(url, accept), replace(reply, headers=headers), time.time() + seconds)

    def renew(self, url: str, accept: str, kept: Kept, reply: Reply) -> Reply:
        """The answer that `reply`, with status 304, says to be good still."""
        fresh = replace(kept.reply, headers={**kept.reply.headers, **_of(reply.headers)})
        self.keep(url, accept, fresh)
        return fresh

    def _place(self, url: str, accept: str) -> Path:
        name = hashlib.sha256(f"{url}\n{accept}".encode()).hexdigest()
        return self._folder / name

    def _write(self, place: Path, reply: Reply, until: float) -> None:
        document = {
            "format": _FORMAT,
            "url": reply.url,
            "headers": dict(reply.headers),
            "gzipped": reply.gzipped,
            "size": len(reply.body),
            "until": until,
        }
        head = json.dumps(document).encode() + b"\n"
        with suppress(OSError):
            if crate := native():
                crate.keep_file(place.parent, place.name, [head, reply.body])
                return
            if not self._folder.exists():
                self._folder.mkdir(0o700, parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self._folder, prefix=".")
            with os.fdopen(handle, "wb") as stream:
                stream.write(head + reply.body)
            Path(name).replace(place)


def _of(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name in _KEPT and name != "content-type"}


def _read(document: Mapping[str, Any], body: bytes) -> Kept:
    """Raises KeyError, TypeError or ValueError."""
    reply = Reply(
        status=200,
        url=str(document["url"]),
        headers={str(name): str(value) for name, value in document["headers"].items()},
        body=body,
        gzipped=bool(document["gzipped"]),
    )
    # A clock that was put back makes nothing fresh for longer than it was.
    left = float(document["until"]) - time.time()
    seconds = _lifetime(reply.headers, time.time()) or 0
    return Kept(reply=reply, fresh=0 < left <= seconds + 1)


def _lifetime(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds for which an answer is good from now on; None where it must not be kept."""
    control = headers.get("cache-control", "").lower()
    if re.search(r"\bno-store\b", control):
        return None
    if re.search(r"\bno-cache\b", control):
        return 0
    age = headers.get("age", "")
    gone = int(age) if age.isdecimal() and len(age) < 10 else 0
    if match := re.search(r"\bmax-age=\"?(\d{1,10})", control):
        return max(0, int(match[1]) - gone)
    if "expires" in headers:
        return max(0, _instant(headers["expires"]) - _instant(headers.get("date", ""), now))
    return 0 if any(name in headers for name in _TELLING) else FRESH


def _instant(text: str, otherwise: float = 0) -> float:
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return otherwise
