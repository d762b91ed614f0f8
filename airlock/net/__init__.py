"""The only package that opens a socket.

HTTP by `requests`, index pages kept by `CacheControl` (RFC 9111), certificates of the system by `truststore` unless the
user's pip names others, proxies and netrc by requests' own rules. Which index is the default one is asked of the user's
pip, by its command line alone.
"""

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter

from airlock import __version__
from airlock.core.web import Download, Reply
from airlock.errors import FetchError
from airlock.net.adapters import Caching, Configured, Fresh, Pages, Trusting, Watch, tries
from airlock.net.credentials import Credentials, Login
from airlock.net.faults import refused, shown, unreachable
from airlock.net.patience import Patience, Watchdog
from airlock.net.pip import PipConfiguration, parse_default_index, parse_settings, setting

__all__ = [
    "Network",
    "Patience",
    "PipConfiguration",
    "parse_default_index",
    "parse_settings",
    "setting",
    "shown",
]

MAX_BODY = 64 << 20
"""Bytes of a document, decompressed; more is refused while it arrives. The largest index pages have some 20 MB."""
STEP = 1 << 16
"""Bytes that are passed on at a time; what of a download broke off within them is fetched again."""
CONNECTIONS = 24
REDIRECTS = 10


class Network:
    """`airlock.core.web.Web` on the real network. Safe to use from many threads: each has its own session, all share one
    pool of connections and one cache. Close it."""

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
        self._patience = patience or Patience()
        self._credentials = credentials or Credentials(pip, {})
        self._threads = threading.local()
        self._watchdog = Watchdog()
        again = tries(attempts, backoff, self._patience.again)
        watch = Watch(watchdog=self._watchdog, patience=self._patience)
        common: dict[str, Any] = {"watch": watch, "pool_maxsize": CONNECTIONS, "max_retries": again}
        caching = common | {"cache": Pages(cache), "heuristic": Fresh()}
        self._adapters: Mapping[bool, BaseAdapter] = {
            True: Configured(pip, Caching, caching),
            False: Configured(pip, Trusting, common),
        }

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Reply:
        wanted = dict(headers or {})
        ranged = any(name.lower() == "range" for name in wanted)
        with self._asking(url, wanted, cached=not (ranged or "Cache-Control" in wanted)) as response:
            ignored = ranged and response.status_code == 200
            return Reply(
                status=response.status_code,
                url=response.url,
                headers={name.lower(): value for name, value in response.headers.items()},
                body=b"" if ignored else b"".join(_limited(self._body(response), response.url)),
            )

    @contextmanager
    def download(self, url: str, start: int = 0) -> Iterator[Download]:
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
        with self._asking(url, headers, cached=False) as response:
            if response.status_code not in (200, 206):
                raise refused(url, response.status_code)
            begins = _first_byte(response) if response.status_code == 206 else 0
            yield Download(status=response.status_code, start=begins, chunks=self._body(response))

    def close(self) -> None:
        self._watchdog.close()
        for adapter in self._adapters.values():
            adapter.close()

    @contextmanager
    def _asking(self, url: str, headers: dict[str, str], *, cached: bool) -> Iterator[requests.Response]:
        if not _is_web(url):
            raise FetchError(repr(shown(url)), "not an http or https address")
        plain = self._credentials.without(url)
        response = self._send(plain, headers, self._credentials.login(plain), cached=cached)
        if response.status_code == 401 and (login := self._credentials.ask(plain)):
            response.close()
            response = self._send(plain, headers, login, cached=cached)
        with closing(response):
            if response.status_code >= 500 or response.status_code == 429:
                raise refused(plain, response.status_code)
            yield response

    def _send(
        self, url: str, headers: dict[str, str], login: Login | None, *, cached: bool
    ) -> requests.Response:
        auth = None if login is None else (login.user, login.password)
        timeout = (self._patience.connect, self._patience.read)
        try:
            return self._session(cached).get(url, headers=headers, auth=auth, stream=True, timeout=timeout)
        except (requests.RequestException, ValueError) as error:
            raise unreachable(url, error) from error

    def _body(self, response: requests.Response) -> Iterator[bytes]:
        """The body in pieces, each of which has its time."""
        chunks = iter(response.iter_content(STEP))
        while True:
            with self._watchdog.limit(self._patience.piece, response.raw.shutdown) as limit:
                try:
                    piece = _piece(chunks)
                except (requests.RequestException, OSError) as error:
                    if not limit.expired:
                        raise unreachable(response.url, error) from error
                    piece = b""
            if limit.expired:
                raise FetchError(
                    shown(response.url),
                    "the server is too slow",
                    expected=f"{STEP >> 10} KiB within {self._patience.piece:g} seconds",
                    hint="try again later, or use another mirror",
                )
            if not piece:
                return
            yield piece

    def _session(self, cached: bool) -> requests.Session:
        name = "cached" if cached else "plain"
        session: requests.Session | None = getattr(self._threads, name, None)
        if session is None:
            session = _Session()
            session.max_redirects = REDIRECTS
            session.headers["User-Agent"] = f"airlock/{__version__}"
            session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
            for scheme in ("http://", "https://"):
                session.mount(scheme, self._adapters[cached])
            setattr(self._threads, name, session)
        return session


class _Session(requests.Session):
    """requests keeps a login back where a redirect leads to another host; here one may not lead out of TLS either."""

    def __init__(self) -> None:
        super().__init__()
        self._settings: dict[tuple[str, str, str], Any] = {}

    def merge_environment_settings(  # type: ignore[override]  # the rest is passed on as it comes
        self, url: str, *given: Any
    ) -> Any:
        """Proxies and certificates of the environment, worked out once for each host and not for each request."""
        parts = urlsplit(url)
        key = (parts.scheme, parts.netloc, repr(given))
        if key not in self._settings:
            self._settings[key] = super().merge_environment_settings(url, *given)
        return dict(self._settings[key])

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        target = super().get_redirect_target(resp)
        if target and urlsplit(resp.url).scheme == "https" and urlsplit(target).scheme not in ("", "https"):
            raise requests.exceptions.InvalidSchema("a redirect from https to something else")
        return target


def _piece(chunks: Iterator[bytes]) -> bytes:
    """At least STEP bytes, where that many are left: a server may send one at a time."""
    found: list[bytes] = []
    size = 0
    while size < STEP and (chunk := next(chunks, None)) is not None:
        found.append(chunk)
        size += len(chunk)
    return b"".join(found)


def _limited(chunks: Iterator[bytes], url: str) -> Iterator[bytes]:
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > MAX_BODY:
            raise FetchError(shown(url), "the answer is too large", expected=f"at most {MAX_BODY} bytes")
        yield chunk


def _first_byte(response: requests.Response) -> int:
    match = re.fullmatch(r"bytes (\d+)-\d+/(?:\d+|\*)", response.headers.get("Content-Range", ""))
    if not match:
        raise FetchError(shown(response.url), "a partial answer that does not say which part it is")
    return int(match[1])


def _is_web(url: str) -> bool:
    try:
        return urlsplit(url).scheme in ("http", "https")
    except ValueError:
        return False
