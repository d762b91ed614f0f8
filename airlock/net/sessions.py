"""Requests with everything that may be between us and a server: proxies and netrc by requests' own rules, logins,
redirects, and tries again."""

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter
from requests.auth import AuthBase
from urllib3.exceptions import HTTPError

from airlock import __version__
from airlock.core.web import Body
from airlock.errors import FetchError
from airlock.net.adapters import Configured, Trusting, Watch, tries
from airlock.net.credentials import Credentials, server_of
from airlock.net.direct import limited
from airlock.net.faults import refused, shown, unreachable
from airlock.net.patience import Patience, Watchdog
from airlock.net.pip import PipConfiguration
from airlock.net.tokens import MAX_TOKEN, TokenRequest, Tokens, TokenWanted, basic, bearer_challenge

STEP = 1 << 16
"""Bytes that are passed on at a time; what of a download broke off within them is fetched again."""
CONNECTIONS = 24
REDIRECTS = 10
_TOKEN_ATTEMPTS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What a request is besides its address and headers."""

    method: str
    body: Body | None = None
    form: Mapping[str, str] | None = None
    follow: bool = True
    """Whether to go where a redirect leads."""

    @property
    def data(self) -> "_Stream | Mapping[str, str] | None":
        return _Stream(self.body) if self.body else self.form


_GET = Sent(method="GET")


class _Stream:
    """A body as requests takes it: sent as it comes, and its length told before."""

    def __init__(self, body: Body) -> None:
        self._body = body

    def __len__(self) -> int:
        return self._body.size

    def __iter__(self) -> Iterator[bytes]:
        return self._body.chunks()


class Sessions:
    """Safe to use from many threads: each has its own session, all share one pool of connections. Close it."""

    def __init__(
        self,
        pip: PipConfiguration,
        credentials: Credentials,
        watchdog: Watchdog,
        patience: Patience,
        backoff: float,
    ) -> None:
        self._pip, self._credentials = pip, credentials
        self._watchdog, self._patience, self._backoff = watchdog, patience, backoff
        self._threads = threading.local()
        self._lock = threading.Lock()
        self._adapters: dict[int, BaseAdapter] = {}
        self.tokens = Tokens(credentials)

    @contextmanager
    def asking(
        self, url: str, headers: Mapping[str, str], attempts: int, sent: Sent = _GET
    ) -> Iterator[requests.Response]:
        """The answer to a question that is tried again up to `attempts` times. `url` has no login in it. Raises
        FetchError where nobody answers, or with a fault of the server's own."""
        known = self.tokens.known(url) or basic(self._credentials.login(url))
        with ExitStack() as stack:
            response = stack.enter_context(closing(self._send(url, headers, known, attempts, sent)))
            if response.status_code == 401 and (auth := self._answer(url, response, known)):
                response.close()
                response = stack.enter_context(closing(self._send(url, headers, auth, attempts, sent)))
            if response.status_code >= 500 or response.status_code == 429:
                raise refused(url, response.status_code)
            yield response

    def _answer(self, url: str, response: requests.Response, sent: AuthBase | None) -> AuthBase | None:
        """What the server of `url` asks for, which is not what was `sent`; none where it is another one that says 401, to
        which a redirect led."""
        if server_of(response.url) != server_of(url):
            return None
        if challenge := bearer_challenge(response.headers.get("WWW-Authenticate", "")):
            return self.tokens.ask(TokenWanted(url, challenge, sent), self._token)
        return basic(self._credentials.ask(url))

    def _token(self, request: TokenRequest) -> bytes:
        """The answer of the service that gives tokens. Raises FetchError."""
        sent = Sent(method="POST", form=request.form) if request.form is not None else _GET
        with closing(self._send(request.url, {}, basic(request.login), _TOKEN_ATTEMPTS, sent)) as response:
            if response.status_code != 200:
                raise refused(request.url, response.status_code)
            return b"".join(limited(self.body(response), response.url, MAX_TOKEN))

    def _send(
        self,
        url: str,
        headers: Mapping[str, str],
        auth: AuthBase | None,
        attempts: int,
        sent: Sent,
    ) -> requests.Response:
        timeout = (self._patience.connect, self._patience.read)
        options: dict[str, Any] = {
            "headers": dict(headers),
            "auth": auth,
            "data": sent.data,
            "timeout": timeout,
        }
        options["allow_redirects"] = sent.follow
        try:
            return self._session(attempts).request(sent.method, url, stream=True, **options)
        except (requests.RequestException, ValueError) as error:
            raise unreachable(url, error) from error

    def body(self, response: requests.Response) -> Iterator[bytes]:
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

    def _pass_over(self, response: requests.Response) -> None:
        """What nobody reads: a little of it, for where that was all the connection is of use again. requests would take in
        the whole of it, which may be without end."""
        with suppress(HTTPError, OSError), self._watchdog.limit(self._patience.read, response.raw.shutdown):
            response.raw.read(STEP, decode_content=False)
        response.close()

    def close(self) -> None:
        for adapter in self._adapters.values():
            adapter.close()

    def _session(self, attempts: int) -> requests.Session:
        session: requests.Session | None = getattr(self._threads, f"session{attempts}", None)
        if session is None:
            session = _Session(self._pass_over)
            session.max_redirects = REDIRECTS
            session.headers["User-Agent"] = f"airlock/{__version__}"
            session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
            for scheme in ("http://", "https://"):
                session.mount(scheme, self._adapter(attempts))
            setattr(self._threads, f"session{attempts}", session)
        return session

    def _adapter(self, attempts: int) -> BaseAdapter:
        with self._lock:
            if attempts not in self._adapters:
                options: dict[str, Any] = {
                    "watch": Watch(watchdog=self._watchdog, patience=self._patience),
                    "pool_maxsize": CONNECTIONS,
                    "max_retries": tries(attempts, self._backoff, self._patience.again),
                }
                self._adapters[attempts] = Configured(self._pip, Trusting, options)
            return self._adapters[attempts]


class _Session(requests.Session):
    """requests keeps a login back where a redirect leads to another host; here one may not lead out of TLS either."""

    def __init__(self, pass_over: Callable[[requests.Response], None]) -> None:
        super().__init__()
        self._pass_over = pass_over
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
        if target:
            self._pass_over(resp)
        return target


def _piece(chunks: Iterator[bytes]) -> bytes:
    """At least STEP bytes, where that many are left: a server may send one at a time."""
    found: list[bytes] = []
    size = 0
    while size < STEP and (chunk := next(chunks, None)) is not None:
        found.append(chunk)
        size += len(chunk)
    return b"".join(found)


def first_byte(response: requests.Response) -> int:
    """Where a partial answer begins. Raises FetchError."""
    match = re.fullmatch(r"bytes (\d{1,18})-\d+/(?:\d+|\*)", response.headers.get("Content-Range", ""))
    if not match:
        raise FetchError(shown(response.url), "a partial answer that does not say which part it is")
    return int(match[1])
