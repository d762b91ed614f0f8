"""An HTTP proxy on the loopback: it forwards plain requests and opens tunnels, and says what went through."""

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


@dataclass(slots=True, kw_only=True)
class Proxy:
    authorization: str = ""
    """Not empty: what `Proxy-Authorization` has to be, else 407."""
    log: list[str] = field(default_factory=list)
    """Method and target of each request that was let through."""
    port: int = 0

    def url(self, login: str = "") -> str:
        return f"http://{login}127.0.0.1:{self.port}"


class _Handler(BaseHTTPRequestHandler):
    server: "_Server"

    def do_GET(self) -> None:
        if self._refused():
            return
        parts = urlsplit(self.path)
        # Whatever name was asked for, everything is served here.
        with closing(HTTPConnection("127.0.0.1", parts.port or 80, timeout=10)) as upstream:
            upstream.request("GET", parts.path, headers={"Accept": self.headers.get("Accept", "")})
            answer = upstream.getresponse()
            body = answer.read()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.headers.get("Content-Type", "application/octet-stream"))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_CONNECT(self) -> None:
        if self._refused():
            return
        port = int(self.path.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as upstream:
            self.send_response(200)
            self.end_headers()
            ends = {self.connection: upstream, upstream: self.connection}
            while True:
                ready, _, _ = select.select(list(ends), [], [], 10)
                for end in ready:
                    if not (data := end.recv(65536)):
                        return
                    ends[end].sendall(data)
                if not ready:
                    return

    def _refused(self) -> bool:
        proxy = self.server.proxy
        if proxy.authorization and self.headers.get("Proxy-Authorization") != proxy.authorization:
            self.send_response(407)
            self.send_header("Proxy-Authenticate", 'Basic realm="proxy"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return True
        proxy.log.append(f"{self.command} {self.path}")
        return False

    def log_message(self, format: str, *args: Any) -> None:
        """The log is `Proxy.log`."""


class _Server(ThreadingHTTPServer):
    proxy: Proxy

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client may hang up."""


@contextmanager
def forwarding(proxy: Proxy) -> Iterator[Proxy]:
    server = _Server(("127.0.0.1", 0), _Handler)
    server.proxy, proxy.port = proxy, server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
