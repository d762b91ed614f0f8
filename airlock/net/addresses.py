"""Connections to hosts that are looked up once each: sixteen threads that ask a name server for the same host at the same time lose an
answer now and then, and wait five seconds for the next."""

import ssl
import threading
from collections.abc import Callable
from concurrent.futures import Future
from http.client import HTTPConnection, HTTPSConnection
from socket import IPPROTO_TCP, SOCK_STREAM, TCP_NODELAY, getaddrinfo, socket
from typing import Any


class Addresses:
    """Safe to use from many threads."""

    def __init__(self, look_up: Callable[..., list[Any]] = getaddrinfo) -> None:
        self._look_up = look_up
        self._lock = threading.Lock()
        self._known: dict[tuple[str, int], Future[list[Any]]] = {}

    def connect(self, host: str, port: int, timeout: float) -> socket:
        """To the first of the host's addresses that answers within so many seconds. Raises OSError."""
        trouble = OSError(f"{host} has no address")
        for family, kind, protocol, _, address in self._of(host, port):
            connection = socket(family, kind, protocol)
            try:
                connection.settimeout(timeout)
                connection.connect(address)
                connection.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
            except OSError as error:
                connection.close()
                trouble = error
            else:
                return connection
        raise trouble

    def _of(self, host: str, port: int) -> list[Any]:
        """Of many threads that ask at the same time, the first does; those that ask for another host need not wait for it."""
        mine: Future[list[Any]] = Future()
        with self._lock:
            found = self._known.setdefault((host, port), mine)
        if found is mine:
            try:
                found.set_result(self._look_up(host, port, type=SOCK_STREAM))
            except BaseException as error:  # whatever it is: who waits must not do so for ever
                with self._lock:
                    del self._known[host, port]
                found.set_exception(error)
        return found.result()


class Plain(HTTPConnection):
    def __init__(self, place: str, addresses: Addresses, seconds: float) -> None:
        super().__init__(place, timeout=seconds)
        self._addresses, self._seconds = addresses, seconds

    def connect(self) -> None:
        self.sock = self._addresses.connect(self.host, self.port, self._seconds)


class Secure(HTTPSConnection):
    def __init__(self, place: str, addresses: Addresses, seconds: float, context: ssl.SSLContext) -> None:
        super().__init__(place, timeout=seconds, context=context)
        self._addresses, self._seconds, self._trusting = addresses, seconds, context

    def connect(self) -> None:
        opened = self._addresses.connect(self.host, self.port, self._seconds)
        try:
            self.sock = self._trusting.wrap_socket(opened, server_hostname=self.host)
        except BaseException:
            opened.close()
            raise
