"""A registry on the loopback that does as a test tells it, and counts what it is asked."""

import base64
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from airlock.oci.documents import OCI_INDEX
from tests.images.factory import Thing, sha256, spelled


@dataclass(slots=True, kw_only=True)
class Registry:
    """What the server has and how it behaves; may be changed while it runs."""

    manifests: dict[tuple[str, str], tuple[str, bytes]] = field(default_factory=dict)
    """By repository, and tag or digest: media type and bytes."""
    blobs: dict[tuple[str, str], bytes] = field(default_factory=dict)
    referrers: dict[tuple[str, str], list[dict[str, Any]]] | None = None
    """By repository and digest; None where it knows no such list."""
    token: str = ""
    """Not empty: what requests have to bring, which the token service gives."""
    login: str = ""
    """Not empty: `user:password`, without which the token service gives nothing."""
    basic: bool = False
    """The login is asked for by the registry itself."""
    realm: str = ""
    """Not empty: where it says that tokens are to be had."""
    elsewhere: str = ""
    """Not empty: the URL of a server that blobs are redirected to."""
    cut: int = 0
    """Not 0: the connection is closed after so many bytes of a blob, `cuts` times."""
    cuts: int = 1
    ranges: bool = True
    digest_header: bool = True
    raw: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    """Paths, and the status, headers and body of the answer whatever else is there."""
    tokens_given: list[dict[str, list[str]]] = field(default_factory=list)
    """What the token service was asked for."""
    log: list[tuple[str, str, str, int]] = field(default_factory=list)
    """Path, `Range`, `Authorization`, status of each request."""
    url: str = ""

    def push(self, repository: str, thing: Thing, *tags: str) -> Thing:
        self.manifests |= {
            (repository, name): (thing.media_type, thing.data) for name in (thing.digest, *tags)
        }
        for digest, data in thing.blobs.items():
            self.blobs[repository, digest] = data
            if data.startswith(b"{") and b'"schemaVersion"' in data:
                self.manifests.setdefault((repository, digest), (json.loads(data).get("mediaType", ""), data))
        return thing

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc

    def asked(self, part: str) -> list[tuple[str, str, str, int]]:
        return [entry for entry in self.log if part in entry[0]]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def do_GET(self) -> None:
        registry = self.server.registry
        path = urlsplit(self.path).path
        if path in registry.raw:
            self._answer(*registry.raw[path])
        elif path == "/token":
            self._token(parse_qs(urlsplit(self.path).query))
        elif not self._allowed():
            self._refuse()
        elif match := re.fullmatch(r"/v2/(.+)/(manifests|blobs|referrers)/([^/]+)", path):
            {"manifests": self._manifest, "blobs": self._blob, "referrers": self._referrers}[match[2]](
                match[1], match[3]
            )
        else:
            self._answer(404, {}, b"")

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self._token(form)

    def _allowed(self) -> bool:
        registry = self.server.registry
        given = self.headers.get("Authorization", "")
        if registry.basic:
            return given == _basic(registry.login)
        return not registry.token or given == f"Bearer {registry.token}"

    def _refuse(self) -> None:
        registry = self.server.registry
        scope = "/".join(urlsplit(self.path).path.split("/")[2:-2])
        realm = registry.realm or f"{registry.url}/token"
        challenge = f'Bearer realm="{realm}",service="registry.example",scope="repository:{scope}:pull"'
        self._answer(401, {"WWW-Authenticate": 'Basic realm="x"' if registry.basic else challenge}, b"")

    def _token(self, asked: dict[str, list[str]]) -> None:
        registry = self.server.registry
        registry.tokens_given.append(asked)
        password = registry.login.partition(":")[2]
        given = self.headers.get("Authorization", "")
        known = given == _basic(registry.login) or asked.get("refresh_token") == [password]
        if registry.login and not known:
            self._answer(401, {}, b"")
            return
        self._answer(200, {}, json.dumps({"token": registry.token, "expires_in": 300}).encode())

    def _manifest(self, repository: str, name: str) -> None:
        registry = self.server.registry
        media_type, data = registry.manifests.get((repository, name), ("", b""))
        if not media_type:
            self._answer(404, {}, b"")
            return
        headers = {"Content-Type": media_type}
        if registry.digest_header:
            headers["Docker-Content-Digest"] = name if name.startswith("sha256:") else sha256(data)
        self._answer(200, headers, data)

    def _referrers(self, repository: str, digest: str) -> None:
        registry = self.server.registry
        if registry.referrers is None:
            self._answer(404, {}, b"")
            return
        rows = registry.referrers.get((repository, digest), [])
        body = spelled({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": rows})
        self._answer(200, {"Content-Type": OCI_INDEX}, body)

    def _blob(self, repository: str, digest: str) -> None:
        registry = self.server.registry
        data = registry.blobs.get((repository, digest))
        if data is None:
            self._answer(404, {}, b"")
        elif registry.elsewhere:
            self._answer(307, {"Location": f"{registry.elsewhere}/stored/{digest}?signature=secret"}, b"")
        elif (match := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))) and registry.ranges:
            start = int(match[1])
            self._answer(206, {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}, data[start:])
        else:
            self._answer(200, {}, data)

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        registry = self.server.registry
        registry.log.append(
            (self.path, self.headers.get("Range", ""), self.headers.get("Authorization", ""), status)
        )
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if registry.cut and "/blobs/" in self.path and registry.cuts and len(body) > registry.cut:
            body, registry.cuts, self.close_connection = body[: registry.cut], registry.cuts - 1, True
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """The log is `Registry.log`."""


def _basic(login: str) -> str:
    return "Basic " + base64.b64encode(login.encode()).decode()


class _Server(ThreadingHTTPServer):
    registry: Registry

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client may hang up when it has seen enough."""


@contextmanager
def serving(registry: Registry | None = None) -> Iterator[Registry]:
    server = _Server(("127.0.0.1", 0), _Handler)
    server.registry = registry or Registry()
    server.registry.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.registry
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
