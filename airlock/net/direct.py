"""Plain questions on open connections, by the standard library alone: most of the thousand small requests of a lock are so
plain that a library for everything else costs more time than the network.

What is not plain is left to `sessions`: a proxy, a login, a redirect, a server that is in trouble, or any error at all, which
is met there again and told in words.
"""

import os
import ssl
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, RemoteDisconnected
from pathlib import Path
from socket import socket
from urllib.parse import SplitResult, urlsplit

from airlock import __version__
from airlock.core.web import MAX_CONTENT, Reply
from airlock.errors import FetchError
from airlock.net.addresses import Addresses, Plain, Secure
from airlock.net.faults import shown
from airlock.net.patience import Patience, Watchdog
from airlock.net.pip import PipConfiguration

LOOPBACK = ("127.0.0.1", "localhost", "::1")
STEP = 1 << 16
_FINAL = (200, 206, 304, 400, 401, 403, 404, 405, 406, 410, 416, 501)
"""Statuses that asking again changes nothing about."""
_GONE = (RemoteDisconnected, BrokenPipeError, ConnectionResetError)
"""What a connection says that the server closed while nobody used it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """The question is none for `Direct`."""

    asked: bool
    """Whether the server was asked, in vain."""
    pause: float = 0.0
    """Seconds, that the server wants to have peace for."""


class Direct:
    """Safe to use from many threads, each of which has connections of its own. Close it."""

    def __init__(self, pip: PipConfiguration, watchdog: Watchdog, patience: Patience) -> None:
        self._pip, self._watchdog, self._patience = pip, watchdog, patience
        self._addresses = Addresses()
        self._threads = threading.local()
        self._lock = threading.Lock()
        self._opened: list[HTTPConnection] = []
        self._context: ssl.SSLContext | None = None
        self._suited: dict[str, bool] = {}

    def get(self, url: str, headers: Mapping[str, str], limit: int = MAX_CONTENT) -> Reply | Missed:
        """`url` has no login in it. Raises FetchError where the answer is larger than `limit`."""
        asked = False
        try:
            parts = urlsplit(url)
            if not self._suits(parts):
                return Missed(asked=False)
            connection = self._connection(parts)
            asked = True
            return self._ask(connection, url, headers, limit)
        except (OSError, HTTPException, ValueError):
            return Missed(asked=asked)

    def close(self) -> None:
        for connection in self._opened:
            connection.close()

    def _suits(self, parts: SplitResult) -> bool:
        with self._lock:
            key = f"{parts.scheme}://{parts.netloc}"
            if key not in self._suited:
                self._suited[key] = self._is_plain(parts)
            return self._suited[key]

    def _is_plain(self, parts: SplitResult) -> bool:
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            return False
        if not _environment_is_plain(parts.hostname):
            return False
        if parts.scheme == "http" and parts.hostname in LOOPBACK:
            return True
        return not self._pip.option("proxy") and not self._pip.option("client-cert")

    def _connection(self, parts: SplitResult) -> HTTPConnection:
        """This thread's connection to the server."""
        known: dict[str, HTTPConnection] = self._threads.__dict__.setdefault("connections", {})
        key = f"{parts.scheme}://{parts.netloc}"
        if key not in known:
            known[key] = self._made(parts)
            with self._lock:
                self._opened.append(known[key])
        return known[key]

    def _made(self, parts: SplitResult) -> HTTPConnection:
        timeout = self._patience.connect
        if parts.scheme == "http":
            return Plain(parts.netloc, self._addresses, timeout)
        return Secure(parts.netloc, self._addresses, timeout, self._trusting())

    def _trusting(self) -> ssl.SSLContext:
        """As the sessions trust: what pip names alone, else the system, and what the environment names."""
        with self._lock:
            if self._context is None:
                self._context = _context(self._pip.option("cert"))
            return self._context

    def _ask(
        self, connection: HTTPConnection, url: str, headers: Mapping[str, str], limit: int
    ) -> Reply | Missed:
        parts = urlsplit(url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        wanted = {"User-Agent": f"airlock/{__version__}", "Accept-Encoding": "gzip", **headers}
        done = False
        try:
            response, sock = self._head(connection, path, wanted)
            found = self._reply(response, sock, url, limit, ranged="Range" in wanted)
            done = isinstance(found, Reply) and response.isclosed()
            return found
        finally:
            if not done:
                connection.close()

    def _head(
        self, connection: HTTPConnection, path: str, headers: Mapping[str, str]
    ) -> tuple[HTTPResponse, socket]:
        if connection.sock is not None:
            with suppress(*_GONE):
                return self._sent(connection, path, headers)
            connection.close()
        connection.connect()
        connection.sock.settimeout(self._patience.read)
        return self._sent(connection, path, headers)

    def _sent(
        self, connection: HTTPConnection, path: str, headers: Mapping[str, str]
    ) -> tuple[HTTPResponse, socket]:
        """The head of the answer, and the socket that the rest of it comes from."""
        sock = connection.sock
        with self._watchdog.limit(self._patience.read, lambda: sock.shutdown(2)) as limit:
            connection.request("GET", path, headers=dict(headers))
            response = connection.getresponse()
        if limit.expired:
            # Half a head would pass for a whole one.
            response.close()
            raise TimeoutError
        return response, sock

    def _reply(
        self, response: HTTPResponse, sock: socket, url: str, limit: int, *, ranged: bool
    ) -> Reply | Missed:
        if response.status not in _FINAL:
            return Missed(asked=True, pause=self._pause(response))
        headers = {name.lower(): value for name, value in response.headers.items()}
        packing = headers.get("content-encoding", "identity").lower()
        if packing not in ("identity", "gzip"):
            return Missed(asked=True)
        ignored = ranged and response.status == 200
        return Reply(
            status=response.status,
            url=url,
            headers=headers,
            body=b"" if ignored else b"".join(limited(self._pieces(response, sock), url, limit)),
            gzipped=packing == "gzip" and not ignored and response.status != 304,
        )

    def _pieces(self, response: HTTPResponse, sock: socket) -> Iterator[bytes]:
        while not response.isclosed():
            with self._watchdog.limit(self._patience.piece, lambda: sock.shutdown(2)) as limit:
                piece = response.read(STEP)
            if limit.expired or (response.length and not piece):
                raise TimeoutError
            if not piece:
                return
            yield piece

    def _pause(self, response: HTTPResponse) -> float:
        asked = response.headers.get("Retry-After", "")
        return min(float(asked), self._patience.again) if asked.isdecimal() and len(asked) < 9 else 0.0


def limited(chunks: Iterator[bytes], url: str, limit: int) -> Iterator[bytes]:
    """Raises FetchError where they are more than `limit` bytes."""
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > limit:
            raise FetchError(shown(url), "the answer is too large", expected=f"at most {limit} bytes")
        yield chunk


def _environment_is_plain(host: str) -> bool:
    """Whether neither a proxy nor a login of the user's lies between us and the host; where that is hard to say, not."""
    if not sys.platform.startswith("linux"):
        return False
    proxies = (name for name, value in os.environ.items() if value and name.lower().endswith("_proxy"))
    return all(name.lower() == "no_proxy" for name in proxies) and not _has_login(host)


def _has_login(host: str) -> bool:
    named = os.environ.get("NETRC")
    places = [Path(named)] if named else [Path("~/.netrc"), Path("~/_netrc")]
    for place in places:
        with suppress(OSError, RuntimeError):
            text = place.expanduser().read_text("utf-8", "replace")
            return host in text or "default" in text
    return False


def _context(certificates: str | None) -> ssl.SSLContext:
    import truststore

    named = certificates or os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    file = named if named and Path(named).is_file() else None
    folder = named if named and not file else None
    if certificates:
        return ssl.create_default_context(cafile=file, capath=folder)
    context: ssl.SSLContext = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if named:
        context.load_verify_locations(cafile=file, capath=folder)
    return context
