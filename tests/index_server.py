"""A simple index on the loopback, JSON (PEP 691) or HTML (PEP 503), that counts what it is asked."""

import hashlib
import html
import json
import re
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import unquote

from packaging.utils import canonicalize_name

from tests.wheel_factory import Wheel

JSON_TYPE = "application/vnd.pypi.simple.v1+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    file: str
    data: bytes
    metadata: bytes | None
    requires_python: str
    yanked: str | bool
    upload_time: str | None

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


@dataclass(slots=True, kw_only=True)
class Index:
    """What the server has and how it behaves; may be changed while it runs."""

    json: bool = True
    metadata: Literal["absent", "advertised", "missing", "wrong"] = "absent"
    """`missing`: advertised, then 404. `wrong`: advertised with the hash of something else."""
    ranges: bool = True
    hashes: bool = True
    sizes: bool = True
    etags: bool = False
    shuffle: int = 0
    """Not 0: answers are late by a few milliseconds, which depend on this and the path."""
    failures: int = 0
    """So many requests are answered with 503 first."""
    cut: int = 0
    """Not 0: a whole file breaks off after so many bytes, once."""
    status: dict[str, dict[str, str] | str] = field(default_factory=dict)
    """What is said of whole projects (PEP 792)."""
    provenance: dict[str, Any] = field(default_factory=dict)
    """Attestations of files (PEP 740)."""
    raw: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    """Paths, and the status, headers and body of the answer whatever else is there."""
    authorization: str = ""
    """Not empty: what every request has to bring, else 401."""
    sent: list[dict[str, str]] = field(default_factory=list)
    """The headers of each request, by lower-case names."""
    projects: dict[str, list[File]] = field(default_factory=dict)
    log: list[tuple[str, str, int]] = field(default_factory=list)
    """Path, `Range`, status of each request."""
    url: str = ""

    def add(self, *wheels: Wheel, yanked: str | bool = False, upload_time: str | None = None) -> None:
        for wheel in wheels:
            self._put(
                wheel.name,
                File(
                    file=wheel.file,
                    data=wheel.data,
                    metadata=wheel.metadata,
                    requires_python=wheel.requires_python,
                    yanked=yanked,
                    upload_time=upload_time,
                ),
            )

    def add_sdist(
        self, name: str, version: str, data: bytes = b"source", upload_time: str | None = None
    ) -> None:
        file = f"{name.replace('-', '_')}-{version}.tar.gz"
        self._put(
            name,
            File(
                file=file,
                data=data,
                metadata=None,
                requires_python="",
                yanked=False,
                upload_time=upload_time,
            ),
        )

    def _put(self, name: str, file: File) -> None:
        self.projects.setdefault(canonicalize_name(name), []).append(file)

    @property
    def simple(self) -> str:
        return f"{self.url}/simple/"

    def asked(self, part: str) -> list[tuple[str, str, int]]:
        return [entry for entry in self.log if part in entry[0]]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def do_GET(self) -> None:
        index = self.server.index
        if index.shuffle:
            seed = hashlib.sha256(f"{index.shuffle} {self.path}".encode()).digest()[0]
            time.sleep(seed / 5000)
        index.sent.append({name.lower(): value for name, value in self.headers.items()})
        if index.authorization and self.headers.get("Authorization") != index.authorization:
            self._answer(401, b"", {"WWW-Authenticate": 'Basic realm="index"'})
        elif self.path in index.raw:
            status, headers, body = index.raw[self.path]
            self._answer(status, body, headers)
        elif match := re.fullmatch(r"/provenance/([^/]+)", self.path):
            document = index.provenance.get(match[1])
            self._answer(200 if document else 404, json.dumps(document).encode())
        elif index.failures:
            index.failures -= 1
            self._answer(503, b"", {"Retry-After": "0"})
        elif match := re.fullmatch(r"/simple/([^/]+)/", self.path):
            self._page(match[1])
        elif match := re.fullmatch(r"/files/([^/]+)", self.path):
            self._file(unquote(match[1]))
        else:
            self._answer(404, b"")

    def _page(self, name: str) -> None:
        index = self.server.index
        files = index.projects.get(name)
        if files is None:
            self._answer(404, b"")
            return
        body = _json(name, files, index) if index.json else _html(name, files, index)
        headers = {"Content-Type": JSON_TYPE if index.json else "text/html; charset=utf-8"}
        if index.etags:
            headers["ETag"] = f'"{hashlib.sha256(body).hexdigest()}"'
            if self.headers.get("If-None-Match") == headers["ETag"]:
                self._answer(304, b"", headers)
                return
        self._answer(200, body, headers)

    def _file(self, name: str) -> None:
        index = self.server.index
        wanted = name.removesuffix(".metadata")
        found = [file for files in index.projects.values() for file in files if file.file == wanted]
        if not found or (name != wanted and index.metadata in ("absent", "missing")):
            self._answer(404, b"")
        elif name != wanted:
            self._answer(200, found[0].metadata or b"")
        else:
            self._bytes(found[0].data)

    def _bytes(self, data: bytes) -> None:
        index = self.server.index
        match = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if not match or not index.ranges:
            self._answer(200, data)
            return
        start = int(match[1]) if match[1] else max(0, len(data) - int(match[2]))
        end = min(len(data), int(match[2]) + 1 if match[1] and match[2] else len(data))
        self._answer(206, data[start:end], {"Content-Range": f"bytes {start}-{end - 1}/{len(data)}"})

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        index = self.server.index
        index.log.append((self.path, self.headers.get("Range", ""), status))
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if index.cut and status in (200, 206) and self.path.endswith(".whl") and len(body) > index.cut:
            body, index.cut, self.close_connection = body[: index.cut], 0, True
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """The log is `Index.log`."""


class _Server(ThreadingHTTPServer):
    index: Index

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client may hang up when it has seen enough."""


def _attributes(file: File, index: Index) -> dict[str, Any]:
    """`core-metadata` and `requires-python`, in the words of the JSON form."""
    row: dict[str, Any] = {"yanked": file.yanked}
    if file.requires_python:
        row["requires-python"] = file.requires_python
    if file.file in index.provenance:
        row["provenance"] = f"{index.url}/provenance/{file.file}"
    if index.metadata != "absent" and file.metadata is not None:
        content = file.metadata if index.metadata != "wrong" else b"something else"
        row["core-metadata"] = {"sha256": hashlib.sha256(content).hexdigest()}
    return row


def _json(name: str, files: list[File], index: Index) -> bytes:
    rows = []
    for file in files:
        row: dict[str, Any] = {"filename": file.file, "url": f"../../files/{file.file}", "hashes": {}}
        row |= _attributes(file, index)
        if index.hashes:
            row["hashes"] = {"sha256": file.sha256}
        if index.sizes:
            row["size"] = len(file.data)
        if file.upload_time:
            row["upload-time"] = file.upload_time
        rows.append(row)
    document: dict[str, Any] = {"meta": {"api-version": "1.4"}, "name": name, "files": rows}
    if name in index.status:
        document["project-status"] = index.status[name]
    return json.dumps(document).encode()


def _html(name: str, files: list[File], index: Index) -> bytes:
    links = []
    if isinstance(status := index.status.get(name), dict):
        links = [
            f'<meta name="pypi:project-status{part}" content="{html.escape(text)}">'
            for part, text in (("", status["status"]), ("-reason", status.get("reason", "")))
        ]
    for file in files:
        row = _attributes(file, index)
        text = f"../../files/{file.file}" + (f"#sha256={file.sha256}" if index.hashes else "")
        attributes = f'href="{text}"'
        if file.requires_python:
            attributes += f' data-requires-python="{html.escape(file.requires_python)}"'
        if file.yanked:
            attributes += f' data-yanked="{"" if file.yanked is True else html.escape(file.yanked)}"'
        if core := row.get("core-metadata"):
            attributes += f' data-core-metadata="sha256={core["sha256"]}"'
        if provenance := row.get("provenance"):
            attributes += f' data-provenance="{provenance}"'
        links.append(f"<a {attributes}>{file.file}</a><br/>")
    return f"<!DOCTYPE html><html><body>{''.join(links)}</body></html>".encode()


@contextmanager
def serving(index: Index, tls: ssl.SSLContext | None = None) -> Iterator[Index]:
    """Serve until the block ends; `index.url` says where. With `tls`, as `localhost` over https."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.index = index
    index.url = f"http://127.0.0.1:{server.server_address[1]}"
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        index.url = f"https://localhost:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield index
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
