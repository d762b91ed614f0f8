"""How requests are sent: certificates and proxies as the user's pip has them, and no waiting for a server without end."""

import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
import truststore
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.exceptions import InvalidHeader, MaxRetryError, ProxyError, SSLError
from urllib3.util import Retry

from airlock.net.direct import LOOPBACK
from airlock.net.patience import Patience, Watchdog
from airlock.net.pip import PipConfiguration


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    watchdog: Watchdog
    patience: Patience

    def over(self, manager: PoolManager) -> None:
        """Let the manager's connections wait for the head of an answer no longer than for a byte of it."""
        manager.pool_classes_by_scheme = {
            "http": self._watched(HTTPConnectionPool),
            "https": self._watched(HTTPSConnectionPool),
        }

    def _watched(self, pool: Any) -> Any:
        watchdog, seconds = self.watchdog, self.patience.read

        class Connection(pool.ConnectionCls):  # type: ignore[misc]  # a class that is only known here
            def getresponse(self) -> Any:
                with watchdog.limit(seconds, lambda: self.sock.shutdown(2)) as limit:
                    answer = super().getresponse()
                if limit.expired:
                    # Half a head would pass for a whole one.
                    answer.close()
                    raise TimeoutError
                return answer

        return type("Pool", (pool,), {"ConnectionCls": Connection})


class Tries(Retry):
    """Tries again what may pass, which a certificate and a missing password are not."""

    def increment(self, *arguments: Any, **options: Any) -> "Tries":
        error, response = options.get("error"), options.get("response")
        if response is not None:
            # What it says is of no use, and would be taken in whole, however much it is.
            response.close()
        if isinstance(error, SSLError) or (isinstance(error, ProxyError) and " 407 " in str(error)):
            raise MaxRetryError(options["_pool"], arguments[1], error)
        return super().increment(*arguments, **options)

    def get_retry_after(self, response: Any) -> float | None:
        """What the server asks for, in seconds, where it can be read."""
        try:
            return super().get_retry_after(response)
        except (InvalidHeader, ValueError, OverflowError):  # a number of any length, a year that is none
            return None


def tries(attempts: int, backoff: float, longest: float) -> Tries:
    """`longest` is how long a server's `Retry-After` is heard, in seconds."""
    return Tries(
        total=attempts,
        # A host that is not there will not be there in a second either.
        connect=min(attempts, 2),
        backoff_factor=backoff,
        backoff_max=20,
        retry_after_max=longest,  # type: ignore[arg-type]  # any number will do
        status_forcelist=(429, 500, 502, 503, 504),
        raise_on_status=False,
    )


class Trusting(HTTPAdapter):
    """An adapter whose connections use the given context, where there is one."""

    def __init__(self, context: ssl.SSLContext | None, watch: Watch, **options: Any) -> None:
        self._context: dict[str, Any] = {} if context is None else {"ssl_context": context}
        self._watch = watch
        super().__init__(**options)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:
        super().init_poolmanager(connections, maxsize, block, **options, **self._context)
        self._watch.over(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **options, **self._context)
        self._watch.over(manager)
        return manager


class Configured(BaseAdapter):
    """Which certificates, and which proxy, is asked of pip with the first request, for asking takes half a second."""

    def __init__(
        self, pip: PipConfiguration, make: Callable[..., HTTPAdapter], options: Mapping[str, Any]
    ) -> None:
        super().__init__()
        self._pip, self._make, self._options = pip, make, options
        self._lock = threading.Lock()
        self._adapters: dict[str, HTTPAdapter] = {}

    def send(self, request: requests.PreparedRequest, *arguments: Any, **options: Any) -> requests.Response:
        parts = urlsplit(request.url or "")
        if parts.scheme == "http" and parts.hostname in LOOPBACK:
            return self._opened("none").send(request, *arguments, **options)
        if certificates := self._pip.option("cert"):
            options["verify"] = certificates
        if client := self._pip.option("client-cert"):
            options["cert"] = client
        if proxy := self._pip.option("proxy"):
            options["proxies"] = {"http": proxy, "https": proxy}
        return self._opened("own" if certificates else "system").send(request, *arguments, **options)

    def _opened(self, trusted: str) -> HTTPAdapter:
        """One adapter for each way to trust: `system`, `own` certificates, or `none` where there is no TLS."""
        with self._lock:
            if trusted not in self._adapters:
                context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if trusted == "system" else None
                self._adapters[trusted] = self._make(context, **self._options)
            return self._adapters[trusted]

    def close(self) -> None:
        for adapter in self._adapters.values():
            adapter.close()
