"""The only module that opens a socket.

HTTP by `requests`, index pages kept by `CacheControl` (RFC 9111), certificates of the system by `truststore` unless the
user's pip names others, proxies and netrc by requests' own rules. Which index is the default one is asked of the user's
pip, by its command line alone.
"""

import ast
import functools
import re
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from email.utils import formatdate
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import requests
import truststore
from cachecontrol import CacheControlAdapter
from cachecontrol.caches import SeparateBodyFileCache
from cachecontrol.heuristics import BaseHeuristic
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3 import HTTPResponse
from urllib3.util import Retry

from airlock import __version__
from airlock.core.digest import CHUNK
from airlock.core.reporter import Reporter
from airlock.core.web import Download, Reply
from airlock.errors import FetchError

MAX_BODY = 256 << 20
"""Bytes of a document, decompressed; more is refused while it arrives."""
CONNECT_TIMEOUT, READ_TIMEOUT = 15.0, 60.0
"""Seconds."""
FRESH = 600
"""Seconds for which an index page without cache headers is taken from the cache."""
STEP = 1 << 16
"""Bytes of a download that are passed on at a time; what broke off within them is fetched again."""
CONNECTIONS = 24


class Network:
    """`airlock.core.web.Web` on the real network. Safe to use from many threads: each has its own session, all share one
    pool of connections and one cache. Close it."""

    def __init__(
        self, cache: Path, pip: "PipConfiguration", *, attempts: int = 5, backoff: float = 0.5
    ) -> None:
        self._pip = pip
        self._threads = threading.local()
        retry = Retry(
            total=attempts,
            # A host that is not there will not be there in a second either.
            connect=min(attempts, 2),
            backoff_factor=backoff,
            backoff_max=20,
            status_forcelist=(429, 500, 502, 503, 504),
            raise_on_status=False,
        )
        common: dict[str, Any] = {"pool_maxsize": CONNECTIONS, "max_retries": retry}
        caching = common | {"cache": _Pages(cache), "heuristic": _Fresh()}
        self._adapters: Mapping[bool, Mapping[str, BaseAdapter]] = {
            True: {"http://": _Caching(None, **caching), "https://": _Secure(pip, _Caching, caching)},
            False: {"http://": HTTPAdapter(**common), "https://": _Secure(pip, _Trusting, common)},
        }

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Reply:
        wanted = dict(headers or {})
        ranged = any(name.lower() == "range" for name in wanted)
        with self._asking(url, wanted, cached=not ranged) as response:
            ignored = ranged and response.status_code == 200
            return Reply(
                status=response.status_code,
                url=response.url,
                headers={name.lower(): value for name, value in response.headers.items()},
                body=b"" if ignored else b"".join(_limited(response.iter_content(CHUNK), url)),
            )

    @contextmanager
    def download(self, url: str, start: int = 0) -> Iterator[Download]:
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
        with self._asking(url, headers, cached=False) as response:
            if response.status_code not in (200, 206):
                raise _refused(url, response.status_code)
            begins = _first_byte(response) if response.status_code == 206 else 0
            yield Download(
                status=response.status_code, start=begins, chunks=_told(response.iter_content(STEP), url)
            )

    def close(self) -> None:
        for adapters in self._adapters.values():
            for adapter in adapters.values():
                adapter.close()

    @contextmanager
    def _asking(self, url: str, headers: dict[str, str], *, cached: bool) -> Iterator[requests.Response]:
        if not _is_web(url):
            raise FetchError(repr(url), "not an http or https address")
        session = self._session(cached)
        try:
            response = session.get(url, headers=headers, stream=True, timeout=(CONNECT_TIMEOUT, READ_TIMEOUT))
        except requests.RequestException as error:
            raise _unreachable(url, error) from error
        with closing(response):
            if response.status_code >= 500 or response.status_code == 429:
                raise _refused(url, response.status_code)
            yield response

    def _session(self, cached: bool) -> requests.Session:
        name = "cached" if cached else "plain"
        session: requests.Session | None = getattr(self._threads, name, None)
        if session is None:
            session = requests.Session()
            session.headers["User-Agent"] = f"airlock/{__version__}"
            session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
            for scheme, adapter in self._adapters[cached].items():
                session.mount(scheme, adapter)
            setattr(self._threads, name, session)
        return session


class _Trusting(HTTPAdapter):
    """An adapter whose connections use the given context, where there is one."""

    def __init__(self, context: ssl.SSLContext | None, **options: Any) -> None:
        self._context: dict[str, Any] = {} if context is None else {"ssl_context": context}
        super().__init__(**options)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:
        super().init_poolmanager(connections, maxsize, block, **options, **self._context)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        return super().proxy_manager_for(proxy, **options, **self._context)


class _Pages(SeparateBodyFileCache):
    """A cache may be deleted at any time, also in part: an answer without its body is none."""

    def get(self, key: str) -> bytes | None:
        body = self.get_body(key)
        if body is None:
            return None
        body.close()
        return super().get(key)


class _Caching(_Trusting, CacheControlAdapter):
    """For documents; files are not kept here, the store keeps them."""

    def build_response(  # type: ignore[override]  # as CacheControl itself does
        self,
        request: requests.PreparedRequest,
        response: HTTPResponse,
        from_cache: bool = False,
        cacheable_methods: Collection[str] | None = None,
    ) -> requests.Response:
        """Only these concern the cache; CacheControl would open a temporary file for each of the others too."""
        if from_cache or response.status in (200, 304):
            return CacheControlAdapter.build_response(self, request, response, from_cache, cacheable_methods)
        return HTTPAdapter.build_response(self, request, response)


class _Secure(BaseAdapter):
    """https. Which certificates to trust is asked of pip with the first request, for asking takes half a second."""

    def __init__(
        self, pip: "PipConfiguration", make: Callable[..., HTTPAdapter], options: Mapping[str, Any]
    ) -> None:
        super().__init__()
        self._pip, self._make, self._options = pip, make, options
        self._lock = threading.Lock()
        self._adapter: HTTPAdapter | None = None

    def send(self, request: requests.PreparedRequest, *arguments: Any, **options: Any) -> requests.Response:
        if certificates := self._pip.certificates:
            options["verify"] = certificates
        return self._opened(bool(certificates)).send(request, *arguments, **options)

    def _opened(self, own_certificates: bool) -> HTTPAdapter:
        with self._lock:
            if self._adapter is None:
                context = None if own_certificates else truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                self._adapter = self._make(context, **self._options)
            return self._adapter

    def close(self) -> None:
        if self._adapter is not None:
            self._adapter.close()


class _Fresh(BaseHeuristic):
    """Index pages that come with nothing to judge their age by are good for ten minutes (RFC 9111, 4.2.2); those with an
    ETag are revalidated."""

    def update_headers(self, response: HTTPResponse) -> dict[str, str]:
        silent = not {"cache-control", "expires", "etag", "pragma"} & {
            name.lower() for name in response.headers
        }
        if response.status != 200 or not silent:
            return {}
        return {
            "cache-control": f"max-age={FRESH}",
            "date": response.headers.get("date") or formatdate(usegmt=True),
        }

    def warning(self, response: HTTPResponse) -> str | None:
        return None


def _limited(chunks: Iterator[bytes], url: str) -> Iterator[bytes]:
    size = 0
    for chunk in _told(chunks, url):
        size += len(chunk)
        if size > MAX_BODY:
            raise FetchError(shown(url), "the answer is too large", expected=f"at most {MAX_BODY} bytes")
        yield chunk


def _told(chunks: Iterator[bytes], url: str) -> Iterator[bytes]:
    try:
        yield from chunks
    except (requests.RequestException, OSError) as error:
        raise _unreachable(url, error) from error


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


def shown(url: str) -> str:
    """The URL as messages may show it, without user name and password."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _refused(url: str, status: int) -> FetchError:
    hints = {
        401: "put the user name and password for this host into ~/.netrc",
        403: "check that you may read this index, or put a password for this host into ~/.netrc",
        404: "the index does not have it any more: run `airlock lock` again, or use another mirror",
        407: "the proxy wants a password: set it in HTTPS_PROXY",
        416: "the file is shorter than what was fetched of it: the index holds another file now",
        429: "the index asks for fewer requests: try again later",
    }
    hint = hints.get(status, "the server has a fault of its own: try again later, or use another mirror")
    return FetchError(shown(url), "the server refused", found=f"HTTP status {status}", hint=hint)


def _unreachable(url: str, error: Exception) -> FetchError:
    if isinstance(error, requests.exceptions.SSLError):
        hint = "if your network has its own certificate authority, name its file with `pip config set global.cert`"
        return FetchError(shown(url), "the server's certificate is not trusted", hint=hint)
    if isinstance(error, requests.exceptions.ProxyError):
        return FetchError(shown(url), "the proxy cannot be used", hint="check HTTPS_PROXY and NO_PROXY")
    reason = "no answer in time" if isinstance(error, requests.Timeout) else "cannot be reached, or broke off"
    return FetchError(
        shown(url), reason, hint="check the network, or name a mirror as [[index]] in airlock.toml"
    )


class PipConfiguration:
    """What the user's pip is configured for, asked when it is first needed and only once. Safe to use from many threads."""

    def __init__(self, environment: Mapping[str, str], reporter: Reporter) -> None:
        self._environment, self._reporter = environment, reporter
        self._lock = threading.RLock()

    @property
    def certificates(self) -> str | None:
        """The file of certificates that pip is told to trust, if it is told of one."""
        with self._lock:
            return setting(self._settings, "cert")

    def index(self) -> str:
        """The URL of the simple index: what pip is configured for, else pip's own default. Raises FetchError."""
        with self._lock:
            return self._index

    @functools.cached_property
    def _settings(self) -> Mapping[str, str]:
        return parse_settings(self._run("config", "list"))

    @functools.cached_property
    def _index(self) -> str:
        with ThreadPoolExecutor(1) as threads:
            builtin = threads.submit(self._run, "help", "install")
            configured = setting(self._settings, "index-url")
            if extra := setting(self._settings, "extra-index-url"):
                urls = " ".join(shown(url) for url in extra.split())
                self._reporter.warn(
                    f"pip's extra-index-url is not used ({urls}): declare it as [[index]] and say in "
                    "[python.sources] which packages it has"
                )
            return configured or parse_default_index(builtin.result())

    def _run(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "pip", *arguments]
        environment = {**self._environment, "COLUMNS": "400", "PYTHONIOENCODING": "utf-8"}
        try:
            ran = subprocess.run(command, env=environment, capture_output=True, timeout=60, check=True)
        except (OSError, subprocess.SubprocessError) as error:
            raise FetchError(
                "pip",
                "could not be asked for its index",
                hint='name the index: [[index]] with name = "default"',
            ) from error
        return ran.stdout.decode("utf-8", "replace")


def parse_settings(output: str) -> dict[str, str]:
    """Read `pip config list`: one `section.key='value'` a line, values as Python literals."""
    settings = {}
    for line in output.splitlines():
        key, separator, value = line.partition("=")
        if separator:
            try:
                settings[key.strip()] = str(ast.literal_eval(value.strip()))
            except (ValueError, SyntaxError):
                continue
    return settings


def setting(settings: Mapping[str, str], key: str) -> str | None:
    """pip's own order: the environment, then the command's section, then the global one."""
    found = (settings.get(f"{section}.{key}") for section in (":env:", "install", "global"))
    return next((value for value in found if value), None)


def parse_default_index(output: str) -> str:
    """Read the default of `--index-url` out of `pip help install`. Raises FetchError."""
    text = " ".join(output.split())
    match = re.search(r"--index-url <url>.*?\(default:? (\S+?)\)", text)
    if not match:
        raise FetchError(
            "pip", "does not say which index it uses", hint='name the index: [[index]] with name = "default"'
        )
    return match[1]
