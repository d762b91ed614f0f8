"""A registry on the loopback that takes uploads, and fails as a test tells it."""

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


@dataclass(slots=True, kw_only=True)
class Uploads:
    """What it took and how it behaves; may be changed while it runs."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, bytes] = field(default_factory=dict)
    partial: dict[str, bytes] = field(default_factory=dict)
    token: str = ""
    """Not empty: what a write has to bring; its service asks for nothing and notes the scope."""
    scopes: list[str] = field(default_factory=list)
    cut: int = 0
    """Not 0: the connection is closed after so many bytes of a piece, once."""
    deaf: bool = False
    """It takes pieces, and never has more than before."""
    beyond: bool = False
    """It says that it has more than was sent."""
    status: int = 0
    """Not 0: the answer to every write."""
    location: str = ""
    """Not empty: where it says that uploads go on."""
    log: list[tuple[str, str, int]] = field(default_factory=list)
    """Method, path, and bytes received."""
    url: str = ""

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def _any(self) -> None:
        uploads, path = self.server.uploads, urlsplit(self.path).path
        uploads.log.append((self.command, path, int(self.headers.get("Content-Length", 0))))
        if path == "/token":
            uploads.scopes += parse_qs(urlsplit(self.path).query).get("scope", [])
            self._answer(200, {"Content-Type": "application/json"}, f'{{"token":"{uploads.token}"}}'.encode())
        elif uploads.token and self.headers.get("Authorization") != f"Bearer {uploads.token}":
            self._body()
            name = path.split("/")[2]
            scope = f"repository:{name}:pull" + ("" if self.command in ("GET", "HEAD") else ",push")
            challenge = f'Bearer realm="{uploads.url}/token",service="test",scope="{scope}"'
            self._answer(401, {"WWW-Authenticate": challenge})
        elif uploads.status and self.command not in ("GET", "HEAD"):
            self._body()
            self._answer(uploads.status, {})
        else:
            getattr(self, f"_{self.command.lower()}")(path)

    do_GET = do_HEAD = do_POST = do_PATCH = do_PUT = _any

    def _head(self, path: str) -> None:
        digest = path.rpartition("/")[2]
        self._answer(200 if digest in self.server.uploads.blobs else 404, {})

    def _post(self, path: str) -> None:
        uploads = self.server.uploads
        number = str(len(uploads.partial))
        uploads.partial[number] = b""
        self._answer(202, {"Location": uploads.location or f"/v2/u/{number}?state=a%3Db"})

    def _get(self, path: str) -> None:
        number = path.rpartition("/")[2]
        self._progress(204, number)

    def _patch(self, path: str) -> None:
        uploads, number = self.server.uploads, path.rpartition("/")[2]
        start = int(re.split("[ -]", self.headers["Content-Range"].removeprefix("bytes "))[0])
        if start != len(uploads.partial[number]):
            self._body()
            self._progress(416, number)
            return
        if uploads.cut:
            uploads.partial[number] += self.rfile.read(uploads.cut)
            uploads.cut = 0
            self.close_connection = True
            return
        data = self._body()
        uploads.partial[number] += b"" if uploads.deaf else data
        self._progress(202, number)

    def _put(self, path: str) -> None:
        uploads, data, name = self.server.uploads, self._body(), path.rpartition("/")[2]
        if "/manifests/" in path:
            uploads.manifests[name] = data
            self._answer(201, {})
            return
        query = parse_qs(urlsplit(self.path).query)
        assert query["state"] == ["a=b"], "what a location says is kept"
        data = uploads.partial[name] + data
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        if query["digest"] != [digest]:
            self._answer(400, {})
            return
        uploads.blobs[digest] = data
        self._answer(201, {"Location": f"/v2/u/blobs/{digest}"})

    def _progress(self, status: int, number: str) -> None:
        size = len(self.server.uploads.partial[number]) + (1 << 40 if self.server.uploads.beyond else 0)
        self._answer(status, {"Location": f"/v2/u/{number}?state=a%3Db", "Range": f"0-{max(size - 1, 0)}"})

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _answer(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None: ...


class _Server(ThreadingHTTPServer):
    def __init__(self, uploads: Uploads) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.uploads = uploads


@contextmanager
def taking() -> Iterator[Uploads]:
    uploads = Uploads()
    with _Server(uploads) as server:
        uploads.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield uploads
        finally:
            server.shutdown()
            thread.join()
