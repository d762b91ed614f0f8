"""The only package that opens a socket.

Plain questions go over connections of the standard library (`direct`), everything else by `requests` (`sessions`); index pages
are kept by RFC 9111 (`kept`), certificates are the system's by `truststore` unless the user's pip names others, proxies and
netrc follow requests' own rules. Which index is the default one is asked of the user's pip, by its command line alone.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from airlock.core.web import MAX_CONTENT, Body, Download, Reply
from airlock.errors import FetchError
from airlock.net.credentials import Credentials
from airlock.net.direct import Direct, Missed, limited
from airlock.net.faults import refused, shown
from airlock.net.kept import Answers
from airlock.net.patience import Patience, Watchdog
from airlock.net.pip import PipConfiguration, parse_default_index, parse_settings, setting

if TYPE_CHECKING:
    from airlock.net.sessions import Sessions

__all__ = [
    "Network",
    "Patience",
    "PipConfiguration",
    "parse_default_index",
    "parse_settings",
    "setting",
    "shown",
]


_MAX_ANSWER = 1 << 20
"""Bytes of what a server says to what was sent."""


class Network:
    """`airlock.core.web.Web` and `Sending` on the real network. Safe to use from many threads. Close it."""

    def __init__(
        self,
        cache: Path,
        pip: PipConfiguration,
        credentials: Credentials | None = None,
        *,
        attempts: int = 5,
        backoff: float = 0.5,
        patience: Patience | None = None,
    ) -> None:
        self._pip, self._attempts, self._backoff = pip, attempts, backoff
        self._patience = patience or Patience()
        self._credentials = credentials or Credentials(pip, {})
        self._watchdog = Watchdog()
        self._answers = Answers(cache)
        self._direct = Direct(pip, self._watchdog, self._patience)

    def get(self, url: str, headers: Mapping[str, str] | None = None, limit: int = MAX_CONTENT) -> Reply:
        wanted = dict(headers or {})
        plain = self._plain(url)
        if "Range" in wanted or "Cache-Control" in wanted:
            return self._ask(plain, wanted, limit)
        accept = wanted.get("Accept", "")
        kept = self._answers.find(plain, accept)
        if kept is not None and kept.fresh:
            return kept.reply
        reply = self._ask(plain, wanted | (kept.conditions if kept else {}), limit)
        if kept is not None and reply.status == 304:
            return self._answers.renew(plain, accept, kept, reply)
        self._answers.keep(plain, accept, reply)
        return reply

    @contextmanager
    def download(self, url: str, start: int = 0) -> Iterator[Download]:
        from airlock.net.sessions import first_byte

        plain = self._plain(url)
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
        with self._sessions.asking(plain, headers, self._attempts) as response:
            if response.status_code not in (200, 206):
                raise refused(plain, response.status_code)
            begins = first_byte(response) if response.status_code == 206 else 0
            yield Download(status=response.status_code, start=begins, chunks=self._sessions.body(response))

    def send(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, body: Body | None = None
    ) -> Reply:
        from airlock.net.sessions import Sent

        plain = self._plain(url)
        sent = Sent(method=method, body=body, follow=False)
        with self._sessions.asking(plain, headers or {}, 0 if body else self._attempts, sent) as response:
            return Reply(
                status=response.status_code,
                url=response.url,
                headers={name.lower(): value for name, value in response.headers.items()},
                body=b"".join(limited(self._sessions.body(response), response.url, _MAX_ANSWER)),
            )

    def close(self) -> None:
        self._watchdog.close()
        self._direct.close()
        if "_sessions" in vars(self):
            self._sessions.close()

    @cached_property
    def _sessions(self) -> "Sessions":
        from airlock.net.sessions import Sessions

        return Sessions(self._pip, self._credentials, self._watchdog, self._patience, self._backoff)

    def _plain(self, url: str) -> str:
        if not _is_web(url):
            raise FetchError(repr(shown(url)), "not an http or https address")
        return self._credentials.without(url)

    def _ask(self, url: str, headers: Mapping[str, str], limit: int) -> Reply:
        attempts = self._attempts
        if not self._has_login(url):
            found = self._direct.get(url, headers, limit)
            if isinstance(found, Reply) and found.status != 401:
                return found
            if isinstance(found, Missed) and found.asked:
                attempts -= 1
                time.sleep(found.pause)
        return self._ask_again(url, headers, max(0, attempts), limit)

    def _has_login(self, url: str) -> bool:
        token = "_sessions" in vars(self) and self._sessions.tokens.known(url)
        return bool(token) or self._credentials.login(url) is not None

    def _ask_again(self, url: str, headers: Mapping[str, str], attempts: int, limit: int) -> Reply:
        with self._sessions.asking(url, headers, attempts) as response:
            ignored = "Range" in headers and response.status_code == 200
            return Reply(
                status=response.status_code,
                url=response.url,
                headers={name.lower(): value for name, value in response.headers.items()},
                body=b""
                if ignored
                else b"".join(limited(self._sessions.body(response), response.url, limit)),
            )


def _is_web(url: str) -> bool:
    try:
        return urlsplit(url).scheme in ("http", "https")
    except ValueError:
        return False
