"""An index on the loopback that behaves like the public one, in front of whichever index pip is configured for.

    python -m tests.bench.index_proxy DIR [--port N] [--latency MS]

Pages are JSON, compressed, with `core-metadata`, an ETag and `max-age=600`; `.metadata` files and ranges of wheels are served for
every wheel and good for ever. What comes from upstream is kept in DIR, so that a second run asks it nothing. `/-/counts` tells
and forgets what was asked since the last time.
"""

import argparse
import gzip
import hashlib
import io
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import requests

from airlock.core.web import Reply
from airlock.errors import AirlockError
from airlock.kinds.wheel.remote import RangesIgnored, RemoteFile, metadata_in

JSON_TYPE = "application/vnd.pypi.simple.v1+json"
HTML_TYPE = "application/vnd.pypi.simple.v1+html"
IMMUTABLE = "max-age=365000000, immutable, public"
UPSTREAM = 16
"""Requests upstream at a time."""


class Upstream:
    """The index behind, asked for each thing once."""

    def __init__(self, simple: str, folder: Path) -> None:
        self.simple, self._folder = simple.rstrip("/"), folder
        self._room = threading.Semaphore(UPSTREAM)
        self._session = requests.Session()
        adapter = requests.adapters.HTTPAdapter(pool_maxsize=UPSTREAM, max_retries=4)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)
        self._locks: dict[Path, threading.Lock] = {}
        self._guard = threading.Lock()

    def page(self, name: str) -> Path:
        return self._once(self._folder / "pages" / name, lambda: self._page(name))

    def metadata(self, url: str) -> Path:
        return self._once(self._folder / "metadata" / _key(url), lambda: self._metadata(url))

    def part(self, url: str, wanted: str) -> Path:
        """The first line is the content range, or empty for a whole file."""
        place = self._folder / "parts" / _key(f"{url} {wanted}")
        return self._once(place, lambda: self._part(url, wanted))

    def get(self, url: str, headers: dict[str, str] | None = None) -> Reply:
        """As `airlock.core.web.Web`, for `RemoteFile`."""
        with self._room, self._session.get(url, headers=headers, timeout=120) as reply:
            ranged = headers is not None and "Range" in headers
            return Reply(
                status=reply.status_code,
                url=reply.url,
                headers={name.lower(): value for name, value in reply.headers.items()},
                body=b"" if ranged and reply.status_code == 200 else reply.content,
            )

    def _once(self, place: Path, make: Callable[[], bytes]) -> Path:
        if not place.exists():
            with self._guard:
                lock = self._locks.setdefault(place, threading.Lock())
            with lock:
                if not place.exists():
                    data = make()
                    place.parent.mkdir(parents=True, exist_ok=True)
                    partial = place.with_suffix(f".{threading.get_ident()}.part")
                    partial.write_bytes(data)
                    partial.rename(place)
        return place

    def _page(self, name: str) -> bytes:
        reply = self.get(f"{self.simple}/{name}/", {"Accept": JSON_TYPE})
        if reply.status != 200:
            return b""
        document = json.loads(reply.body)
        for row in document["files"]:
            row["url"] = "/files/" + quote(row["url"], safe="")
            if row["filename"].endswith(".whl"):
                row["core-metadata"] = True
        return gzip.compress(json.dumps(document, separators=(",", ":")).encode(), 6, mtime=0)

    def _metadata(self, url: str) -> bytes:
        reply = self.get(f"{url}.metadata")
        if reply.status == 200:
            return reply.body
        try:
            return metadata_in(RemoteFile(self, url), url)  # type: ignore[arg-type]  # reads like a file
        except (RangesIgnored, AirlockError):
            return metadata_in(io.BytesIO(self.get(url).body), url)

    def _part(self, url: str, wanted: str) -> bytes:
        headers = {"Accept-Encoding": "identity"} | ({"Range": wanted} if wanted else {})
        with self._room, self._session.get(url, headers=headers, timeout=300) as reply:
            reply.raise_for_status()
            return reply.headers.get("Content-Range", "").encode() + b"\n" + reply.content


def _key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: "Proxy"

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path == "/-/counts":
            self._answer(200, json.dumps(self.server.told()).encode(), {"Content-Type": "application/json"})
            return
        time.sleep(self.server.latency)
        try:
            if match := re.fullmatch(r"/simple/([^/]+)/?", path):
                self._page(match[1])
            elif match := re.fullmatch(r"/files/(.+)", path):
                self._file(unquote(match[1]))
            else:
                self._answer(404, b"")
        except requests.RequestException as error:
            self._answer(502, str(error).encode())

    def do_HEAD(self) -> None:
        self.do_GET()

    def _page(self, name: str) -> None:
        self.server.count("pages")
        data = self.server.upstream.page(name).read_bytes()
        accepted = self.headers.get("Accept", "")
        headers = {"Cache-Control": "max-age=600, public", "Vary": "Accept, Accept-Encoding"}
        headers["ETag"] = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
        if not data:
            self._answer(404, b"")
        elif self.headers.get("If-None-Match") == headers["ETag"]:
            self._answer(304, b"", headers)
        elif "json" in accepted:
            self._packed(data, headers | {"Content-Type": JSON_TYPE})
        else:
            self._packed(_html(data), headers | {"Content-Type": HTML_TYPE})

    def _packed(self, data: bytes, headers: dict[str, str]) -> None:
        if "gzip" in self.headers.get("Accept-Encoding", ""):
            self._answer(200, data, headers | {"Content-Encoding": "gzip"})
        else:
            self._answer(200, gzip.decompress(data), headers)

    def _file(self, url: str) -> None:
        headers = {"Cache-Control": IMMUTABLE, "Accept-Ranges": "bytes"}
        if url.endswith(".metadata"):
            self.server.count("metadata")
            data = self.server.upstream.metadata(url.removesuffix(".metadata")).read_bytes()
            self._answer(200, data, headers | {"Content-Type": "application/octet-stream"})
            return
        wanted = self.headers.get("Range", "")
        self.server.count("parts" if wanted else "files")
        content_range, _, data = self.server.upstream.part(url, wanted).read_bytes().partition(b"\n")
        if content_range:
            headers["Content-Range"] = content_range.decode()
        self._answer(206 if content_range else 200, data, headers)

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.server.count("bytes", len(body))
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Counted instead."""


def _html(data: bytes) -> bytes:
    links = []
    for row in json.loads(gzip.decompress(data))["files"]:
        fragment = "".join(f"#{kind}={value}" for kind, value in row["hashes"].items())
        text = f'href="{row["url"]}{fragment}"'
        if requires := row.get("requires-python"):
            text += f' data-requires-python="{requires.replace("<", "&lt;").replace(">", "&gt;")}"'
        if row.get("core-metadata"):
            text += ' data-core-metadata="true"'
        if row.get("yanked"):
            text += ' data-yanked=""'
        links.append(f"<a {text}>{row['filename']}</a><br/>")
    return gzip.compress(f"<!DOCTYPE html><html><body>{''.join(links)}</body></html>".encode(), 6, mtime=0)


class Proxy(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, upstream: Upstream, port: int = 0, latency: float = 0.0) -> None:
        """`latency` in seconds, before each answer."""
        super().__init__(("127.0.0.1", port), Handler)
        self.upstream, self.latency = upstream, latency
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def count(self, what: str, number: int = 1) -> None:
        with self._lock:
            self._counts[what] += number

    def told(self) -> dict[str, int]:
        with self._lock:
            found, self._counts = self._counts, Counter()
        return dict(found)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client may hang up when it has seen enough."""


def main() -> None:
    from tests.bench.indexes import upstream_index

    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0, metavar="MS")
    arguments = parser.parse_args()
    upstream = Upstream(upstream_index(), arguments.folder)
    with Proxy(upstream, arguments.port, arguments.latency / 1000) as proxy:
        print(f"http://127.0.0.1:{proxy.server_address[1]}/simple/", flush=True)
        proxy.serve_forever()


if __name__ == "__main__":
    main()
